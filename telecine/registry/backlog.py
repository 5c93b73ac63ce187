"""What is left of each title in the encode queue, read without the bodies of thousands of jobs."""

from collections.abc import Sequence

from pydantic import Field
from sqlalchemy import func, select

from telecine.document import Document, UtcTime
from telecine.registry.models import JobRow
from telecine.registry.records import JobState
from telecine.registry.repository import Registry

__all__ = ["Backlog", "LeftJob", "TitleBacklog"]

_SHOWN = 8
"""Video jobs whose bodies stand for all of a title: more than one chunk has."""


class LeftJob(Document):
    """A job that is not done. ``sent_at``: when it was handed over, or known to wait, last; None: it waits here."""

    digest: str
    position: int
    queue: str
    units: int
    sent_at: UtcTime | None = None
    may_fall_back: bool = False
    fell_back: bool = False


class TitleBacklog(Document):
    """Jobs of one title. ``shown``: JSON of all its sound jobs and of the first video jobs, by position."""

    left: tuple[LeftJob, ...]
    done: int
    failed: int
    units: int = Field(description="frames of all its jobs, done or not")
    shown: dict[int, str]


class Backlog:
    """Reads the encode queue for forecasts; changes nothing."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def of(self, title_id: str) -> TitleBacklog | None:
        """None before the title has jobs."""
        row = JobRow
        states = select(row.state, func.count(), func.coalesce(func.sum(row.units), 0)).where(row.title_id == title_id)
        is_open = row.state.in_([JobState.WAITING, JobState.SENT])
        columns = (row.digest, row.position, row.queue, row.units, row.sent_at, row.state, row.may_fall_back)
        left = select(*columns, row.fell_back.is_not(None)).where(row.title_id == title_id, is_open)
        with self._registry.transaction() as session:
            counted = {state: (jobs, units) for state, jobs, units in session.execute(states.group_by(row.state))}
            if not counted:
                return None
            found = session.execute(left.order_by(row.position)).all()
            bodies = select(row.position, row.body).where(row.title_id == title_id)
            sound = session.execute(bodies.where(row.units == 0)).all()
            video = session.execute(bodies.where(row.units > 0).order_by(row.position).limit(_SHOWN)).all()
        return TitleBacklog(
            left=_left(found),
            done=counted.get(JobState.DONE, (0, 0))[0],
            failed=counted.get(JobState.FAILED, (0, 0))[0],
            units=sum(units for _, units in counted.values()),
            shown={one[0]: one[1] for one in (*sound, *video)},
        )


def _left(rows: Sequence[Sequence[object]]) -> tuple[LeftJob, ...]:
    names = ("digest", "position", "queue", "units", "sent_at", "state", "may_fall_back", "fell_back")
    found = []
    for row in rows:
        values = dict(zip(names, row, strict=True))
        if values.pop("state") == JobState.WAITING:
            values["sent_at"] = None
        found.append(LeftJob.model_validate(values))
    return tuple(found)
