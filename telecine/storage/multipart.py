"""Large objects written in parts by others than us: a browser puts each part by an address that is signed for it."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from telecine.document import Document
from telecine.storage.port import ObjectStore, StoredObject

__all__ = ["MOST_PARTS", "MultipartStore", "StoredPart"]

MOST_PARTS = 10_000
"""Of one object (Amazon S3, "Multipart upload limits")."""


class StoredPart(Document):
    """A part the store has. ``number`` counts from 1; ``etag`` is the store's, quotes included."""

    number: int
    size_bytes: int
    etag: str


class MultipartStore(ObjectStore, Protocol):
    """An object store that takes an object in parts. NotFound where the multipart upload is not, or no longer, open."""

    def allow_pages(self) -> None:
        """Let web pages put parts by signed addresses and read the ETag. Idempotent."""
        ...

    def create_multipart(self, key: str, *, content_type: str) -> str:
        """Open a multipart upload, returning its id; the key holds nothing before it is completed."""
        ...

    def presign_part(self, key: str, multipart_id: str, number: int, *, expires_s: int) -> str:
        """An address that takes one PUT of one part, for so long. A secret: whoever has it may write the part."""
        ...

    def list_parts(self, key: str, multipart_id: str) -> tuple[StoredPart, ...]:
        """What is there already, in the order of numbers."""
        ...

    def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[StoredPart]) -> StoredObject:
        """Put the object together, atomically."""
        ...

    def abort_multipart(self, key: str, multipart_id: str) -> None:
        """Give the upload up and free its parts; absent is fine."""
        ...

    def blocks(self, key: str) -> Iterator[bytes]:
        """The object's bytes in order, in blocks; an outage of the service in between is borne."""
        ...
