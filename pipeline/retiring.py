"""Retire versions nobody needs: beyond the count and the age of the settings, not live, not watched, not filled."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edge.client import drop_version
from origin.retire import retire as remove_from_origin
from pipeline.installation import Installation
from pipeline.retirement import Outcome, Retirement
from pipeline.versions import versions
from playback.sessions.playing import versions_playing
from telecine.changes import TitleChange
from telecine.errors import PreconditionFailed, Unavailable
from telecine.log import get_logger
from telecine.registry.records import TitleRecord
from telecine.registry.versions import VersionLedger
from telecine.versions import VersionRecord

__all__ = ["due", "retire_old"]

_QUIET = timedelta(minutes=15)
"""As long as a silent session lasts: after it nobody can still come with what the pointer said before its flip."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Round:
    place: Installation
    ledger: VersionLedger
    playing: frozenset[tuple[str, str]]
    now: datetime
    dry_run: bool


def due(
    records: Sequence[VersionRecord], now: datetime, *, keep_versions: int, keep_days: int
) -> tuple[VersionRecord, ...]:
    """Versions of one title that are beyond both the count and the age, the oldest first; never the live one."""
    there = sorted(
        (record for record in records if record.retired_at is None),
        key=lambda record: (record.made_at, record.version),
        reverse=True,
    )
    oldest_kept = now - timedelta(days=keep_days)
    beyond = [record for record in there[keep_versions:] if record.made_at < oldest_kept and not record.live]
    return tuple(reversed(beyond))


def retire_old(place: Installation, *, dry_run: bool = False, now: datetime | None = None) -> tuple[Retirement, ...]:
    """One round over all titles; what became of each version that is due. Idempotent; killed anywhere, it goes on.

    Edges drop a version first, then the origin, its inventory last, then the registry says so. Raises Unavailable, with
    nothing touched, when the session store does not answer.
    """
    playing = versions_playing(place.settings.redis_url)
    this = _Round(place, VersionLedger(place.registry), playing, now or datetime.now(UTC), dry_run)
    return tuple(one for title in place.registry.titles() for one in _of_title(this, title))


def _of_title(this: _Round, title: TitleRecord) -> Iterator[Retirement]:
    begun = this.ledger.being_retired(title.title_id)
    records = versions(this.place, title.title_id) if title.live or begun else ()
    settings = this.place.settings
    late = due(records, this.now, keep_versions=settings.keep_versions, keep_days=settings.keep_days)
    for record in records:
        if record.version in begun:
            yield _remove(this, record)
    for record in late:
        if record.version not in begun:
            yield _judge(this, title, record)


def _judge(this: _Round, title: TitleRecord, record: VersionRecord) -> Retirement:
    reason = _needed(this, title, record)
    if reason is None and this.dry_run:
        return _told(record, "due")
    if reason is None and not this.ledger.begin_retiring(record.title_id, record.version, this.now - _QUIET):
        reason = "it went live or was made again a moment ago"
    return _told(record, "spared", reason) if reason else _remove(this, record)


def _needed(this: _Round, title: TitleRecord, record: VersionRecord) -> str | None:
    if not title.stage.ended:
        return f"the title is under way ({title.stage})"
    if (record.title_id, record.version) in this.playing:
        return "a session plays it"
    if title.live is not None and title.live.live_at > this.now - _QUIET:
        return "another version went live less than 15 minutes ago"
    return None


def _remove(this: _Round, record: VersionRecord) -> Retirement:
    if this.dry_run:
        return _told(record, "due", "its removal began already")
    title_id, version = record.title_id, record.version
    try:
        _drop(this.place, record)
        objects = remove_from_origin(title_id, version, this.place.origin)
        _drop(this.place, record)  # what a viewer missed between the two, and the origin still had
    except PreconditionFailed as error:
        this.ledger.keep_after_all(title_id, version)
        return _told(record, "spared", str(error))
    except Unavailable as error:
        log.warning("version.waits", title=title_id, version=version, why=str(error))
        return _told(record, "waits", str(error))
    self_made = TitleChange(
        at=this.now, title_id=title_id, who="pipeline", action="retire", before={"version": version}, after={}
    )
    this.ledger.retired(title_id, version, self_made)
    log.info("version.retired", title=title_id, version=version, objects=objects)
    return _told(record, "retired", objects=objects)


def _drop(place: Installation, record: VersionRecord) -> None:
    for edge in place.settings.edges:
        drop_version(edge, record.title_id, record.version, place.settings.agent_token)


def _told(record: VersionRecord, outcome: Outcome, why: str = "", objects: int = 0) -> Retirement:
    return Retirement(
        title_id=record.title_id,
        version=record.version,
        outcome=outcome,
        why=why,
        objects=objects,
        size_bytes=record.publication.size_bytes,
    )
