"""The outbox of notices: what the world is to be told of, until it was told."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from telecine.document import Document, UtcTime
from telecine.registry.models import NoticeRow
from telecine.registry.repository import Registry

__all__ = ["Notice", "Outbox"]


class Notice(Document):
    """One event of one title. ``once`` is its identity; ``problem``: why the last attempt to tell it failed."""

    number: int
    once: str
    title_id: str
    event: str
    at: UtcTime
    facts: dict[str, Any]
    attempts: int = 0
    due_at: UtcTime | None = None
    sent_at: UtcTime | None = None
    problem: str | None = None

    @property
    def state(self) -> Literal["sent", "waiting", "given up"]:
        """Whether it was taken, waits to be, or never will be."""
        if self.sent_at is not None:
            return "sent"
        return "waiting" if self.due_at is not None else "given up"


class Outbox:
    """Notices in the table ``notices``. Several may deliver at once: a claim keeps each to one of them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def put(self, event: str, title_id: str, once: str, facts: dict[str, Any]) -> bool:
        """Add a notice to be told now; False when ``once`` is there already."""
        now = datetime.now(UTC)
        row = NoticeRow(once=once, title_id=title_id, event=event, at=now, body=facts, due_at=now)
        try:
            with self._registry.transaction() as session:
                session.add(row)
        except IntegrityError:
            return False
        return True

    def claim(self, now: datetime, lease: timedelta, most: int = 50) -> tuple[Notice, ...]:
        """Notices that are due, taken for as long as ``lease``; another claim gives others."""
        due = (NoticeRow.sent_at.is_(None)) & (NoticeRow.due_at <= now)
        with self._registry.transaction() as session:
            numbers = session.scalars(select(NoticeRow.id).where(due).order_by(NoticeRow.id).limit(most)).all()
            mine = []
            for number in numbers:
                wanted = update(NoticeRow).where((NoticeRow.id == number) & due).values(due_at=now + lease)
                if session.execute(wanted).rowcount:  # type: ignore[attr-defined]  # a CursorResult for UPDATE
                    mine.append(number)
            rows = session.scalars(select(NoticeRow).where(NoticeRow.id.in_(mine)).order_by(NoticeRow.id))
            return tuple(_notice(row) for row in rows)

    def told(self, number: int) -> None:
        """The receiver took it."""
        self._set(number, sent_at=datetime.now(UTC), due_at=None, problem=None)

    def failed(self, number: int, problem: str, due_at: datetime | None) -> None:
        """The receiver did not take it; it is tried again at ``due_at``, or never when that is None."""
        self._set(number, problem=problem, due_at=due_at)

    def notices(self, limit: int = 100) -> tuple[Notice, ...]:
        """The newest ``limit`` notices, the newest first."""
        with self._registry.transaction() as session:
            rows = session.scalars(select(NoticeRow).order_by(NoticeRow.id.desc()).limit(limit))
            return tuple(_notice(row) for row in rows)

    def _set(self, number: int, **values: object) -> None:
        with self._registry.transaction() as session:
            changed = values | {"attempts": NoticeRow.attempts + 1}
            session.execute(update(NoticeRow).where(NoticeRow.id == number).values(**changed))


def _notice(row: NoticeRow) -> Notice:
    return Notice(
        number=row.id,
        once=row.once,
        title_id=row.title_id,
        event=row.event,
        at=row.at,
        facts=row.body,
        attempts=row.attempts,
        due_at=row.due_at,
        sent_at=row.sent_at,
        problem=row.problem,
    )
