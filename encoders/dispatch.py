"""The dispatcher: keeps every worker slot busy with the most urgent chunk of all titles, and loses none.

``decide`` is pure: given what is known, what to do. ``Dispatcher.tick`` does it. Any number of dispatchers may tick;
one at a time has the turn, and when it dies another takes over within seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from encoders.leases import JobResult, Lease, LeaseBoard
from encoders.order import broker_priority, dispatch_order
from telecine.registry.queue import EncodeQueue, QueuedJob, new_holder
from telecine.registry.records import JobState

__all__ = ["MAX_FAILURES", "MAX_SENDS", "Decision", "Dispatcher", "Observation", "decide"]

MAX_FAILURES = 3
"""Failed encodes of one chunk after which a person must look. An attempt lost with its worker is no failure."""

MAX_SENDS = 12
"""A chunk that takes its worker down again and again is not sent more often than this."""

_SPARE = 1
"""Jobs kept in the broker beyond the slots, so that a slot that falls free does not wait for the next tick."""

_TURN_S = 5.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What a dispatcher sees of one queue at one moment."""

    jobs: Sequence[QueuedJob]
    leases: Mapping[str, Lease]
    results: Mapping[str, JobResult]
    slots: int
    now: datetime
    lease_s: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do: lists of jobs by what happens to them."""

    done: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    again: tuple[tuple[str, str], ...]
    lost: tuple[str, ...]
    still_queued: tuple[str, ...]
    send: tuple[QueuedJob, ...]


def decide(seen: Observation) -> Decision:
    """Judge the sent jobs by results and leases, then fill the free slots in order.

    A sent job without lease is lost only when a slot was free to take it: otherwise it waits its turn in the broker.
    """
    jobs = {queued.job.digest: queued for queued in sorted(seen.jobs, key=dispatch_order, reverse=True)}
    sent = [digest for digest, queued in jobs.items() if queued.job.state == JobState.SENT]
    done = tuple(d for d in jobs if d in seen.results and seen.results[d].chunk is not None)
    failed, again = _failures(jobs, seen)
    silent = [d for d in sent if d not in seen.leases and d not in seen.results]
    running = sum(1 for d in sent if d in seen.leases and d not in seen.results)
    lost, still_queued = _judge_silent(silent, jobs, seen, free=seen.slots - running)
    hopeless = [d for d in lost if jobs[d].job.sends >= MAX_SENDS]
    failed.extend((d, f"It was sent {jobs[d].job.sends} times and its worker fell silent each time.") for d in hopeless)
    lost = [d for d in lost if d not in hopeless]
    over = {*done, *(d for d, _ in failed)}
    retried = {*lost, *(d for d, _ in again)}
    waiting = [q for d, q in jobs.items() if d not in over and (q.job.state == JobState.WAITING or d in retried)]
    outstanding = running + len(silent) - len(lost) - len(hopeless)
    room = max(0, seen.slots + _SPARE - outstanding) if seen.slots else 0
    send = tuple(sorted(waiting, key=dispatch_order)[:room])
    return Decision(done, tuple(failed), tuple(again), tuple(lost), tuple(still_queued), send)


def _failures(jobs: Mapping[str, QueuedJob], seen: Observation) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    failed: list[tuple[str, str]] = []
    again: list[tuple[str, str]] = []
    for digest, result in seen.results.items():
        if result.chunk is not None or digest not in jobs:
            continue
        problem = result.problem or "no reason given"
        hopeless = result.final or jobs[digest].job.failures + 1 >= MAX_FAILURES
        (failed if hopeless else again).append((digest, problem))
    return failed, again


def _judge_silent(
    silent: Sequence[str], jobs: Mapping[str, QueuedJob], seen: Observation, *, free: int
) -> tuple[list[str], list[str]]:
    if seen.slots and free <= 0:
        return [], list(silent)
    grace = timedelta(seconds=seen.lease_s)
    lost = [d for d in silent if (sent_at := jobs[d].job.sent_at) is None or seen.now - sent_at > grace]
    return (lost, []) if seen.slots else ([], [])


class Dispatcher:
    """Runs ``decide`` against the registry, the lease board and the broker.

    ``send(queued, priority)`` hands one job to the broker; it raises Unavailable when the broker is away.
    """

    def __init__(
        self, queue: EncodeQueue, board: LeaseBoard, send: Callable[[QueuedJob, int], None], *, lease_s: float
    ) -> None:
        self._queue = queue
        self._board = board
        self._send = send
        self._lease_s = lease_s
        self._holder = new_holder()

    def tick(self, now: datetime) -> Decision | None:
        """One round over all titles; None while another dispatcher has the turn. Raises Unavailable; harmless."""
        if not self._queue.take_turn(self._holder, _TURN_S):
            return None
        decision: Decision | None = None
        jobs = self._queue.open_jobs()
        for name in sorted({queued.job.queue for queued in jobs}):
            mine = [queued for queued in jobs if queued.job.queue == name]
            digests = [queued.job.digest for queued in mine]
            seen = Observation(
                jobs=mine,
                leases=self._board.leases(digests),
                results=self._board.take_results(digests),
                slots=self._board.slots(name),
                now=now,
                lease_s=self._lease_s,
            )
            decision = decide(seen)
            self._apply(decision)
        return decision

    def _apply(self, decision: Decision) -> None:
        for digest in decision.done:
            self._queue.mark_done(digest)
        for digest, problem in decision.failed:
            self._queue.mark_failed(digest, problem)
        for digest, problem in decision.again:
            self._queue.mark_failed_once(digest, problem)
        self._queue.mark_lost(decision.lost)
        self._queue.mark_still_queued(decision.still_queued)
        for queued in decision.send:
            self._send(queued, broker_priority(queued))
            self._queue.mark_sent(queued.job.digest)
