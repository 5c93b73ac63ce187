"""The ledger of versions: every version of every title that reached the origin, and who made which one live."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, false, func, select, update
from sqlalchemy.orm import Session

from telecine.changes import TitleChange
from telecine.document import Document, Sha256
from telecine.errors import NotFound, PreconditionFailed, Unavailable
from telecine.publication import Pointer, Publication
from telecine.registry.changes import append
from telecine.registry.models import TitleRow, VersionRow
from telecine.registry.repository import Registry
from telecine.versions import VersionRecord

__all__ = ["MadeOf", "VersionLedger"]

_RETIRING = VersionRow.body["retiring"].as_boolean()


class MadeOf(Document):
    """What a version was made of. ``partial``: of the profile's minimum ladder, the rest follows."""

    profile: str
    master_sha256: Sha256 | None = None
    rungs: tuple[str, ...] = ()
    partial: bool = False


class VersionLedger:
    """Versions in the registry's table ``title_versions``. Every method is one transaction; raises Unavailable.

    A version that is being retired can neither be made again nor go live, and one that went live or was made again a
    moment ago cannot begin to be retired: each of the two is a conditional UPDATE, so one of them loses.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def versions(self, title_id: str) -> tuple[VersionRecord, ...]:
        """All that are or were there, the newest first."""
        newest = select(VersionRow).where(VersionRow.title_id == title_id).order_by(VersionRow.made_at.desc())
        with self._registry.transaction() as session:
            live = _live_version(session, title_id)
            return tuple(_record(row, live) for row in session.scalars(newest))

    def add(self, found: Iterable[VersionRecord]) -> None:
        """Write down versions that are not known yet; those that are stay as they are."""
        with self._registry.transaction() as session:
            for record in found:
                if session.get(VersionRow, (record.title_id, record.version)) is None:
                    session.add(_row(record))

    def begin(self, title_id: str, version: str, now: datetime) -> None:
        """This version is about to be published (again). Raises Unavailable while what is left of it is removed."""
        with self._registry.transaction() as session:
            mine = _row_of(title_id, version)
            free = mine & ~_is_retiring()
            if session.execute(update(VersionRow).where(free).values(made_at=now)).rowcount:  # type: ignore[attr-defined]
                return
            if session.scalar(select(func.count()).select_from(VersionRow).where(mine)):
                message = f"Version {version} of {title_id} is being removed; it can be published when that is over."
                raise Unavailable(message)

    def remember(self, publication: Publication, made_of: MadeOf, now: datetime) -> None:
        """The version is on the origin, whole. Idempotent; one that was retired before is there again."""
        with self._registry.transaction() as session:
            row = session.get(VersionRow, (publication.title_id, publication.version))
            if row is None:
                row = VersionRow(title_id=publication.title_id, version=publication.version)
                session.add(row)
            row.made_at, row.retired_at = now, None
            row.body = _body(publication, made_of)

    def claim(self, title_id: str, version: str, now: datetime) -> None:
        """From now on it cannot be retired, since it goes live. Raises PreconditionFailed where it is gone or going."""
        with self._registry.transaction() as session:
            _claim(session, title_id, version, now)

    def rolled_back(self, pointer: Pointer, change: TitleChange) -> None:
        """Viewers get another version, by a person's word: the title's row and the audit, together.

        Master and profile of what is live become that version's own; the stage of a run under way stays.
        """
        with self._registry.transaction() as session:
            title = session.get(TitleRow, pointer.title_id)
            row = session.get(VersionRow, (pointer.title_id, pointer.version))
            if title is None or row is None:
                message = f"The registry has no version {pointer.version} of {pointer.title_id}."
                raise NotFound(message)
            made_of = MadeOf.model_validate(row.body["made_of"])
            title.live = pointer.model_dump(mode="json")
            title.live_sha256 = made_of.master_sha256
            title.live_profile = None if made_of.partial else made_of.profile
            title.updated_at = change.at
            row.live_at = pointer.live_at
            append(session, change)

    def begin_retiring(self, title_id: str, version: str, unused_since: datetime) -> bool:
        """Mark it, so that nobody can make it live any more. False where it is live, or became so or was made since."""
        with self._registry.transaction() as session:
            if _live_version(session, title_id) == version:
                return False
            quiet = (VersionRow.made_at <= unused_since) & (
                VersionRow.live_at.is_(None) | (VersionRow.live_at <= unused_since)
            )
            mine = _row_of(title_id, version) & quiet
            row = session.scalar(select(VersionRow).where(mine).with_for_update())
            if row is None:
                return False
            marked = update(VersionRow).where(mine).values(body={**row.body, "retiring": True})
            return bool(session.execute(marked).rowcount)  # type: ignore[attr-defined]  # a CursorResult for UPDATE

    def being_retired(self, title_id: str) -> frozenset[str]:
        """Versions whose removal began and did not end."""
        marked = select(VersionRow.version).where(VersionRow.title_id == title_id, _is_retiring())
        with self._registry.transaction() as session:
            return frozenset(session.scalars(marked))

    def keep_after_all(self, title_id: str, version: str) -> None:
        """Take the mark back: nothing of it was removed."""
        with self._registry.transaction() as session:
            row = session.get(VersionRow, (title_id, version))
            if row is not None:
                row.body = {name: value for name, value in row.body.items() if name != "retiring"}

    def retired(self, title_id: str, version: str, change: TitleChange) -> None:
        """Nothing of it is left: its row stays as its history. Idempotent; audited once."""
        with self._registry.transaction() as session:
            row = session.get(VersionRow, (title_id, version))
            if row is not None and row.retired_at is None:
                row.retired_at = change.at
                row.body = {name: value for name, value in row.body.items() if name != "retiring"}
                append(session, change)


def _claim(session: Session, title_id: str, version: str, now: datetime) -> None:
    there = _row_of(title_id, version) & VersionRow.retired_at.is_(None) & ~_is_retiring()
    done = session.execute(update(VersionRow).where(there).values(live_at=now))
    if not done.rowcount:  # type: ignore[attr-defined]  # a CursorResult for UPDATE
        message = f"Version {version} of {title_id} is retired, or just being removed: it cannot go live."
        raise PreconditionFailed(message)


def _row_of(title_id: str, version: str) -> ColumnElement[bool]:
    return (VersionRow.title_id == title_id) & (VersionRow.version == version)


def _is_retiring() -> ColumnElement[bool]:
    return func.coalesce(_RETIRING, false())


def _live_version(session: Session, title_id: str) -> str | None:
    title = session.get(TitleRow, title_id)
    return None if title is None or title.live is None else str(title.live["version"])


def _body(publication: Publication, made_of: MadeOf) -> dict[str, object]:
    return {"publication": publication.model_dump(mode="json"), "made_of": made_of.model_dump(mode="json")}


def _row(record: VersionRecord) -> VersionRow:
    made_of = MadeOf(
        profile=record.profile, master_sha256=record.master_sha256, rungs=record.rungs, partial=record.partial
    )
    return VersionRow(
        title_id=record.title_id,
        version=record.version,
        made_at=record.made_at,
        live_at=record.live_at,
        retired_at=record.retired_at,
        body=_body(record.publication, made_of),
    )


def _record(row: VersionRow, live: str | None) -> VersionRecord:
    made_of = MadeOf.model_validate(row.body["made_of"])
    return VersionRecord(
        title_id=row.title_id,
        version=row.version,
        made_at=row.made_at,
        live_at=row.live_at,
        retired_at=row.retired_at,
        publication=Publication.model_validate(row.body["publication"]),
        profile=made_of.profile,
        master_sha256=made_of.master_sha256,
        rungs=made_of.rungs,
        partial=made_of.partial,
        live=row.version == live,
    )
