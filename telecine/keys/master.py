"""The master key (key-encryption key): a file of mode 0600, and during a rotation the one before it beside it."""

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from pydantic import SecretBytes

from telecine.durable import survive_power_cut
from telecine.errors import MissingRequirement
from telecine.private_files import read_private, write_private

__all__ = ["FixedMasterKey", "MasterKeyFile", "MasterKeys", "load_or_create_master_key", "master_key_id"]

_MASTER_BYTES = 32
_ID_DIGITS = 16


class MasterKeys(Protocol):
    """Which master keys open what is sealed, and which one seals."""

    def known(self) -> tuple[SecretBytes, ...]:
        """Every master key that may still be in use, the current one first."""
        ...

    def writing(self) -> AbstractContextManager[SecretBytes]:
        """The current master key; it stays the current one until the context ends."""
        ...


class FixedMasterKey:
    """One master key that never changes."""

    def __init__(self, key: SecretBytes) -> None:
        self._key = key

    def known(self) -> tuple[SecretBytes, ...]:
        return (self._key,)

    def writing(self) -> AbstractContextManager[SecretBytes]:
        return nullcontext(self._key)


class MasterKeyFile:
    """The master key in a file, read anew at each use, so that a rotation reaches processes that run for weeks.

    While a rotation is unfinished, the key before it is in ``<name>.old``: every sealed key opens at any moment,
    whenever the rotation is killed. Raises MissingRequirement when a file is unfit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._old = path.with_name(f"{path.name}.old")
        self._next = path.with_name(f"{path.name}.next")
        load_or_create_master_key(path)

    def known(self) -> tuple[SecretBytes, ...]:
        keys = [_read(self._path)]
        try:
            keys.append(_read(self._old))
        except MissingRequirement:
            if self._old.exists():
                raise
        return tuple(keys)

    @contextmanager
    def writing(self) -> Iterator[SecretBytes]:
        with self._locked(fcntl.LOCK_SH):
            yield _read(self._path)

    @contextmanager
    def rotating(self) -> Iterator[SecretBytes]:
        """A new master key is the current one; the old one is forgotten when the context ends without an exception.

        A rotation that was killed goes on with the new key it made. Raises MissingRequirement when another one runs.
        """
        with self._alone():
            with self._locked(fcntl.LOCK_EX):  # who seals at this moment ends first, and is found by the re-wrapping
                self._switch()
            yield _read(self._path)
            with self._locked(fcntl.LOCK_EX):  # nor does the old key go while somebody holds a title read before
                self._old.unlink()
                survive_power_cut(self._path.parent)

    def _switch(self) -> None:
        """Every step leaves files that open everything. The old key is set aside before the new one takes its place."""
        if self._old.exists() and not hmac.compare_digest(self._old.read_bytes(), self._path.read_bytes()):
            return  # an unfinished rotation: its new key is in place already
        if not self._next.exists():
            write_private(self._next, _fresh())
        _read(self._next)
        if not self._old.exists():
            os.link(self._path, self._old)
            survive_power_cut(self._path.parent)
        self._next.replace(self._path)
        survive_power_cut(self._path.parent)

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        """The folder itself is locked: a lock file would be one more thing to be deleted by mistake."""
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = self._path.with_name(f".{self._path.name}.rotation.lock")
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            message = f"Another rotation of the master key {self._path} is under way: wait until it has ended."
            raise MissingRequirement(message) from None
        try:
            yield
        finally:
            os.close(descriptor)


def master_key_id(key: SecretBytes) -> str:
    """A name for a master key that tells nothing of it: 16 hexadecimal digits of an HMAC under the key."""
    return hmac.new(key.get_secret_value(), b"telecine master key", hashlib.sha256).hexdigest()[:_ID_DIGITS]


def load_or_create_master_key(path: Path) -> SecretBytes:
    """The 32-byte master key, hex in a file of mode 0600; made when absent. Raises MissingRequirement when unfit."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        staged = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        write_private(staged, _fresh())
        try:
            os.link(staged, path)  # whoever links first made the key; nobody reads half a file
        except FileExistsError:
            pass
        finally:
            staged.unlink()
    return _read(path)


def _fresh() -> str:
    return secrets.token_hex(_MASTER_BYTES) + "\n"


def _read(path: Path) -> SecretBytes:
    content = read_private(path, "the master key")
    try:
        key = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _MASTER_BYTES:
        message = f"{path} must hold {_MASTER_BYTES} bytes as {2 * _MASTER_BYTES} hexadecimal digits."
        raise MissingRequirement(message)
    return SecretBytes(key)
