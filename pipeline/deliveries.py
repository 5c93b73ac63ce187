"""Clear the work bucket of uploaded masters, and of what was uploaded beside them, when their titles rest."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from pipeline import shelf
from pipeline.installation import Installation
from pipeline.keeping import Delivery, delivery_is_needed
from pipeline.removed import Removal, audit_entries, mark_removed, told_of
from pipeline.retirement import Retirement
from telecine.errors import Unavailable
from telecine.log import get_logger
from telecine.media import Master
from telecine.registry.changes import ChangeLog
from telecine.registry.deliveries import Deliveries
from telecine.registry.records import TitleRecord
from telecine.storage.keys import bucket_and_key
from telecine.storage.port import StoredObject
from telecine.title import SubmitRequest

__all__ = ["clear_deliveries"]

_FOLDER = "masters/"

log = get_logger(__name__)


def clear_deliveries(place: Installation, now: datetime, *, dry_run: bool) -> Iterator[Retirement]:
    """Uploads whose titles all went live longer ago than the settings say; killed anywhere, the next round goes on."""
    days = place.settings.keep_master_days
    found = _deliveries(place) if days != "never" else ()
    if days == "never" or not found:
        return
    digests = Deliveries(place.registry).digests()
    titles = [(record, _sources(place, record, digests)) for record in place.registry.titles()]
    for delivery in found:
        users = [record for record, names in titles if delivery.name in names]
        if delivery_is_needed(delivery, users, now, days) is None:
            removal = _removal(delivery, users, now, days)
            yield told_of("master", removal, "due") if dry_run else _remove(place, delivery, removal)


def _deliveries(place: Installation) -> tuple[Delivery, ...]:
    found: dict[str, list[StoredObject]] = {}
    for stored in place.work.list(_FOLDER):
        found.setdefault(_name(stored.key), []).append(stored)
    touched = Deliveries(place.registry).touched() if found else {}
    return tuple(
        Delivery(name, tuple(one.key for one in files), sum(one.size_bytes for one in files), touched.get(name))
        for name, files in found.items()
    )


def _name(key: str) -> str:
    return key.split("/")[1]


def _sources(place: Installation, record: TitleRecord, digests: Mapping[str, set[str]]) -> set[str]:
    """Deliveries of which a title has its master, sound or texts."""
    uris, kept = [record.master_uri], record.documents.get(SubmitRequest.__name__)
    if kept is not None:
        uris += [text.uri for text in shelf.load(place.work, SubmitRequest, kept).texts]
    named = [bucket_and_key(uri) for uri in uris if uri.startswith("s3://")]
    bucket, master = place.settings.work_bucket, record.documents.get(Master.__name__)
    found = {_name(key) for where, key in named if where == bucket and key.startswith(_FOLDER)}
    if (
        record.master_uri.startswith(f"{place.work_dir.absolute().as_uri()}/") and master is not None
    ):  # brought here with its sound
        sha256 = shelf.load(place.work, Master, master).sha256
        found |= {name for name, held in digests.items() if sha256 in held}
    return found


def _remove(place: Installation, delivery: Delivery, removal: Removal) -> Retirement:
    try:
        audit = ChangeLog(place.registry)
        for change in audit_entries(removal):
            audit.record(change)
        for key in delivery.keys:
            mark_removed(place.work, key, removal)
        Deliveries(place.registry).removed(delivery.name, f"It was removed because {removal.why}: upload it again.")
        for key in delivery.keys:
            place.work.delete(key)
    except Unavailable as error:
        log.warning("upload.waits", delivery=delivery.name, why=str(error))
        return told_of("master", removal, "waits", str(error))
    log.info("upload.cleared", delivery=delivery.name, objects=len(delivery.keys), bytes=removal.size_bytes)
    return told_of("master", removal, "retired")


def _removal(delivery: Delivery, users: Sequence[TitleRecord], now: datetime, days: int) -> Removal:
    names = ", ".join(key.rpartition("/")[2] for key in delivery.keys)
    return Removal(
        at=now,
        titles=tuple(record.title_id for record in users),
        what=f"uploaded {names}",
        why=f"what was made of it had been live for more than {days} days (TELECINE_KEEP_MASTER_DAYS)",
        objects=len(delivery.keys),
        size_bytes=delivery.size_bytes,
    )
