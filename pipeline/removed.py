"""What was removed from the work bucket on purpose, and the sentence for whoever asks for it again."""

from collections.abc import Iterator

from pipeline.retirement import Kind, Outcome, Retirement
from telecine.changes import TitleChange
from telecine.document import Document, UtcTime
from telecine.errors import NotFound, SourceRejected
from telecine.settings import Settings
from telecine.storage.keys import bucket_and_key
from telecine.storage.port import ObjectStore
from telecine.title import TitleId

__all__ = ["Removal", "audit_entries", "mark_removed", "told_of", "why_removed"]


class Removal(Document):
    """Objects that were removed, and why. Of a title's work it is remembered with the title's documents."""

    at: UtcTime
    titles: tuple[TitleId, ...]
    what: str
    why: str
    objects: int
    size_bytes: int


def audit_entries(removal: Removal) -> Iterator[TitleChange]:
    """One for each title; written before anything goes, so that nothing goes unwritten."""
    gone = {"what": removal.what, "objects": str(removal.objects), "bytes": str(removal.size_bytes)}
    for title_id in removal.titles:
        yield TitleChange(
            at=removal.at, title_id=title_id, who="pipeline", action="clear", before=dict(gone), why=removal.why
        )


def told_of(kind: Kind, removal: Removal, outcome: Outcome, why: str = "") -> Retirement:
    """What to tell of it, by the name of the first title it was of."""
    return Retirement(
        title_id=removal.titles[0],
        kind=kind,
        what=removal.what,
        outcome=outcome,
        why=why,
        objects=removal.objects,
        size_bytes=removal.size_bytes,
    )


def mark_removed(store: ObjectStore, key: str, removal: Removal) -> None:
    """Written before the object goes, so that nothing is ever missing without a word."""
    store.put_bytes(_mark(key), removal.model_dump_json().encode(), content_type="application/json")


def why_removed(store: ObjectStore, settings: Settings, uri: str) -> SourceRejected | None:
    """The refusal of an uploaded master that was removed; None for any other address, and for one that is there."""
    bucket, key = bucket_and_key(uri) if uri.startswith("s3://") else ("", "")
    if bucket != settings.work_bucket or not key or store.head(key) is not None:
        return None
    try:
        found = Removal.model_validate_json(store.get_bytes(_mark(key))[0])
    except NotFound:
        return None
    name = key.rpartition("/")[2]
    return SourceRejected(
        f"The uploaded master {name} was removed on {found.at:%Y-%m-%d} because {found.why}: upload it again and "
        "start the title from that upload."
    )


def _mark(key: str) -> str:
    return f"removed/{key}.json"
