"""The encode queue in the registry: what waits, what was sent, what is done. One transaction a call."""

import uuid
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Row, Select, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from telecine.document import Document
from telecine.errors import EncodeFailed
from telecine.order import Line, Place
from telecine.registry.models import DispatcherRow, JobRow, TitleRow
from telecine.registry.records import JobRecord, JobState
from telecine.registry.repository import Registry
from telecine.title import Priority

__all__ = ["QUEUES", "EncodeQueue", "NewJob", "QueuedJob", "Tally", "new_holder", "raise_for_failed"]

QUEUES = ("cpu", "gpu")
_COLUMNS = tuple(getattr(JobRow, name) for name in JobRecord.model_fields)
"""What a job is judged by: all but its body."""

_FIRST_ASKED, _MOST_ASKED = 16, 4096
"""Titles asked of at once, whether they have new jobs: few, as the first ones nearly always have; then ever more."""

_ATTENDED_S = 60
"""Jobs of a title nobody has followed for this long are not dispatched: its run was stopped."""


class NewJob(Document):
    """A job to enqueue: ``units`` is its share of the progress (frames, or 0 for audio)."""

    digest: str
    queue: str
    units: int
    body: str
    may_fall_back: bool = False


class QueuedJob(Document):
    """A job that could be sent, and its title's place in the order. Bodies are asked for by digest."""

    job: JobRecord
    place: Place
    body: str = ""


class Tally(Document):
    """Progress of one title: jobs and frames done of all; ``sent``: frames of each job under way, by digest.

    ``troubles``: why jobs wait for another attempt; ``need_gpu``: jobs not done yet that only a GPU worker may make;
    ``fell_back``: why the CPU makes some that were planned for the GPU, and how many.
    """

    done: int
    total: int
    units_done: int
    units_total: int
    sent: dict[str, int]
    failed: tuple[JobRecord, ...]
    troubles: tuple[str, ...] = ()
    need_gpu: int = 0
    fell_back: dict[str, int] = Field(default_factory=dict)


