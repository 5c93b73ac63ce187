"""What a key may be. Pure."""

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from telecine.document import Sha256
from telecine.errors import TelecineError

__all__ = ["bucket_and_key", "checked_key", "sha256_of_file"]

_BLOCK = 1024 * 1024


def checked_key(key: str) -> str:
    """The key itself, when it is relative, '/'-separated and climbs nowhere. Raises TelecineError."""
    parts = key.split("/")
    if not key or key.startswith("/") or any(part in {"", ".", ".."} for part in parts) or "\0" in key:
        message = f"'{key}' is not a valid object key: it must be relative, without empty, '.' or '..' parts."
        raise TelecineError(message)
    return key


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Of ``s3://bucket/key``, the key unquoted; either is empty where the address lacks it."""
    parts = urlsplit(uri)
    return parts.netloc, unquote(parts.path).lstrip("/")


def sha256_of_file(path: Path) -> Sha256:
    """SHA-256 of a file's content, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
