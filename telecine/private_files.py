"""Files that only their owner may read: how secrets are written, and how a file that others can read is refused."""

import os
import secrets
from pathlib import Path

from telecine.durable import survive_power_cut
from telecine.errors import MissingRequirement

__all__ = ["read_private", "write_private"]

_OTHERS = 0o077


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file of mode 0600 whole or not at all, replacing what was there; it survives a power cut."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    survive_power_cut(path.parent)


def read_private(path: Path, what: str) -> bytes:
    """The content of a secret file. Raises MissingRequirement when it is absent or others can read it."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        message = f"{path} should hold {what}, but there is no such file."
        raise MissingRequirement(message) from None
    if mode & _OTHERS:
        message = f"{path} holds {what} but others can read it: run 'chmod 600 {path}'."
        raise MissingRequirement(message)
    return path.read_bytes()
