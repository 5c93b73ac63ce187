"""What a title has in the work bucket: noted before it is made or used, under ``working/<title>/``.

A note names objects by their keys. They are named by what they are made of, so titles of one master share them: an
object may go when no title that needs it has a note of it.
"""

from collections.abc import Iterator
from contextlib import suppress

from encoders.documents import EncodePlan, VideoJob
from pipeline import shelf
from telecine.document import Document, digest_of
from telecine.errors import NotFound
from telecine.registry.records import TitleRecord
from telecine.rendition import RenditionSet
from telecine.storage.port import ObjectStore
from telecine.title import TitleId

__all__ = ["WorkingSet", "keys_of", "note", "note_keys", "read_note", "remembered_keys"]

_FOLDER = "working"


class WorkingSet(Document):
    """Objects that one run of a title makes or uses: chunks, sounds, renditions."""

    title_id: TitleId
    keys: tuple[str, ...]


def note(store: ObjectStore, title_id: TitleId, run_id: str, document: Document) -> None:
    """Note what a plan or a set of renditions names; nothing of other documents. Idempotent.

    Each run has notes of its own, so that removing those of an older one leaves it as it is.
    """
    keys = keys_of(document)
    if keys:
        found = WorkingSet(title_id=title_id, keys=keys)
        key = f"{_FOLDER}/{title_id}/{digest_of(run_id, keys)}.json"
        store.put_bytes(key, found.model_dump_json().encode(), content_type="application/json")


def keys_of(document: Document) -> tuple[str, ...]:
    """Every object of the work store that a document names, each file with what is known of it beside it."""
    match document:
        case EncodePlan():
            outputs = (output for job in document.jobs for output in job.outputs)
            instead = (output for job in document.jobs if isinstance(job, VideoJob) for output in job.fallback)
            files = {output.key for output in (*outputs, *instead)}
        case RenditionSet():
            files = {rendition.key for rendition in document.renditions}
        case _:
            return ()
    return tuple(sorted(files | {f"{key.removesuffix('.mp4')}.json" for key in files}))


def note_keys(store: ObjectStore) -> dict[TitleId, tuple[str, ...]]:
    """Keys of the notes of every title that has any."""
    found: dict[TitleId, list[str]] = {}
    for stored in store.list(f"{_FOLDER}/"):
        found.setdefault(stored.key.split("/")[1], []).append(stored.key)
    return {title_id: tuple(keys) for title_id, keys in found.items()}


def read_note(store: ObjectStore, key: str) -> frozenset[str]:
    """What a note names; nothing where it was removed meanwhile."""
    try:
        return frozenset(WorkingSet.model_validate_json(store.get_bytes(key)[0]).keys)
    except NotFound:
        return frozenset()


def remembered_keys(store: ObjectStore, record: TitleRecord) -> Iterator[str]:
    """What the documents of a title's current run name: all there is to tell of runs of before notes were kept."""
    for kind in (EncodePlan, RenditionSet):
        key = record.documents.get(kind.__name__)
        if key is not None:
            with suppress(NotFound):
                yield from keys_of(shelf.load(store, kind, key))
