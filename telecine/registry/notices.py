"""The outbox of notices: what the world is to be told of, until it was told."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from telecine.document import Document, UtcTime
from telecine.registry.models import NoticeRow
from telecine.registry.repository import Registry

__all__ = ["WEBHOOK", "Notice", "Outbox"]

WEBHOOK = "webhook"
"""The receiver that every notice is for, whatever other receivers there are."""

_RECEIVER = "receiver"  # beside the facts, of notices that are for another receiver
_LONGEST = 200


class Notice(Document):
    """One event of one title for one receiver.

    ``once`` is its identity; ``problem``: why the last attempt to tell it failed.
    """

    number: int
    once: str
    receiver: str = WEBHOOK
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

    def put(self, event: str, title_id: str, once: str, facts: dict[str, Any], others: Iterable[str] = ()) -> bool:
        """Add a notice to be told now, to the webhook and to ``others``; False when it is there for all of them."""
        now = datetime.now(UTC)
        rows = [NoticeRow(once=_identity(once), title_id=title_id, event=event, at=now, body=facts, due_at=now)]
        for name in others:
            body = {**facts, _RECEIVER: name}
            mine = _identity(f"{once} to {name}")
            rows.append(NoticeRow(once=mine, title_id=title_id, event=event, at=now, body=body, due_at=now))
        try:
            with self._registry.transaction() as session:
                wanted = [row.once for row in rows]
                known = set(session.scalars(select(NoticeRow.once).where(NoticeRow.once.in_(wanted))))
                session.add_all(row for row in rows if row.once not in known)
        except IntegrityError:  # somebody else told it in the same moment
            return False
        return len(known) < len(rows)

    def claim(self, now: datetime, lease: timedelta, most: int = 50, receiver: str = WEBHOOK) -> tuple[Notice, ...]:
        """Notices for a receiver that are due, taken for as long as ``lease``; another claim gives others."""
        named = NoticeRow.body[_RECEIVER].as_string()
        mine = named.is_(None) if receiver == WEBHOOK else named == receiver
        due = (NoticeRow.sent_at.is_(None)) & (NoticeRow.due_at <= now) & mine
        with self._registry.transaction() as session:
            numbers = session.scalars(select(NoticeRow.id).where(due).order_by(NoticeRow.id).limit(most)).all()
            taken = []
            for number in numbers:
                wanted = update(NoticeRow).where((NoticeRow.id == number) & due).values(due_at=now + lease)
                if session.execute(wanted).rowcount:  # type: ignore[attr-defined]  # a CursorResult for UPDATE
                    taken.append(number)
            rows = session.scalars(select(NoticeRow).where(NoticeRow.id.in_(taken)).order_by(NoticeRow.id))
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


def _identity(once: str) -> str:
    """``once`` as it fits the table; a long one by its beginning and the digest of all of it."""
    if len(once) <= _LONGEST:
        return once
    digest = hashlib.sha256(once.encode()).hexdigest()
    return f"{once[: _LONGEST - len(digest) - 1]} {digest}"


def _notice(row: NoticeRow) -> Notice:
    return Notice(
        number=row.id,
        once=row.once,
        receiver=row.body.get(_RECEIVER, WEBHOOK),
        title_id=row.title_id,
        event=row.event,
        at=row.at,
        facts={name: fact for name, fact in row.body.items() if name != _RECEIVER},
        attempts=row.attempts,
        due_at=row.due_at,
        sent_at=row.sent_at,
        problem=row.problem,
    )
