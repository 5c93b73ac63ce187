"""The encode queue in the registry: what waits, what was sent, what is done. One transaction a call."""

import uuid
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from telecine.document import Document
from telecine.errors import EncodeFailed
from telecine.registry.models import DispatcherRow, JobRow, TitleRow
from telecine.registry.records import JobRecord, JobState
from telecine.registry.repository import Registry
from telecine.title import Priority

__all__ = ["EncodeQueue", "NewJob", "QueuedJob", "Tally", "new_holder", "raise_for_failed"]

_ATTENDED_S = 60
"""Jobs of a title nobody has followed for this long are not dispatched: its run was stopped."""


class NewJob(Document):
    """A job to enqueue: ``units`` is its share of the progress (frames, or 0 for audio)."""

    digest: str
    queue: str
    units: int
    body: str


class QueuedJob(Document):
    """A job that could be sent, with all that its place in the order depends on."""

    job: JobRecord
    priority: Priority
    launch_at: datetime | None
    submitted_at: datetime
    body: str


class Tally(Document):
    """Progress of one title: jobs and frames done of all; ``sent``: frames of each job under way, by digest."""

    done: int
    total: int
    units_done: int
    units_total: int
    sent: dict[str, int]
    failed: tuple[JobRecord, ...]


class EncodeQueue:
    """Encode jobs of all titles. Only the holder of the dispatcher's turn sends jobs."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def enqueue(self, title_id: str, jobs: Sequence[NewJob], present: Container[str]) -> None:
        """Make the title's jobs exactly ``jobs``; those in ``present`` have all outputs in the store and are done.

        Jobs already sent stay sent, so a retry re-attaches; failed ones get a fresh set of attempts.
        """
        wanted = {job.digest: (position, job) for position, job in enumerate(jobs)}
        with self._registry.transaction() as session:
            known = {row.digest: row for row in session.scalars(select(JobRow).where(JobRow.title_id == title_id))}
            stale = [digest for digest in known if digest not in wanted]
            for digest in stale:
                session.delete(known[digest])
            for digest, (position, job) in wanted.items():
                row = known.get(digest)
                if row is None:
                    row = _new_row(title_id, position, job)
                    session.add(row)
                row.position = position
                if digest in present:
                    row.state = JobState.DONE
                elif row.state in {JobState.DONE, JobState.FAILED}:
                    row.state, row.sends, row.failures, row.problem = JobState.WAITING, 0, 0, None
            _attend(session, title_id)

    def attend(self, title_id: str) -> None:
        """Somebody follows this title's encode: its jobs may be dispatched."""
        with self._registry.transaction() as session:
            _attend(session, title_id)

    def abandon(self, title_id: str) -> None:
        """Nobody waits for this title's jobs any more; they are forgotten. What was encoded stays in the store."""
        with self._registry.transaction() as session:
            session.execute(delete(JobRow).where(JobRow.title_id == title_id))

    def take_turn(self, holder: str, seconds: float) -> bool:
        """Become, or stay, the one dispatcher for ``seconds``. False while another one holds the turn."""
        now = datetime.now(UTC)
        until = now + timedelta(seconds=seconds)
        try:
            with self._registry.transaction() as session:
                row = session.get(DispatcherRow, 1)
                if row is None:
                    session.add(DispatcherRow(id=1, holder=holder, until=until))
                    return True
                mine_or_over = (DispatcherRow.holder == holder) | (DispatcherRow.until < now)
                taken = session.execute(
                    update(DispatcherRow).where(DispatcherRow.id == 1, mine_or_over).values(holder=holder, until=until)
                )
                return bool(taken.rowcount)  # type: ignore[attr-defined]  # a CursorResult for UPDATE
        except IntegrityError:
            return False  # another dispatcher made the first row just now

    def open_jobs(self) -> tuple[QueuedJob, ...]:
        """Jobs waiting or sent, of all titles that somebody follows."""
        fresh = datetime.now(UTC) - timedelta(seconds=_ATTENDED_S)
        query = (
            select(JobRow, TitleRow)
            .join(TitleRow, JobRow.title_id == TitleRow.title_id)
            .where(JobRow.state.in_([JobState.WAITING, JobState.SENT]), TitleRow.encode_seen_at >= fresh)
        )
        with self._registry.transaction() as session:
            return tuple(_queued(job, title) for job, title in session.execute(query).all())

    def mark_sent(self, digest: str) -> None:
        """Handed to the broker now; counted. A job shared by several titles moves for all."""
        values = {"state": JobState.SENT, "sent_at": datetime.now(UTC), "sends": JobRow.sends + 1}
        self._change([digest], values)

    def mark_still_queued(self, digests: Iterable[str]) -> None:
        """All slots are busy, so these sent jobs wait their turn in the broker: their silence is no loss."""
        self._change(list(digests), {"sent_at": datetime.now(UTC)})

    def mark_done(self, digest: str) -> None:
        """Every output is verified and in the store."""
        self._change([digest], {"state": JobState.DONE, "problem": None})

    def mark_failed_once(self, digest: str, problem: str) -> None:
        """An attempt failed; the job waits for another."""
        self._change([digest], {"state": JobState.WAITING, "problem": problem, "failures": JobRow.failures + 1})

    def mark_lost(self, digests: Iterable[str]) -> None:
        """Attempts vanished with their workers; the jobs wait for another, at no fault of theirs."""
        self._change(list(digests), {"state": JobState.WAITING, "problem": "its worker fell silent; sent again"})

    def mark_failed(self, digest: str, problem: str) -> None:
        """No attempt is left: the title waits for a person."""
        self._change([digest], {"state": JobState.FAILED, "problem": problem})

    def tally(self, title_id: str) -> Tally:
        """Progress of one title."""
        with self._registry.transaction() as session:
            rows = session.execute(
                select(JobRow.state, func.count(), func.coalesce(func.sum(JobRow.units), 0))
                .where(JobRow.title_id == title_id)
                .group_by(JobRow.state)
            ).all()
            unfinished = session.scalars(
                select(JobRow)
                .where(JobRow.title_id == title_id, JobRow.state.in_([JobState.SENT, JobState.FAILED]))
                .order_by(JobRow.position)
            ).all()
            counts = {state: (jobs, units) for state, jobs, units in rows}
            done = counts.get(JobState.DONE, (0, 0))
            return Tally(
                done=done[0],
                total=sum(jobs for jobs, _ in counts.values()),
                units_done=done[1],
                units_total=sum(units for _, units in counts.values()),
                sent={row.digest: row.units for row in unfinished if row.state == JobState.SENT},
                failed=tuple(_job(row) for row in unfinished if row.state == JobState.FAILED),
            )

    def _change(self, digests: list[str], values: dict[str, object]) -> None:
        if not digests:
            return
        with self._registry.transaction() as session:
            open_states = [JobState.WAITING, JobState.SENT]
            session.execute(
                update(JobRow).where(JobRow.digest.in_(digests), JobRow.state.in_(open_states)).values(**values)
            )


