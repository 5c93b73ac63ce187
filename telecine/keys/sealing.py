"""Envelope encryption: content keys under a title's data key, the data key under the master key.

Both by AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; what a sealed value is for is bound to it as
associated data, so nothing can be moved to another title, label, KID or generation.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Field, SecretBytes

from telecine.document import Document, UtcTime
from telecine.errors import TelecineError
from telecine.keys.master import master_key_id
from telecine.protection import ContentKey, DrmSystemSignal, KeyOrigin, Kid

__all__ = ["DataKey", "SealedKey", "SealedTitle", "SealedUnderAnother", "open_data_key", "open_key", "seal", "wrapped"]

KEY_BYTES = 16
_NONCE_BYTES = 12
_DATA_KEY_BYTES = 32


class SealedUnderAnother(TelecineError):
    """No master key at hand opens it: it was changed, or sealed under another one."""


class WrappedKey(Document):
    """A title's data key, sealed under a master key."""

    master: str = Field(description="id of the master key")
    nonce: str
    sealed: str


class SealedKey(Document):
    """One content key and its initialization vector, sealed."""

    kid: Kid
    label: str
    nonce: str
    sealed: str
    generation: int = 1
    origin: KeyOrigin = "made"
    made_at: UtcTime | None = None


class SealedTitle(Document):
    """All keys of a title at rest. Without a data key, the master key itself seals them, as it once did."""

    title_id: str
    keys: tuple[SealedKey, ...] = ()
    data_key: WrappedKey | None = None
    signals: tuple[DrmSystemSignal, ...] = ()


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key a title's content keys are sealed under; ``direct`` when that is the master key, as it once was."""

    secret: SecretBytes
    direct: bool = False

    @classmethod
    def fresh(cls) -> "DataKey":
        return cls(SecretBytes(secrets.token_bytes(_DATA_KEY_BYTES)))


def wrapped(title_id: str, data_key: DataKey, master: SecretBytes) -> WrappedKey:
    """A data key, sealed under a master key."""
    nonce, bound = secrets.token_bytes(_NONCE_BYTES), _bound("data key", title_id)
    sealed = AESGCM(master.get_secret_value()).encrypt(nonce, data_key.secret.get_secret_value(), bound)
    return WrappedKey(master=master_key_id(master), nonce=nonce.hex(), sealed=sealed.hex())


def open_data_key(title: SealedTitle, masters: Sequence[SecretBytes]) -> DataKey | None:
    """The data key of a title; none where it has none yet. Raises SealedUnderAnother."""
    if title.data_key is None:
        return None
    found = title.data_key
    for master in masters:
        if master_key_id(master) == found.master:
            secret = _decrypted(master, found, _bound("data key", title.title_id))
            if secret is not None:
                return DataKey(SecretBytes(secret))
    message = (
        f"The data key of title {title.title_id} does not open: it was changed, or another master key "
        f"({found.master}) sealed it."
    )
    raise SealedUnderAnother(message)


def seal(title_id: str, data_key: DataKey, key: ContentKey, sealed_as: SealedKey) -> SealedKey:
    """A content key, sealed under a data key; ``sealed_as`` says everything else of it."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    secret = key.key.get_secret_value() + key.iv.get_secret_value()
    cipher = AESGCM(data_key.secret.get_secret_value())
    sealed = cipher.encrypt(nonce, secret, _bound_to(title_id, sealed_as, data_key))
    return sealed_as.model_copy(update={"nonce": nonce.hex(), "sealed": sealed.hex()})


def open_key(title: SealedTitle, sealed: SealedKey, masters: Sequence[SecretBytes]) -> ContentKey:
    """A content key of a title. Raises SealedUnderAnother when it was changed or no master key at hand opens it."""
    data_key = open_data_key(title, masters)
    for candidate in [data_key] if data_key else [DataKey(master, direct=True) for master in masters]:
        secret = _decrypted(candidate.secret, sealed, _bound_to(title.title_id, sealed, candidate))
        if secret is not None:
            key, iv = SecretBytes(secret[:KEY_BYTES]), SecretBytes(secret[KEY_BYTES:])
            return ContentKey(kid=sealed.kid, label=sealed.label, key=key, iv=iv)
    message = (
        f"Key {sealed.kid} of title {title.title_id} does not open: it was changed, or another master key sealed it."
    )
    raise SealedUnderAnother(message)


def _decrypted(key: SecretBytes, sealed: SealedKey | WrappedKey, bound: bytes) -> bytes | None:
    cipher = AESGCM(key.get_secret_value())
    try:
        return cipher.decrypt(bytes.fromhex(sealed.nonce), bytes.fromhex(sealed.sealed), bound)
    except (InvalidTag, ValueError):
        return None


def _bound_to(title_id: str, sealed: SealedKey, data_key: DataKey) -> bytes:
    if data_key.direct:
        return _bound(title_id, sealed.label, sealed.kid)
    return _bound("content key", title_id, sealed.label, sealed.kid, sealed.generation)


def _bound(*parts: str | int) -> bytes:
    return json.dumps(list(parts)).encode()
