"""The audit of titles: who did what, when, from what to what, and why. Appended to, never changed."""

from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from telecine.changes import Action, OrderChange, TitleChange
from telecine.errors import NotFound, TelecineError
from telecine.registry.models import ChangeRow, TitleRow
from telecine.registry.records import Stage, TitleRecord
from telecine.registry.repository import Registry, record_of
from telecine.title import Priority

__all__ = ["ChangeLog"]


class ChangeLog:
    """Changes of titles in the table ``title_audit``, whose rows SQLite itself refuses to change or delete."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def record(self, change: TitleChange) -> None:
        """Append one change."""
        with self._registry.transaction() as session:
            append(session, change)

    def record_once(self, change: TitleChange, mark: str) -> bool:
        """Append a change unless the title has one of this action with the same ``after[mark]``; whether it had none.

        For what a task writes down, which may be run again.
        """
        with self._registry.transaction() as session:
            _lock(session, change.title_id)
            mine = (ChangeRow.title_id == change.title_id) & (ChangeRow.action == change.action)
            known = (TitleChange.model_validate(row.body) for row in session.scalars(select(ChangeRow).where(mine)))
            if any(one.after.get(mark) == change.after[mark] for one in known):
                return False
            append(session, change)
            return True

    def did(self, title_id: str, action: Action, *, who: str, why: str = "") -> None:
        """Append what somebody did now."""
        self.record(TitleChange(at=datetime.now(UTC), title_id=title_id, who=who, action=action, why=why))

    def changes(self, title: str | None = None, limit: int = 100) -> tuple[TitleChange, ...]:
        """The newest ``limit`` changes, of one title or of all, the newest first."""
        wanted = select(ChangeRow).order_by(ChangeRow.id.desc()).limit(limit)
        if title is not None:
            wanted = wanted.where(ChangeRow.title_id == title)
        with self._registry.transaction() as session:
            return tuple(TitleChange.model_validate(row.body) for row in session.scalars(wanted))

    def reorder(self, title_id: str, change: OrderChange, *, who: str, why: str) -> TitleRecord:
        """Change a title's class, launch time or hold, and write it down, in one transaction.

        Raises NotFound, and TelecineError where the title has ended otherwise than live; what is as asked for already
        is no change and is not written down.
        """
        with self._registry.transaction() as session:
            _lock(session, title_id)  # so that ``before`` is what this change replaces
            row = session.get(TitleRow, title_id, with_for_update=True)
            if row is None:
                message = f"There is no title '{title_id}' in the registry."
                raise NotFound(message)
            before = _order(row)
            _require_open(row, change)
            _apply(row, change)
            after = _order(row)
            moved = [name for name in before if before[name] != after[name]]
            for action, names in (("prioritise", ("priority", "launch_at")), ("hold", ("held",))):
                mine = [name for name in names if name in moved]
                if mine:
                    named = "resume" if action == "hold" and not row.held else action
                    told = TitleChange(
                        at=datetime.now(UTC),
                        title_id=title_id,
                        who=who,
                        action=named,
                        before={name: before[name] for name in mine},
                        after={name: after[name] for name in mine},
                        why=why,
                    )
                    append(session, told)
            session.flush()
            return record_of(row)


def _lock(session: Session, title_id: str) -> None:
    """Let nobody else change the title until this transaction ends: SQLite knows no FOR UPDATE, but a write locks."""
    session.execute(update(TitleRow).where(TitleRow.title_id == title_id).values(title_id=title_id))


def append(session: Session, change: TitleChange) -> None:
    """Write a change down within a transaction that also makes it."""
    session.add(
        ChangeRow(
            at=change.at,
            title_id=change.title_id,
            who=change.who,
            action=change.action,
            body=change.model_dump(mode="json"),
        )
    )


def _order(row: TitleRow) -> dict[str, str | None]:
    launch_at = row.launch_at.isoformat() if row.launch_at else None
    return {"priority": row.priority, "launch_at": launch_at, "held": str(bool(row.held)).lower()}


def _require_open(row: TitleRow, change: OrderChange) -> None:
    stage = Stage(row.stage)
    if stage.ended:
        said = "nothing of it is waiting" if stage == Stage.LIVE else f"'telecine retry {row.title_id}' starts it again"
        asked = "hold" if change.model_fields_set == {"held"} else "class or launch time"
        message = f"The title {row.title_id} is {stage}: its {asked} cannot be changed, {said}."
        raise TelecineError(message)


def _apply(row: TitleRow, change: OrderChange) -> None:
    given = change.model_fields_set
    if "priority" in given:
        row.priority = Priority(change.priority)
    if "launch_at" in given:
        row.launch_at = change.launch_at
    if "held" in given:
        row.held = change.held
    row.updated_at = datetime.now(UTC)