class EncodeQueue:
    """Encode jobs of all titles. Only the holder of the dispatcher's turn sends jobs."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._line = Line()
        self._rows: dict[str, tuple[Any, ...]] = {}
        self._places: dict[str, Place] = {}

    def enqueue(
        self, title_id: str, jobs: Sequence[NewJob], present: Container[str], attempt: str | None = None
    ) -> None:
        """Make the title's jobs exactly ``jobs``; those in ``present`` have all outputs in the store and are done.

        Jobs already sent stay sent, so a retry re-attaches; failed ones get a fresh set of attempts. ``attempt`` names
        who follows the encode from now on.
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
                    row.sent_at, row.fell_back = None, None
                    row.queue, row.body, row.may_fall_back = job.queue, job.body, job.may_fall_back
            _attend(session, title_id)
            session.execute(update(TitleRow).where(TitleRow.title_id == title_id).values(encode_attempt=attempt))

    def attend(self, title_id: str) -> None:
        """Somebody follows this title's encode: its jobs may be dispatched."""
        with self._registry.transaction() as session:
            _attend(session, title_id)

    def abandon(self, title_id: str, attempt: str | None = None) -> tuple[str, ...]:
        """Nobody waits for this title's jobs any more; they are forgotten. What was encoded stays in the store.

        With an ``attempt``, only while that one is the title's last: another may have taken over. Returns the digests
        of jobs under way that no other title waits for.
        """
        with self._registry.transaction() as session:
            title = session.get(TitleRow, title_id)
            if title is None or (attempt is not None and title.encode_attempt != attempt):
                return ()
            is_open = JobRow.state.in_([JobState.WAITING, JobState.SENT])
            mine = select(JobRow.digest).where(JobRow.title_id == title_id, is_open, JobRow.sends > 0)
            found = set(session.scalars(mine))
            shared = select(JobRow.digest).where(JobRow.title_id != title_id, is_open, JobRow.digest.in_(found))
            found -= set(session.scalars(shared))
            session.execute(delete(JobRow).where(JobRow.title_id == title_id))
            return tuple(sorted(found))

    def take_turn(self, holder: str, seconds: float, turn: int | None = None) -> bool:
        """Become, or stay, the one dispatcher for ``seconds``; ``turn`` is written down where given.

        False while another one holds the turn.
        """
        now = datetime.now(UTC)
        values: dict[str, object] = {"holder": holder, "until": now + timedelta(seconds=seconds)}
        values |= {} if turn is None else {"turn": turn}
        try:
            with self._registry.transaction() as session:
                if session.get(DispatcherRow, 1) is None:
                    session.add(DispatcherRow(id=1, **values))
                    return True
                mine_or_over = (DispatcherRow.holder == holder) | (DispatcherRow.until < now)
                taken = session.execute(
                    update(DispatcherRow).where(DispatcherRow.id == 1, mine_or_over).values(**values)
                )
                return bool(taken.rowcount)  # type: ignore[attr-defined]  # a CursorResult for UPDATE
        except IntegrityError:
            return False  # another dispatcher made the first row just now

    def turn(self) -> int:
        """How many jobs were dispatched so far, as the last dispatcher wrote it down."""
        with self._registry.transaction() as session:
            row = session.get(DispatcherRow, 1)
            return row.turn if row else 0

    def open_jobs(self, most: int | None = None) -> tuple[QueuedJob, ...]:
        """Jobs waiting or sent, of all titles that somebody follows, without their bodies.

        Of those never sent and due only the first ``most`` of each queue in the order of titles, each title's by
        position, and the first of the oldest title behind the first one's class: a title may have thousands, and a
        dispatcher sends a few. New jobs of held titles are left out.
        """
        now = datetime.now(UTC)
        with self._registry.transaction() as session:
            places = self._placed(session, now)
            found = [*_tried(session, _followed(now)), *_waiting(session, self._line, most)] if places else []
        found = [row for row in found if row.state == JobState.SENT or row.sent_at is None or row.sent_at <= now]
        return tuple(QueuedJob(job=_job(row), place=places[row.title_id]) for row in found)

    def _placed(self, session: Session, now: datetime) -> Mapping[str, Place]:
        """Followed titles, each put to its place anew only where something of it has changed."""
        rows = {row[0]: row for row in map(tuple, session.execute(_order_of(now)))}
        self._line.keep(rows)
        self._places = {title_id: place for title_id, place in self._places.items() if title_id in rows}
        for title_id, row in rows.items():
            if self._rows.get(title_id) != row:
                self._places[title_id] = _place(row)
                self._line.put(self._places[title_id])
        self._rows = rows
        return self._places

    def bodies(self, digests: Iterable[str]) -> dict[str, str]:
        """The jobs themselves, as JSON, by digest."""
        query = select(JobRow.digest, JobRow.body).where(JobRow.digest.in_(list(digests)))
        with self._registry.transaction() as session:
            return {row.digest: row.body for row in session.execute(query)}

    def reroute(self, digest: str, queue: str, body: str, reason: str) -> None:
        """The job waits for workers of another queue now, who make what ``body`` says."""
        values = {"state": JobState.WAITING, "queue": queue, "body": body, "may_fall_back": False, "fell_back": reason}
        self._change([digest], values | {"problem": None, "failures": 0, "sends": 0})

    def mark_postponed(self, digest: str, problem: str, seconds: float) -> None:
        """An attempt failed at no fault of the job; it waits for another one, which is not sent before ``seconds``."""
        later = datetime.now(UTC) + timedelta(seconds=seconds)
        self._change([digest], {"state": JobState.WAITING, "problem": problem, "sent_at": later})

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
            only_gpu = (JobRow.queue == "gpu") & ~JobRow.may_fall_back
            rows = session.execute(
                select(JobRow.state, only_gpu, func.count(), func.coalesce(func.sum(JobRow.units), 0))
                .where(JobRow.title_id == title_id)
                .group_by(JobRow.state, only_gpu)
            ).all()
            failed = select(*_COLUMNS).where(JobRow.title_id == title_id, JobRow.state == JobState.FAILED)
            failures = session.execute(failed.order_by(JobRow.position)).all()
            tried = _tried(session, [title_id])
            fell_back = session.execute(_fell_back(title_id)).all()
        done = [(jobs, units) for state, _, jobs, units in rows if state == JobState.DONE]
        return Tally(
            done=sum(jobs for jobs, _ in done),
            total=sum(jobs for _, _, jobs, _ in rows),
            units_done=sum(units for _, units in done),
            units_total=sum(units for *_, units in rows),
            sent={row.digest: row.units for row in tried if row.state == JobState.SENT},
            failed=tuple(_job(row) for row in failures),
            troubles=tuple(row.problem for row in tried if row.state == JobState.WAITING and row.problem)[:1],
            need_gpu=sum(jobs for state, gpu, jobs, _ in rows if gpu and state != JobState.DONE),
            fell_back={str(row[0]): int(row[1]) for row in fell_back},
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


def _followed(now: datetime) -> Select[str]:
    """Ids of titles that somebody follows."""
    return select(TitleRow.title_id).where(TitleRow.encode_seen_at >= now - timedelta(seconds=_ATTENDED_S))


def _order_of(now: datetime) -> Select[Any]:
    """What the place of each followed title is made of."""
    return _followed(now).add_columns(
        TitleRow.priority, TitleRow.launch_at, TitleRow.created_at, TitleRow.remaining_s, TitleRow.held
    )


def _place(row: tuple[Any, ...]) -> Place:
    return Place(
        title_id=row[0],
        priority=Priority(row[1]),
        launch_at=row[2],
        submitted_at=row[3],
        remaining_s=row[4],
        held=row[5],
    )


def _tried(session: Session, titles: Sequence[str] | Select[str]) -> Sequence[Row[Any]]:
    """Open jobs that were sent before: they run, wait in the broker, or wait here for another attempt."""
    is_open = JobRow.state.in_([JobState.WAITING, JobState.SENT])
    mine = JobRow.title_id.in_(titles) & is_open & JobRow.queue.in_(QUEUES) & (JobRow.sends > 0)
    return session.execute(select(*_COLUMNS).where(mine)).all()


def _waiting(session: Session, line: Line, most: int | None) -> list[Row[Any]]:
    """The first ``most`` of each queue that were never sent, and the first of the neediest title."""
    found: list[Row[Any]] = []
    for queue in QUEUES:
        mine: list[Row[Any]] = []
        behind: int | None = None
        for place in _having(session, queue, line):
            room = None if most is None else most - len(mine)
            if room is not None and room <= 0:
                break
            rows = _first_waiting(session, place.title_id, queue, room)
            behind = place.priority.rank if rows and behind is None else behind
            mine += rows
        if most is not None and behind is not None:
            there = {(row.title_id, row.digest) for row in mine}
            mine += [row for row in _neediest(session, line, queue, behind) if (row.title_id, row.digest) not in there]
        found += mine
    return found


def _neediest(session: Session, line: Line, queue: str, behind: int) -> Sequence[Row[Any]]:
    for place in _having(session, queue, line.oldest(behind)):
        if rows := _first_waiting(session, place.title_id, queue, 1):
            return rows
    return ()


def _having(session: Session, queue: str, places: Iterable[Place]) -> Iterator[Place]:
    """Those with new jobs in the queue, in their order: thousands of titles are asked of in a few questions."""
    left, size = iter(places), _FIRST_ASKED
    while asked := list(islice(left, size)):
        has = select(JobRow.digest).where(JobRow.title_id == TitleRow.title_id, _is_new(queue)).exists()
        mine = TitleRow.title_id.in_([place.title_id for place in asked])
        found = set(session.scalars(select(TitleRow.title_id).where(mine, has)))
        yield from (place for place in asked if place.title_id in found)
        size = min(size * 8, _MOST_ASKED)


def _is_new(queue: str) -> ColumnElement[bool]:
    return (JobRow.state == JobState.WAITING) & (JobRow.queue == queue) & (JobRow.sends == 0)


def _first_waiting(session: Session, title_id: str, queue: str, most: int | None) -> Sequence[Row[Any]]:
    query = select(*_COLUMNS).where(JobRow.title_id == title_id, _is_new(queue)).order_by(JobRow.position).limit(most)
    return session.execute(query).all()


def _fell_back(title_id: str) -> Select[str | None, int]:
    mine = (JobRow.title_id == title_id) & JobRow.fell_back.is_not(None)
    return select(JobRow.fell_back, func.count()).where(mine).group_by(JobRow.fell_back)


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
        may_fall_back=job.may_fall_back,
    )


def _job(row: Row[Any]) -> JobRecord:
    return JobRecord.model_validate(dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's public name for it
