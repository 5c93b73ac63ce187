"""Sends a challenge to a vendor's licence server and brings the licence back, without looking into either."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import ModuleType

import httpx
from pydantic import SecretStr

from playback.licenses.gate import Attempt, LicenseGate
from playback.problems import RETRY_AFTER_S, Problem
from playback.vendors import fairplay, playready, widevine
from playback.vendors.policy import POLICY_HEADER, VendorRequest, policy_of, signed
from telecine.errors import MissingRequirement
from telecine.protection import Kid
from telecine.settings import Settings

__all__ = ["Upstream", "VendorLicense", "VendorLicenses", "upstreams_of", "vendor_client"]

SYSTEMS: dict[str, ModuleType] = {"widevine": widevine, "playready": playready, "fairplay": fairplay}
_LEAST_SECRET_BYTES = 32  # RFC 7518, 3.2
_LARGEST_LICENSE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Upstream:
    """A vendor's licence server and the key we sign statements to it with."""

    system: str
    url: str
    secret: SecretStr


@dataclass(frozen=True, slots=True)
class VendorLicense:
    """What the vendor answered, for the player alone."""

    content_type: str
    body: bytes

    def __repr__(self) -> str:
        return f"VendorLicense({len(self.body)} bytes)"


def upstreams_of(settings: Settings) -> dict[str, Upstream]:
    """The vendors an installation names. Raises MissingRequirement when one has no secret to sign with."""
    named = {
        "widevine": (settings.widevine_upstream, settings.widevine_secret),
        "playready": (settings.playready_upstream, settings.playready_secret),
        "fairplay": (settings.fairplay_upstream, settings.fairplay_secret),
    }
    for system, (url, secret) in named.items():
        if url and len(secret.get_secret_value().encode()) < _LEAST_SECRET_BYTES:
            name = system.upper()
            message = (
                f"TELECINE_{name}_UPSTREAM is set, so TELECINE_{name}_SECRET must hold at least "
                f"{_LEAST_SECRET_BYTES} bytes, shared with that server."
            )
            raise MissingRequirement(message)
    return {system: Upstream(system, url, secret) for system, (url, secret) in named.items() if url}


def vendor_client(timeout_s: float) -> httpx.AsyncClient:
    """Connections to vendors, kept open between licences.

    One retry, and only where no byte of a request can have arrived: a licence is not idempotent everywhere.
    """
    return httpx.AsyncClient(timeout=timeout_s, transport=httpx.AsyncHTTPTransport(retries=1))


@dataclass(frozen=True, slots=True)
class VendorLicenses:
    """Licences of configured vendors, through the same gate as Clear Key's."""

    gate: LicenseGate
    upstreams: dict[str, Upstream]
    client: httpx.AsyncClient
    clock: Callable[[], float]

    async def grant(self, system: str, token: str | None, body: bytes, content_type: str) -> VendorLicense:
        """The vendor's licence for a challenge.

        Raises Problem: 404 when the system is not configured, 415 for a content type the system does not have, 403
        when none of the KIDs a challenge names is granted, 502, 503 or 504 for the vendor's failures.
        """
        upstream = self.upstreams.get(system)
        if upstream is None:
            raise Problem(HTTPStatus.NOT_FOUND, "system-not-configured", f"This installation has no {system} server.")
        spelled = SYSTEMS[system]
        if content_type.partition(";")[0].strip().lower() not in spelled.CONTENT_TYPES:
            detail = f"A {system} challenge is one of {', '.join(filter(None, spelled.CONTENT_TYPES))}."
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wrong-content-type", detail)
        if not body:
            raise Problem(HTTPStatus.BAD_REQUEST, "malformed-request", f"A {system} challenge is not empty.")
        asked: tuple[Kid, ...] = spelled.asked_kids(body)
        async with self.gate.attempt(system, token, asked) as attempt:
            if spelled.is_certificate_request(body):
                return await self._answer(upstream, VendorRequest({**spelled.headers()}, body))
            kids = attempt.allowed(asked) if asked else attempt.claims.kids
            policy = policy_of(attempt.session, kids, self.clock())
            statement = signed(spelled.message(policy), body, upstream.secret, self.clock())
            told = {"Content-Type": content_type, **spelled.headers(), POLICY_HEADER: statement}
            return await self._granted(attempt, upstream, VendorRequest(told, body), kids)

    async def _granted(
        self, attempt: Attempt, upstream: Upstream, request: VendorRequest, kids: tuple[Kid, ...]
    ) -> VendorLicense:
        await attempt.use_token()
        try:
            license_ = await self._answer(upstream, request)
        except Problem:
            await self.gate.sessions.release(attempt.claims.jti)  # the player may try again with it
            raise
        await attempt.write_down("granted", "granted", kids)
        return license_

    async def _answer(self, upstream: Upstream, request: VendorRequest) -> VendorLicense:
        answer = await self._sent(upstream, request)
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            detail = f"The {upstream.system} server refused this licence with status {answer.status_code}."
            raise Problem(HTTPStatus.FORBIDDEN, "vendor-refused", detail)
        if answer.status_code != HTTPStatus.OK or not 0 < len(answer.content) <= _LARGEST_LICENSE_BYTES:
            detail = (
                f"The {upstream.system} server answered {answer.status_code} with {len(answer.content)} bytes; "
                f"200 with a licence was expected."
            )
            raise Problem(HTTPStatus.BAD_GATEWAY, "vendor-failed", detail)
        return VendorLicense(answer.headers.get("content-type", "application/octet-stream"), answer.content)

    async def _sent(self, upstream: Upstream, request: VendorRequest) -> httpx.Response:
        try:
            return await self.client.post(upstream.url, content=request.body, headers=request.headers)
        except httpx.ConnectError as error:
            detail = f"The {upstream.system} server cannot be reached: try again in {RETRY_AFTER_S} seconds."
            told = {"Retry-After": str(RETRY_AFTER_S)}
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "vendor-unreachable", detail, headers=told) from error
        except httpx.TimeoutException as error:
            detail = f"The {upstream.system} server did not answer in time."
            raise Problem(HTTPStatus.GATEWAY_TIMEOUT, "vendor-timeout", detail) from error
        except httpx.HTTPError as error:
            detail = f"The connection to the {upstream.system} server broke: {type(error).__name__}."
            raise Problem(HTTPStatus.BAD_GATEWAY, "vendor-failed", detail) from error
