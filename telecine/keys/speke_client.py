"""SPEKE 2.0 over HTTP: one CPIX request, one CPIX answer. Bodies hold keys, so none is ever logged or quoted."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import stamina
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from pydantic import SecretStr

from telecine.cpix.delivery import Recipient
from telecine.cpix.document import Cpix, MalformedCpix, SystemName
from telecine.cpix.reading import read_cpix
from telecine.cpix.writing import key_request
from telecine.errors import KeysRefused, MissingRequirement, Unavailable

__all__ = ["SpekeClient", "SpekeServer"]

_VERSION = "2.0"
_ATTEMPTS = 4
_LONGEST_WAIT_S = 5


@dataclass(frozen=True, slots=True)
class SpekeServer:
    """A key provider, and how it is asked. With ``recipient``, only keys encrypted for its certificate are taken."""

    url: str
    authorization: SecretStr = field(default_factory=lambda: SecretStr(""))
    systems: tuple[SystemName, ...] = ("widevine", "playready", "fairplay")
    recipient: Recipient | None = None
    private_key: RSAPrivateKey | None = field(default=None, repr=False)
    timeout_s: float = 10

    def __post_init__(self) -> None:
        if (self.recipient is None) != (self.private_key is None):
            message = "Encrypted key delivery needs a certificate and its private key: one of the two is not set."
            raise MissingRequirement(message)
        if self.recipient and self.private_key and not self.recipient.owns(self.private_key):
            message = "The private key for encrypted key delivery is not that of the certificate."
            raise MissingRequirement(message)
        if not _is_private_way(self.url):
            message = f"The key provider's URL must begin with https://, but is {self.host or 'empty'}."
            raise MissingRequirement(message)

    @property
    def host(self) -> str:
        """What errors call it: never the path or the query, which may carry a token."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""


class SpekeClient:
    """Asks a key provider for the keys of KIDs that we chose."""

    def __init__(self, server: SpekeServer) -> None:
        self._server = server

    def keys_for(self, wanted: Cpix) -> Cpix:
        """The same KIDs with their keys, and what DRM systems want signalled for them.

        Tried again on 5xx and on transport errors, then raises Unavailable. Raises KeysRefused on any other status and
        on an answer that is not what was asked for.
        """
        ctr = all(key.scheme == "cenc" for key in wanted.keys)
        systems = tuple(one for one in self._server.systems if one != "fairplay" or not ctr)  # which opens cbcs alone
        body = key_request(wanted, systems, self._server.recipient)
        for attempt in stamina.retry_context(on=Unavailable, attempts=_ATTEMPTS, wait_max=_LONGEST_WAIT_S):
            with attempt:
                content = self._answer(body)
        return self._read(content, wanted)

    def _answer(self, body: bytes) -> bytes:
        server = self._server
        headers = {
            "Content-Type": "application/xml",
            "X-Speke-Version": _VERSION,
            "X-Speke-User-Agent": "telecine",
        }
        if server.authorization.get_secret_value():
            headers["Authorization"] = server.authorization.get_secret_value()
        try:
            response = httpx.post(
                server.url, content=body, headers=headers, timeout=server.timeout_s, follow_redirects=False
            )
        except httpx.HTTPError as error:
            message = f"The key provider {server.host} did not answer ({type(error).__name__})."
            raise Unavailable(message) from None
        if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            message = f"The key provider {server.host} answers {response.status_code}."
            raise Unavailable(message)
        if response.status_code != httpx.codes.OK:
            message = f"The key provider {server.host} refuses the request with status {response.status_code}."
            raise KeysRefused(message)
        self._check_version(response.headers.get("X-Speke-Version", _VERSION))
        return response.content

    def _check_version(self, version: str) -> None:
        if version != _VERSION:
            message = (
                f"The key provider {self._server.host} does not answer in SPEKE {_VERSION}: X-Speke-Version differs."
            )
            raise KeysRefused(message)

    def _read(self, content: bytes, wanted: Cpix) -> Cpix:
        try:
            found = read_cpix(content, self._server.private_key)
        except MalformedCpix as error:
            message = f"The key provider {self._server.host} answers what cannot be used. {error}"
            raise KeysRefused(message) from None
        faults = _faults(found, wanted, encrypted=self._server.recipient is not None)
        if faults:
            message = f"The key provider {self._server.host} answers what was not asked for: {'; '.join(faults)}."
            raise KeysRefused(message)
        return found


def _faults(found: Cpix, wanted: Cpix, *, encrypted: bool) -> list[str]:
    faults = []
    if found.content_id != wanted.content_id:
        faults.append(f"contentId must be {wanted.content_id}")
    asked, there = ({key.kid: key.label for key in document.keys} for document in (wanted, found))
    if asked != there:
        faults.append(
            f"its {len(there)} keys are not the {len(asked)} that were asked for, by KID and intendedTrackType"
        )
    schemes = {key.kid: key.scheme for key in wanted.keys}
    if any(key.scheme not in {None, schemes.get(key.kid, key.scheme)} for key in found.keys):
        faults.append("a key is for another commonEncryptionScheme")
    if any(key.key is None for key in found.keys):
        faults.append("a key has no value")
    if encrypted and not found.encrypted:
        faults.append("its keys are in clear, where keys encrypted for our certificate were asked for")
    return faults


def _is_private_way(url: str) -> bool:
    """TLS, or this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme != "http":
        return False
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"
