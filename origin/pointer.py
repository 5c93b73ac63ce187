"""The title's pointer: what is live. Written by compare-and-set only."""

from datetime import datetime

from origin.layout import pointer_key
from telecine.errors import NotFound, PreconditionFailed
from telecine.publication import Pointer, Publication
from telecine.storage.port import ObjectStore

__all__ = ["go_live", "pointer_key", "read_pointer"]


def read_pointer(title_id: str, origin_store: ObjectStore) -> Pointer | None:
    """What is live of a title, None when nothing is."""
    return _read(title_id, origin_store)[0]


def go_live(publication: Publication, origin_store: ObjectStore, *, now: datetime) -> Pointer:
    """Make a publication live. Idempotent: when its version is live already, the pointer stays as it is.

    Racing flips both succeed, one after the other: the loser reads again, so ``seq`` and ``previous`` stay true.
    """
    while True:
        present, etag = _read(publication.title_id, origin_store)
        if present is not None and present.version == publication.version:
            return present
        pointer = Pointer(
            title_id=publication.title_id,
            seq=present.seq + 1 if present else 1,
            version=publication.version,
            previous=present.version if present else None,
            dash_path=publication.dash_path,
            hls_path=publication.hls_path,
            kids=publication.keys.kids,
            live_at=now,
            scheme=publication.scheme,
            further=publication.further,
        )
        try:
            origin_store.put_bytes(
                pointer_key(publication.title_id),
                pointer.model_dump_json().encode(),
                content_type="application/json",
                if_none_match=etag is None,
                if_match=etag,
            )
        except PreconditionFailed:
            continue
        return pointer


def _read(title_id: str, origin_store: ObjectStore) -> tuple[Pointer | None, str | None]:
    try:
        content, stored = origin_store.get_bytes(pointer_key(title_id))
    except NotFound:
        return None, None
    return Pointer.model_validate_json(content), stored.etag
