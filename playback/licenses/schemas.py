"""The Clear Key licence wire format: W3C Encrypted Media Extensions, 9.1.3 and 9.1.4 (JSON, unpadded base64url)."""

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from playback.licenses.service import ClearKeyAsk
from telecine.errors import TelecineError
from telecine.protection import ContentKey, Kid

__all__ = ["MalformedLicenseRequest", "clear_key_ask", "license_text"]

_KEY_BYTES = 16
_MOST_KIDS = 64


class MalformedLicenseRequest(TelecineError):
    """The body is not a Clear Key licence request; the text says what is wrong."""


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # the standard lets requests grow

    kids: Annotated[tuple[str, ...], Field(min_length=1, max_length=_MOST_KIDS)]
    type: Literal["temporary", "persistent-license"] = "temporary"


def clear_key_ask(body: bytes) -> ClearKeyAsk:
    """What a player asks for, without repeats. Raises MalformedLicenseRequest."""
    try:
        request = _Request.model_validate_json(body)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in error.errors())
        message = f"This is not a Clear Key licence request: {faults}"
        raise MalformedLicenseRequest(message) from error
    kids = tuple(dict.fromkeys(_kid(text) for text in request.kids))
    return ClearKeyAsk(kids, persistent=request.type == "persistent-license")


def license_text(keys: Iterable[ContentKey], *, persistent: bool = False) -> str:
    """A JWK set of the keys, as the content decryption module takes it."""
    jwks = [
        {"kty": "oct", "kid": _base64url(bytes.fromhex(key.kid)), "k": _base64url(key.key.get_secret_value())}
        for key in keys
    ]
    return json.dumps({"keys": jwks, "type": "persistent-license" if persistent else "temporary"})


def _kid(text: str) -> Kid:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _KEY_BYTES:
        message = f"A key ID is {_KEY_BYTES} bytes in base64url without padding; one of these is not."
        raise MalformedLicenseRequest(message)
    return raw.hex()


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
