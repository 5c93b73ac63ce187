"""Drops in the registry: what was found in a watched folder or prefix, and what became of it.

Each row is taken once, whoever scans: its primary key is the fingerprint, of a file as found or of a master's bytes.
"""

from datetime import datetime

from pydantic import Field
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from telecine.document import Document, UtcTime
from telecine.registry.models import DropRow
from telecine.registry.repository import Registry
from telecine.title import TitleId

__all__ = ["BEING_STARTED", "Drop", "Drops"]

BEING_STARTED = "It is being started."
"""The problem of a claim: whoever made it has not finished. A claim that rests is that of a scanner that died."""


class Drop(Document):
    """One row. Without title and problem it waits until it is seen unchanged again."""

    fingerprint: str
    uri: str
    title_id: TitleId | None = None
    problem: str | None = None
    seen_at: UtcTime = Field(description="first seen, or claimed")

    @property
    def waits(self) -> bool:
        return self.title_id is None and self.problem is None

    @property
    def is_claim(self) -> bool:
        return self.problem == BEING_STARTED


class Drops:
    """Every method is one transaction."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def find(self, fingerprint: str) -> Drop | None:
        with self._registry.transaction() as session:
            row = session.get(DropRow, fingerprint)
            return _drop(row) if row else None

    def add(self, drop: Drop) -> bool:
        """False when the fingerprint is taken."""
        try:
            with self._registry.transaction() as session:
                session.add(DropRow(**drop.model_dump()))
        except IntegrityError:
            return False
        return True

    def saw(self, drop: Drop) -> None:
        """A file as it is now; as it was before, still waiting, it is no more."""
        with self._registry.transaction() as session:
            older = (DropRow.uri == drop.uri, DropRow.title_id.is_(None), DropRow.problem.is_(None))
            session.execute(delete(DropRow).where(*older, DropRow.fingerprint != drop.fingerprint))
        self.add(drop)

    def take_over(self, claim: Drop, now: datetime) -> bool:
        """Make the claim of a scanner that died one's own; False when another was quicker, or it has not died."""
        still = (
            DropRow.fingerprint == claim.fingerprint,
            DropRow.problem == BEING_STARTED,
            DropRow.seen_at == claim.seen_at,
        )
        with self._registry.transaction() as session:
            # any change of a row makes the others' condition false
            taken = session.execute(update(DropRow).where(*still).values(seen_at=now))
            return bool(getattr(taken, "rowcount", 0))

    def settle(self, fingerprint: str, *, title_id: str | None, problem: str | None = None) -> None:
        """What became of it."""
        with self._registry.transaction() as session:
            values = {"title_id": title_id, "problem": problem}
            session.execute(update(DropRow).where(DropRow.fingerprint == fingerprint).values(**values))

    def release(self, fingerprint: str) -> None:
        """Give a claim back: the same bytes may be tried again."""
        with self._registry.transaction() as session:
            session.execute(delete(DropRow).where(DropRow.fingerprint == fingerprint))

    def listed(self, limit: int = 100) -> tuple[Drop, ...]:
        """Newest first."""
        with self._registry.transaction() as session:
            rows = session.scalars(select(DropRow).order_by(DropRow.seen_at.desc()).limit(limit))
            return tuple(_drop(row) for row in rows)


def _drop(row: DropRow) -> Drop:
    return Drop(
        fingerprint=row.fingerprint, uri=row.uri, title_id=row.title_id, problem=row.problem, seen_at=row.seen_at
    )
