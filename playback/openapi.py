"""The raw routes' part of the OpenAPI document, which FastAPI cannot see."""

from typing import Any

from playback.licenses.endpoints import LICENSE_PATH
from playback.sessions.schemas import Heartbeat
from playback.vendors.endpoints import CERTIFICATE_PATH, VENDOR_PATH

__all__ = ["with_raw_routes"]

_BEARER: list[dict[str, list[str]]] = [{"HTTPBearer": []}]
_KIDS = {
    "type": "object",
    "required": ["kids"],
    "properties": {
        "kids": {"type": "array", "items": {"type": "string", "description": "16 bytes, base64url without padding"}},
        "type": {"enum": ["temporary", "persistent-license"]},
    },
}
_KEYS = {
    "type": "object",
    "properties": {
        "keys": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"kty": {"const": "oct"}, "kid": {"type": "string"}, "k": {"type": "string"}},
            },
        },
        "type": {"const": "temporary"},
    },
}


_REFUSALS = {
    "400": "not a licence request",
    "401": "the token was used before: ask for a licence token",
    "403": "refused; 'reason' says why",
    "429": "over a limit of the user or device",
    "503": "try again",
}


def with_raw_routes(document: dict[str, Any]) -> dict[str, Any]:
    """``document`` with the licence, heartbeat, health and metrics routes. Idempotent: FastAPI keeps one document."""
    document["paths"] |= {
        LICENSE_PATH: {"post": _licence()},
        VENDOR_PATH: {"post": _vendor_licence()},
        CERTIFICATE_PATH: {"get": _plain("The FairPlay certificate", {"200": "DER", "404": "none is configured"})},
        "/v1/sessions/{session_id}/heartbeat": {"post": _heartbeat()},
        "/healthz": {"get": _plain("Whether Redis and the registry answer", {"200": "both do", "503": "one does not"})},
        "/metrics": {"get": _plain("Counters in the Prometheus text format", {"200": "the counters"})},
    }
    return document


def _licence() -> dict[str, Any]:
    return {
        "tags": ["licenses"],
        "summary": "Clear Key licence (W3C EME); bearer: the playback token",
        "security": _BEARER,
        "requestBody": _json(_KIDS),
        "responses": {
            "200": {"description": "the authorised subset of the keys", **_json(_KEYS)},
            **_answers(_REFUSALS),
        },
    }


def _vendor_licence() -> dict[str, Any]:
    system = {
        "name": "system",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": ["widevine", "playready", "fairplay"]},
    }
    octets = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    failures = {"404": "not configured", "415": "wrong content type", "502": "vendor failed", "504": "vendor silent"}
    return {
        "tags": ["licenses"],
        "summary": "Licence of a vendor's server; bearer: a licence token",
        "security": _BEARER,
        "parameters": [system],
        "requestBody": octets,
        "responses": {"200": {"description": "the vendor's licence", **octets}, **_answers(_REFUSALS | failures)},
    }


def _heartbeat() -> dict[str, Any]:
    session = {"name": "session_id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "tags": ["sessions"],
        "summary": "Sign of life of a player; bearer: the playback token",
        "security": _BEARER,
        "parameters": [session],
        "requestBody": _json(Heartbeat.model_json_schema()),
        "responses": _answers({"204": "kept", "401": "token refused", "410": "the session has ended"}),
    }


def _plain(summary: str, answers: dict[str, str]) -> dict[str, Any]:
    return {"tags": ["operation"], "summary": summary, "responses": _answers(answers)}


def _answers(texts: dict[str, str]) -> dict[str, Any]:
    return {status: {"description": text} for status, text in texts.items()}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}
