"""The object store port: four implementations' worth of promises, tested by one contract suite."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from telecine.document import Document, Sha256

__all__ = ["ObjectStore", "StoredObject"]


class StoredObject(Document):
    """What a store knows of one object. ``sha256`` is the writer's, kept as metadata."""

    key: str
    size_bytes: int
    etag: str
    sha256: Sha256 | None = None


class ObjectStore(Protocol):
    """Bytes under keys ('/'-separated, never starting with '/').

    A failed write leaves nothing behind; a reader never sees half an object. ``Unavailable`` is raised (after a few
    retries) when the store does not answer, ``NotFound`` when a key is absent, ``PreconditionFailed`` when
    ``if_none_match`` (create only) or ``if_match`` (an ETag) does not hold.
    """

    def put_file(self, key: str, path: Path, *, content_type: str, sha256: Sha256 | None = None) -> StoredObject:
        """Store a whole file, replacing what was there. ``sha256`` is computed when not given."""
        ...

    def put_bytes(
        self,
        key: str,
        content: bytes,
        *,
        content_type: str,
        if_none_match: bool = False,
        if_match: str | None = None,
    ) -> StoredObject:
        """Store small content, optionally only if absent, or only over the version with that ETag."""
        ...

    def get_file(self, key: str, path: Path) -> StoredObject:
        """Fetch to ``path`` by way of ``path.part``; the size and, where known, sha256 are verified."""
        ...

    def get_bytes(self, key: str) -> tuple[bytes, StoredObject]:
        """Content and its version, read in one request."""
        ...

    def head(self, key: str) -> StoredObject | None:
        """What is known of a key, None when absent."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose key starts with ``prefix``, in key order (``sha256`` is not filled)."""
        ...

    def delete(self, key: str) -> None:
        """Remove a key; absent is fine."""
        ...