def new_holder() -> str:
    """A name no other dispatcher has."""
    return uuid.uuid4().hex


def raise_for_failed(tally: Tally) -> None:
    """Raise EncodeFailed with the encoder's own last lines when a job is out of attempts."""
    if tally.failed:
        first = tally.failed[0]
        count = len(tally.failed)
        message = f"{count} of {tally.total} encode jobs failed for good; the first is number {first.position}:"
        raise EncodeFailed(message, first.problem or "")


def _attend(session: Session, title_id: str) -> None:
    session.execute(update(TitleRow).where(TitleRow.title_id == title_id).values(encode_seen_at=datetime.now(UTC)))


def _new_row(title_id: str, position: int, job: NewJob) -> JobRow:
    return JobRow(
        title_id=title_id,
        digest=job.digest,
        position=position,
        state=JobState.WAITING,
        sends=0,
        failures=0,
        units=job.units,
        queue=job.queue,
        body=job.body,
    )


def _job(row: JobRow) -> JobRecord:
    return JobRecord(
        title_id=row.title_id,
        digest=row.digest,
        position=row.position,
        state=row.state,
        sends=row.sends,
        failures=row.failures,
        units=row.units,
        queue=row.queue,
        sent_at=row.sent_at,
        problem=row.problem,
    )


def _queued(row: JobRow, title: TitleRow) -> QueuedJob:
    return QueuedJob(
        job=_job(row),
        priority=Priority(title.priority),
        launch_at=title.launch_at,
        submitted_at=title.created_at,
        body=row.body,
    )
