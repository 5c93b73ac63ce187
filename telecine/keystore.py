"""Content keys, sealed at rest with AES-256-GCM under a master key (NIST SP 800-38D)."""

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretBytes

from telecine.document import Document
from telecine.errors import MissingRequirement, NotFound, PreconditionFailed, TelecineError
from telecine.protection import ContentKey, KeyAssignment, Kid
from telecine.storage.port import ObjectStore

__all__ = ["KeyStore", "SealedKeyStore", "load_or_create_master_key"]

_KEY_BYTES = 16
_NONCE_BYTES = 12
_MASTER_BYTES = 32
_PRIVATE = 0o077


class KeyStore(Protocol):
    """Who makes and keeps content keys. A title's label keeps its key; two processes asking at once get the same."""

    def assign(self, title_id: str, labels: Sequence[str]) -> KeyAssignment:
        """The KIDs of a title's labels, made now for labels that have none."""
        ...

    def keys(self, assignment: KeyAssignment) -> tuple[ContentKey, ...]:
        """The keys of an assignment, in label order. Raises NotFound."""
        ...

    def key(self, title_id: str, kid: Kid) -> ContentKey:
        """One key of a title. Raises NotFound."""
        ...


class _SealedKey(Document):
    kid: Kid
    label: str
    nonce: str
    sealed: str


class _SealedTitle(Document):
    title_id: str
    keys: tuple[_SealedKey, ...] = ()


class SealedKeyStore:
    """One object ``keys/<title>.json`` per title; each key is bound to title, label and KID by the cipher."""

    def __init__(self, store: ObjectStore, master_key: SecretBytes) -> None:
        self._store = store
        self._cipher = AESGCM(master_key.get_secret_value())

    def assign(self, title_id: str, labels: Sequence[str]) -> KeyAssignment:
        while True:
            found, etag = self._read(title_id)
            known = {key.label: key.kid for key in found.keys}
            fresh = [self._made(title_id, label) for label in dict.fromkeys(labels) if label not in known]
            if not fresh:
                return KeyAssignment(title_id=title_id, kids={label: known[label] for label in sorted(set(labels))})
            grown = found.model_copy(update={"keys": (*found.keys, *fresh)})
            try:
                self._store.put_bytes(
                    _object_key(title_id),
                    grown.model_dump_json().encode(),
                    content_type="application/json",
                    if_none_match=etag is None,
                    if_match=etag,
                )
            except PreconditionFailed:
                continue  # somebody else made keys for this title just now: read theirs

    def keys(self, assignment: KeyAssignment) -> tuple[ContentKey, ...]:
        return tuple(self.key(assignment.title_id, kid) for _, kid in sorted(assignment.kids.items()))

    def key(self, title_id: str, kid: Kid) -> ContentKey:
        found, _ = self._read(title_id)
        for sealed in found.keys:
            if sealed.kid == kid:
                return self._opened(title_id, sealed)
        message = f"Title {title_id} has no key with id {kid}."
        raise NotFound(message)

    def _read(self, title_id: str) -> tuple[_SealedTitle, str | None]:
        try:
            content, stored = self._store.get_bytes(_object_key(title_id))
        except NotFound:
            return _SealedTitle(title_id=title_id), None
        return _SealedTitle.model_validate_json(content), stored.etag

    def _made(self, title_id: str, label: str) -> _SealedKey:
        kid, nonce = secrets.token_hex(16), secrets.token_bytes(_NONCE_BYTES)
        secret = secrets.token_bytes(2 * _KEY_BYTES)  # key, then IV
        sealed = self._cipher.encrypt(nonce, secret, _bound_to(title_id, label, kid))
        return _SealedKey(kid=kid, label=label, nonce=nonce.hex(), sealed=sealed.hex())

    def _opened(self, title_id: str, sealed: _SealedKey) -> ContentKey:
        bound = _bound_to(title_id, sealed.label, sealed.kid)
        try:
            secret = self._cipher.decrypt(bytes.fromhex(sealed.nonce), bytes.fromhex(sealed.sealed), bound)
        except InvalidTag:
            message = (
                f"Key {sealed.kid} of title {title_id} does not open: it was changed, or another master key sealed it."
            )
            raise TelecineError(message) from None
        return ContentKey(
            kid=sealed.kid,
            label=sealed.label,
            key=SecretBytes(secret[:_KEY_BYTES]),
            iv=SecretBytes(secret[_KEY_BYTES:]),
        )


def load_or_create_master_key(path: Path) -> SecretBytes:
    """The 32-byte master key, hex in a file of mode 0600; made when absent. Raises MissingRequirement when unfit."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_MASTER_BYTES) + "\n")
        try:
            os.link(staged, path)  # whoever links first made the key; nobody reads half a file
        except FileExistsError:
            pass
        finally:
            staged.unlink()
    if path.stat().st_mode & _PRIVATE:
        message = f"{path} holds the master key but others can read it: run 'chmod 600 {path}'."
        raise MissingRequirement(message)
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != _MASTER_BYTES:
        message = f"{path} must hold {_MASTER_BYTES} bytes as {2 * _MASTER_BYTES} hexadecimal digits."
        raise MissingRequirement(message)
    return SecretBytes(key)


def _object_key(title_id: str) -> str:
    return f"keys/{title_id}.json"


def _bound_to(title_id: str, label: str, kid: Kid) -> bytes:
    return json.dumps([title_id, label, kid]).encode()
