"""The dispatcher: keeps every worker slot busy with the most urgent chunk of all titles, and loses none.

``decide`` is pure: given what is known, what to do. ``Dispatcher.tick`` does it. Any number of dispatchers may tick;
one at a time has the turn, and when it dies another takes over within seconds.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from encoders.documents import VideoJob
from encoders.leases import JobResult, Lease, LeaseBoard
from encoders.routing import on_cpu
from telecine.log import get_logger
from telecine.order import Urgency, is_shared, neediest, urgency
from telecine.registry.queue import QUEUES, EncodeQueue, QueuedJob, new_holder
from telecine.registry.records import JobRecord, JobState

__all__ = ["MAX_FAILURES", "MAX_SENDS", "Decision", "Dispatcher", "Observation", "decide", "dispatch_order"]

log = get_logger(__name__)

MAX_FAILURES = 3
"""Failed encodes of one chunk after which a person must look. An attempt lost with its worker is no failure."""

MAX_SENDS = 12
"""A chunk that takes its worker down again and again is not sent more often than this."""

_SPARE = 1
"""Jobs kept in the broker beyond the slots, so that a slot that falls free does not wait for the next tick."""

_TURN_S = 5.0
_COUNT_S = 1.0

_POSTPONED_S = 20.0
"""A disk that is full or a store that is away is given so long before the next attempt."""

_NO_GPU = "no GPU worker was up"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a dispatcher sees of one queue at one moment.

    ``turn``: dispatches so far; of them the classes behind the first get the ``share``.
    """

    jobs: Sequence[QueuedJob]
    leases: Mapping[str, Lease]
    results: Mapping[str, JobResult]
    slots: int
    now: datetime
    lease_s: float
    turn: int = 0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do: lists of jobs by what happens to them.

    ``rerouted``: for the CPU now, with the reason; ``postponed``: tried again later, at no fault of theirs; ``ahead``:
    digests of ``send`` that overtake what waits in the broker, ``foremost``: those of them whose class is not at work
    yet, ``shared``: those that are there by their share.
    """

    done: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    again: tuple[tuple[str, str], ...]
    lost: tuple[str, ...]
    still_queued: tuple[str, ...]
    send: tuple[QueuedJob, ...]
    rerouted: tuple[tuple[str, str], ...] = ()
    postponed: tuple[tuple[str, str], ...] = ()
    ahead: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    foremost: frozenset[str] = frozenset()


def decide(seen: Observation) -> Decision:
    """Judge the sent jobs by results and leases, then fill the free slots in order.

    A sent job without lease is lost only when a slot was free to take it: otherwise it waits its turn in the broker.
    """
    jobs = {queued.job.digest: queued for queued in sorted(seen.jobs, key=dispatch_order, reverse=True)}
    sent = [digest for digest, queued in jobs.items() if queued.job.state == JobState.SENT]
    done = tuple(d for d in jobs if d in seen.results and seen.results[d].chunk is not None)
    ended = _Failures.of(jobs, seen)
    silent = [d for d in sent if d not in seen.leases and d not in seen.results]
    under_way = [jobs[d] for d in sent if d in seen.leases and d not in seen.results]
    lost, still_queued = _judge_silent(silent, jobs, seen, free=seen.slots - len(under_way))
    hopeless = [d for d in lost if jobs[d].job.sends >= MAX_SENDS]
    fallen = [(d, f"It was sent {jobs[d].job.sends} times and its worker fell silent each time.") for d in hopeless]
    failed = (*ended.failed, *fallen)
    lost = [d for d in lost if d not in hopeless]
    over = {*done, *(d for d, _ in (*failed, *ended.rerouted, *ended.postponed))}
    retried = {*lost, *(d for d, _ in ended.again)}
    waiting = [q for d, q in jobs.items() if d not in over and (q.job.state == JobState.WAITING or d in retried)]
    broker = [jobs[d] for d in silent if d not in retried and d not in hopeless]
    chosen = _Choice.of([q for q in waiting if not q.place.held], under_way, broker, seen)
    return Decision(
        done=done,
        failed=failed,
        again=tuple(ended.again),
        lost=tuple(lost),
        still_queued=tuple(still_queued),
        send=tuple(chosen.send),
        rerouted=tuple(ended.rerouted),
        postponed=tuple(ended.postponed),
        ahead=frozenset(chosen.ahead),
        shared=frozenset(chosen.shared),
        foremost=frozenset(chosen.foremost),
    )


def dispatch_order(queued: QueuedJob) -> tuple[Urgency, int]:
    """Sort key of jobs: the urgency of the title, then the place in the title."""
    return (urgency(queued.place), queued.job.position)


@dataclass(slots=True)
class _Choice:
    """Which waiting jobs are sent now, as they are chosen one after the other."""

    send: list[QueuedJob] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    foremost: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, waiting: list[QueuedJob], running: list[QueuedJob], broker: list[QueuedJob], seen: Observation
    ) -> "_Choice":
        """Fill the room there is; then let what is more urgent than all that waits in the broker overtake it."""
        made = cls()
        if not seen.slots:
            return made
        left = sorted(waiting, key=dispatch_order)
        room = seen.slots + _SPARE - len(running) - len(broker)
        ranks = {queued.place.priority.rank for queued in (*running, *broker)}
        for _ in range(room):
            if not left:
                break
            made._take(left, ranks, seen)
        if left and room <= 0 and broker:
            most_urgent = min(urgency(queued.place) for queued in broker)
            for queued in left[:_SPARE]:
                if urgency(queued.place) < most_urgent:
                    made.send.append(queued)
                    made.ahead.append(queued.job.digest)
                    if queued.place.priority.rank not in ranks:
                        made.foremost.append(queued.job.digest)
        return made

    def _take(self, left: list[QueuedJob], ranks: set[int], seen: Observation) -> None:
        index = 0
        # the first class is at work already: it never waits for a share
        if is_shared(seen.turn + len(self.send), seen.share) and left[0].place.priority.rank in ranks:
            needy = neediest(queued.place for queued in left)
            if needy is not None:
                index = next(n for n, queued in enumerate(left) if queued.place.title_id == needy.title_id)
                self.shared.append(left[index].job.digest)
        ranks.add(left[index].place.priority.rank)
        self.send.append(left.pop(index))


@dataclass(frozen=True, slots=True)
class _Failures:
    """Results without a chunk, by what follows: each a digest and the problem."""

    failed: list[tuple[str, str]] = field(default_factory=list)
    again: list[tuple[str, str]] = field(default_factory=list)
    rerouted: list[tuple[str, str]] = field(default_factory=list)
    postponed: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, jobs: Mapping[str, QueuedJob], seen: Observation) -> "_Failures":
        found = cls()
        for digest, result in seen.results.items():
            if result.chunk is None and digest in jobs:
                found.judge(jobs[digest].job, result).append((digest, result.problem or "no reason given"))
        return found

    def judge(self, job: JobRecord, result: JobResult) -> list[tuple[str, str]]:
        if result.final:
            return self.failed
        if result.later:
            return self.postponed if job.sends < MAX_SENDS else self.failed
        if job.may_fall_back:
            return self.rerouted
        return self.again if job.failures + 1 < MAX_FAILURES else self.failed


def _judge_silent(
    silent: Sequence[str], jobs: Mapping[str, QueuedJob], seen: Observation, *, free: int
) -> tuple[list[str], list[str]]:
    if seen.slots and free <= 0:
        return [], list(silent)
    grace = timedelta(seconds=seen.lease_s)
    lost = [d for d in silent if (sent_at := jobs[d].job.sent_at) is None or seen.now - sent_at > grace]
    # no worker at all: they are in the broker still, and wait for one; unless others may make them
    return ([d for d in lost if seen.slots or jobs[d].job.may_fall_back], [])


class Dispatcher:
    """Runs ``decide`` against the registry, the lease board and the broker.

    ``send(queued, priority)`` hands one job to the broker; it raises Unavailable when the broker is away. ``share``: of
    all dispatches, what the classes behind the first get. ``on_done(results)`` is told, after each round, which jobs it
    found done; it must not raise.
    """

    def __init__(
        self,
        queue: EncodeQueue,
        board: LeaseBoard,
        send: Callable[[QueuedJob, int], None],
        *,
        lease_s: float,
        share: float = 0.0,
        on_done: Callable[[Mapping[str, JobResult]], None] = lambda _: None,
    ) -> None:
        self._queue = queue
        self._board = board
        self._send = send
        self._lease_s = lease_s
        self._share = share
        self._turn = 0
        self._on_done = on_done
        self._holder = new_holder()
        self._turn_renewed = self._counted = float("-inf")
        self._known: dict[str, int] = {}

    def tick(self, now: datetime) -> bool:
        """One round over all titles; whether a job may have ended: also while another dispatcher has the turn.

        Raises Unavailable; harmless.
        """
        if not self._has_turn():
            return True
        slots = self._slots()
        # as many as there may be room for; each of several titles may hold the same jobs
        jobs = self._queue.open_jobs(_SPARE + max(slots.values()))
        ended = False
        for name in QUEUES:
            mine = [queued for queued in jobs if _queue_of(queued.job, slots) == name]
            if mine:
                observed = self._observed(mine, slots[name], now)
                decision = decide(observed)
                self._apply(decision, name)
                self._on_done({digest: observed.results[digest] for digest in decision.done})
                ended = ended or bool(decision.done or decision.failed)
        return ended

    def _slots(self) -> dict[str, int]:
        """Slots of each queue; asked once a second, since workers come and go in seconds."""
        now = time.monotonic()
        if now > self._counted + _COUNT_S:
            self._counted, self._known = now, {name: self._board.slots(name) for name in QUEUES}
        return self._known

    def _has_turn(self) -> bool:
        """Hold the turn, renewed in the registry only when half of it is over."""
        now = time.monotonic()
        if now < self._turn_renewed + _TURN_S / 2:
            return True
        had_it = self._turn_renewed > float("-inf")
        taken = self._queue.take_turn(self._holder, _TURN_S, self._turn if had_it else None)
        if taken and not had_it:
            self._turn = self._queue.turn()
        self._turn_renewed = now if taken else float("-inf")
        return taken

    def _observed(self, jobs: Sequence[QueuedJob], slots: int, now: datetime) -> Observation:
        digests = [queued.job.digest for queued in jobs if queued.job.sends or queued.job.state == JobState.SENT]
        return Observation(
            jobs=jobs,
            leases=self._board.leases(digests),
            results=self._board.take_results(digests),
            slots=slots,
            now=now,
            lease_s=self._lease_s,
            turn=self._turn,
            share=self._share,
        )

    def _apply(self, decision: Decision, queue: str) -> None:
        for digest in decision.done:
            self._queue.mark_done(digest)
        for digest, problem in decision.failed:
            self._queue.mark_failed(digest, problem)
        for digest, problem in decision.again:
            self._queue.mark_failed_once(digest, problem)
        for digest, problem in decision.postponed:
            self._queue.mark_postponed(digest, problem, _POSTPONED_S)
        self._queue.mark_lost(decision.lost)
        self._queue.mark_still_queued(decision.still_queued)
        bodies = self._bodies(decision)
        for digest, problem in decision.rerouted:
            self._to_cpu(digest, bodies, problem)
        for queued in decision.send:
            digest = queued.job.digest
            if queue != queued.job.queue:
                self._to_cpu(digest, bodies, _NO_GPU)
            job = queued.job.model_copy(update={"queue": queue})
            self._send(
                queued.model_copy(update={"job": job, "body": bodies[digest]}), _broker_priority(queued, decision)
            )
            self._queue.mark_sent(digest)
            self._turn += 1

    def _bodies(self, decision: Decision) -> dict[str, str]:
        digests = [*(digest for digest, _ in decision.rerouted), *(queued.job.digest for queued in decision.send)]
        return self._queue.bodies(digests) if digests else {}

    def _to_cpu(self, digest: str, bodies: dict[str, str], reason: str) -> None:
        job = on_cpu(VideoJob.model_validate_json(bodies[digest]), reason)
        bodies[digest] = job.model_dump_json()
        self._queue.reroute(digest, "cpu", bodies[digest], reason)
        log.warning("chunk.falls_back", job=digest[:12], chunk=job.chunk.index, reason=reason)


def _queue_of(job: JobRecord, slots: Mapping[str, int]) -> str:
    """The queue a job is dispatched to: while no GPU worker is up, CPU slots that are free take what may fall back."""
    homeless = job.may_fall_back and job.state == JobState.WAITING and not slots[job.queue]
    return "cpu" if homeless else job.queue


def _broker_priority(queued: QueuedJob, decision: Decision) -> int:
    """Celery's priority on Redis, 0 first.

    What overtakes goes before all that waits, whatever class that was sent with: it may have been lowered since. Only a
    share goes before it, so that the first class, once at work, does not overtake every share.
    """
    digest = queued.job.digest
    if digest in decision.foremost:
        return 0
    if digest in decision.shared:
        return 1
    return 2 if digest in decision.ahead else 3 + queued.place.priority.rank
