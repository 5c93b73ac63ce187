"""Keys as players get them: a Clear Key licence request (W3C Encrypted Media Extensions, 9.1.3 and 9.1.4)."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import httpx
from pydantic import SecretBytes, SecretStr

from telecine.errors import TelecineError, Unavailable
from telecine.protection import Kid

__all__ = [
    "ClearKeyLicences",
    "LicenceRefused",
    "LicenceSource",
    "LicencesOfSets",
    "NoLicences",
    "OneLicence",
    "web_licences",
]

_OK, _REFUSED = 200, (401, 403, 404, 410, 429)
_TIMEOUT_S = 10.0
_KEY_BYTES = 16


class LicenceRefused(TelecineError):
    """The licence service grants none of the keys asked for; the text says what it answered."""


class LicenceSource(Protocol):
    """Whoever answers licence requests. None of the keys it returns may be kept longer than they are used."""

    def keys(self, kids: Iterable[Kid]) -> Mapping[Kid, SecretBytes]:
        """The keys granted of those asked for. Raises LicenceRefused when none, Unavailable when nobody answers."""
        ...


class NoLicences:
    """Nobody to ask: only what is clear can be decoded."""

    def keys(self, kids: Iterable[Kid]) -> Mapping[Kid, SecretBytes]:
        message = f"No licence service is known, so nobody can grant {', '.join(sorted(kids))}."
        raise LicenceRefused(message)


class OneLicence:
    """Answers out of what was granted once, and asks for the rest only. Lives as long as one verification."""

    def __init__(self, source: LicenceSource) -> None:
        self._source = source
        self._granted: dict[Kid, SecretBytes] = {}

    def keys(self, kids: Iterable[Kid]) -> Mapping[Kid, SecretBytes]:
        wanted = frozenset(kids)
        if missing := sorted(wanted - self._granted.keys()):
            self._granted.update(self._source.keys(missing))
        return {kid: key for kid, key in self._granted.items() if kid in wanted}


@dataclass(frozen=True, slots=True)
class LicencesOfSets:
    """Asks for the keys of each set of segments by itself, as a viewer's session is of one set.

    ``sources`` are KIDs and who answers for them, the first set first; it is asked for KIDs of no set too.
    """

    sources: tuple[tuple[frozenset[Kid], LicenceSource], ...]

    def keys(self, kids: Iterable[Kid]) -> Mapping[Kid, SecretBytes]:
        wanted = frozenset(kids)
        foreign = wanted - frozenset(kid for own, _ in self.sources for kid in own)
        granted: dict[Kid, SecretBytes] = {}
        refusals: list[LicenceRefused] = []
        for number, (own, source) in enumerate(self.sources):
            asked = wanted & own | (foreign if number == 0 else frozenset())
            try:
                granted |= source.keys(asked) if asked else {}
            except LicenceRefused as refused:
                refusals.append(refused)
        if refusals and not granted:
            raise refusals[0]
        return granted


@dataclass(frozen=True, slots=True)
class ClearKeyLicences:
    """Clear Key over any way to post: ``post(body)`` gives status and body of the answer."""

    post: Callable[[bytes], tuple[int, bytes]]

    def keys(self, kids: Iterable[Kid]) -> Mapping[Kid, SecretBytes]:
        wanted = sorted(set(kids))
        body = json.dumps({"kids": [_base64url(bytes.fromhex(kid)) for kid in wanted], "type": "temporary"})
        status, answer = self.post(body.encode())
        if status in _REFUSED:
            message = f"The licence service refuses the KIDs {', '.join(wanted)} with {status}: {_reason(answer)}."
            raise LicenceRefused(message)
        if status != _OK:
            message = f"The licence service answers {status} where 200 was expected."
            raise Unavailable(message)
        return {kid: key for kid, key in _granted(answer).items() if kid in wanted}


def web_licences(url: str, token: SecretStr | None = None) -> ClearKeyLicences:
    """A licence service on the web, asked with a bearer token where one is given."""
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}

    def post(body: bytes) -> tuple[int, bytes]:
        try:
            answer = httpx.post(url, content=body, headers=headers, timeout=_TIMEOUT_S)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"The licence service {url} did not answer: {type(error).__name__}."
            raise Unavailable(message) from None  # the request holds the token
        return answer.status_code, answer.content

    return ClearKeyLicences(post)


def _granted(answer: bytes) -> dict[Kid, SecretBytes]:
    """The keys of a JWK set. Raises LicenceRefused when it is none; its text never quotes it."""
    try:
        found = {_bytes(jwk["kid"]).hex(): SecretBytes(_bytes(jwk["k"])) for jwk in json.loads(answer)["keys"]}
    except (ValueError, KeyError, TypeError, binascii.Error):
        message = "The licence service's answer is no JWK set of Clear Key (W3C EME, 9.1.4)."
        raise LicenceRefused(message) from None
    if not all(len(key.get_secret_value()) == _KEY_BYTES for key in found.values()):
        message = f"The licence service's answer has a key that is not {_KEY_BYTES} bytes."
        raise LicenceRefused(message)
    return found


def _reason(answer: bytes) -> str:
    """What a problem document (RFC 9457) says."""
    try:
        problem = json.loads(answer)
        return str(problem.get("detail") or problem.get("title") or "no reason given")[:200].rstrip(".")
    except (ValueError, AttributeError):
        return "no reason given"


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
