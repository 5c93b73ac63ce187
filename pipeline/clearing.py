"""Clear the work bucket of what live titles no longer need: chunks, renditions, working copies of packages."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from packagers.plan import packages_prefix
from pipeline import shelf, working
from pipeline.deliveries import clear_deliveries
from pipeline.installation import Installation
from pipeline.keeping import removable, title_needs_work
from pipeline.removed import Removal, audit_entries, told_of
from pipeline.retirement import Retirement
from telecine.errors import Unavailable
from telecine.log import get_logger
from telecine.registry.changes import ChangeLog
from telecine.registry.records import TitleRecord
from telecine.storage.port import ObjectStore, StoredObject
from telecine.title import TitleId

__all__ = ["clear_old"]

_THREADS = 8
_BATCH = 100
"""Objects removed between two looks at who needs them: about a second. A run takes longer from its plan, which it
notes, to its first look at what is there already: what begins meanwhile is seen in time."""

log = get_logger(__name__)


def clear_old(place: Installation, *, dry_run: bool = False, now: datetime | None = None) -> tuple[Retirement, ...]:
    """One round over all titles and uploads; what became of each that is due. Idempotent; killed anywhere, it goes on.

    Every removal is in the audit before it begins. A title is released again as ever: what is gone is made again.
    """
    at, days = now or datetime.now(UTC), place.settings.keep_work_days
    work = () if days == "never" else tuple(_clear_work(_Round(place, at, days, dry_run)))
    return (*work, *clear_deliveries(place, at, dry_run=dry_run))


@dataclass(slots=True)
class _Round:
    place: Installation
    now: datetime
    days: int
    dry_run: bool
    read: dict[str, frozenset[str]] = field(default_factory=dict)

    def needs(self, record: TitleRecord) -> bool:
        return title_needs_work(record, self.now, self.days) is not None

    def noted(self, keys: Iterable[str]) -> Iterator[frozenset[str]]:
        """What notes name. They never change, so each is read once."""
        for key in keys:
            if key not in self.read:
                self.read[key] = working.read_note(self.place.work, key)
            yield self.read[key]

    def named(self, record: TitleRecord, notes: Sequence[str]) -> Iterator[frozenset[str]]:
        """What a title has by its notes; by its documents where it has none, of before notes were kept."""
        if notes:
            yield from self.noted(notes)
        elif Removal.__name__ not in record.documents:
            yield frozenset(working.remembered_keys(self.place.work, record))

    def needed(self) -> list[frozenset[str]]:
        """What titles that run, wait, failed or went live lately need, as it is now."""
        notes = working.note_keys(self.place.work)
        needing = [record for record in self.place.registry.titles() if self.needs(record)]
        return [keys for record in needing for keys in self.named(record, notes.get(record.title_id, ()))]


def _clear_work(this: _Round) -> Iterator[Retirement]:
    notes = working.note_keys(this.place.work)
    for record in this.place.registry.titles():
        own = notes.get(record.title_id, ())
        if (own or Removal.__name__ not in record.documents) and not this.needs(record):
            try:
                yield from _of_title(this, record, own)
            except Unavailable as error:
                log.warning("work.waits", title=record.title_id, why=str(error))
                yield Retirement(kind="work", title_id=record.title_id, outcome="waits", why=str(error))


def _of_title(this: _Round, record: TitleRecord, notes: Sequence[str]) -> Iterator[Retirement]:
    work = this.place.work
    own = (key for keys in this.named(record, notes) for key in keys)
    with ThreadPoolExecutor(_THREADS) as pool:
        found = [one for one in pool.map(work.head, removable(own, this.needed())) if one is not None]
    found += _package_copies(work, record.title_id)
    removal = Removal(
        at=this.now,
        titles=(record.title_id,),
        what="chunks, renditions and package copies",
        why=f"the title had been live for more than {this.days} days (TELECINE_KEEP_WORK_DAYS)",
        objects=len(found),
        size_bytes=sum(one.size_bytes for one in found),
    )
    if this.dry_run:
        told = told_of("work", removal, "due")
    else:
        told = _remove(this, record, removal, [one.key for one in found])
        _forget(this, record, notes, removal)
    if found:
        yield told


def _package_copies(store: ObjectStore, title_id: TitleId) -> Iterator[StoredObject]:
    """Files of its packages; the origin has them. What is known and proven of each version lies beside and stays."""
    folder = packages_prefix(title_id)
    return (stored for stored in store.list(folder) if "/" in stored.key.removeprefix(folder))


def _remove(this: _Round, record: TitleRecord, removal: Removal, keys: Sequence[str]) -> Retirement:
    if keys:
        for change in audit_entries(removal):
            ChangeLog(this.place.registry).record(change)
    for start in range(0, len(keys), _BATCH):
        if not _rests(this, record):
            return told_of("work", removal, "spared", "it was released again meanwhile")
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(this.place.work.delete, removable(keys[start : start + _BATCH], this.needed())))
        log.info("work.cleared", title=record.title_id, objects=len(keys[start : start + _BATCH]))
    return told_of("work", removal, "retired")


def _forget(this: _Round, record: TitleRecord, notes: Sequence[str], removal: Removal) -> None:
    """Nothing of the run is there any more, and its next look finds that out by the title's own documents."""
    registry, work = this.place.registry, this.place.work
    if _rests(this, record):
        registry.remember_document(record.title_id, Removal.__name__, shelf.keep(work, removal))
        for key in notes:
            work.delete(key)


def _rests(this: _Round, record: TitleRecord) -> bool:
    now = this.place.registry.title(record.title_id)
    return now.run_id == record.run_id and not this.needs(now)
