"""A model of the queue: in it the order of titles decides as it does at the dispatcher. Pure.

Discrete events: a slot falls free, the most urgent title that has something to do on that queue gets it. Whatever is
random is drawn once for each title and run, from a seed of its own: two simulations that differ in the order alone work
through the very same durations and failures (common random numbers), so what moves is moved by the order.
"""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from telecine.order import Place, is_shared, neediest, urgency

__all__ = ["CONTROL", "Floor", "Load", "Running", "Step", "Work", "alone_s", "quantile", "simulate"]

CONTROL = "control"
"""The queue of control tasks: Airflow's own."""

_MAX_ATTEMPTS = 12

Order = Callable[[Place], Any]


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs alike, in the order they are sent.

    ``sizes``: what each is reckoned to cost, seconds; ``ratios``: equally likely ratios of true to reckoned seconds.
    """

    queue: str
    sizes: tuple[float, ...]
    ratios: tuple[float, ...]

    @property
    def expected_s(self) -> float:
        """Slot seconds of all its jobs, on average."""
        return sum(self.sizes) * sum(self.ratios) / len(self.ratios)


@dataclass(frozen=True, slots=True)
class Running:
    """A job in a slot now. ``progress``: the share that is done; None: only known to run for ``elapsed_s`` at most."""

    work: Work
    elapsed_s: float = 0.0
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A control task. ``elapsed_s``: it runs since then; None: it waits.

    ``joins``: what runs beside the encode must be over before it starts.
    """

    size: float
    ratios: tuple[float, ...]
    elapsed_s: float | None = None
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What is left of one title: steps before its jobs, jobs, a step beside them, steps after. One of none is done.

    ``spread``: standard deviation of the logarithm of a factor common to all its jobs: content is harder or easier
    than what durations were learnt from. ``arrives_s``: it is submitted so many seconds from now.
    """

    place: Place
    works: tuple[Work, ...] = ()
    running: tuple[Running, ...] = ()
    before: tuple[Step, ...] = ()
    beside: Step | None = None
    after: tuple[Step, ...] = ()
    spread: float = 0.0
    arrives_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Floor:
    """Slots of each queue, and how likely an attempt at a job fails or is lost with its worker.

    ``share``: of all dispatches of jobs, what the classes behind the first get; ``turn``: dispatches there were so far.
    """

    slots: Mapping[str, int]
    failure_rate: float = 0.0
    share: float = 0.0
    turn: int = 0


def simulate(
    loads: Sequence[Load], floor: Floor, *, runs: int, seed: int = 0, order: Order = urgency
) -> dict[str, tuple[float, ...]]:
    """Seconds from now at which each title is done, in each run; infinite when it never is: held, or no slot for it."""
    ranked = sorted(loads, key=lambda load: order(load.place))
    made = [_Run(ranked, floor, f"{seed}/{run}").finished() for run in range(runs)]
    return {load.place.title_id: tuple(run[index] for run in made) for index, load in enumerate(ranked)}


def quantile(finishes: Sequence[float], share: float) -> float:
    """The time by which this share of runs was done (nearest rank)."""
    return sorted(finishes)[max(0, math.ceil(share * len(finishes)) - 1)]


def alone_s(load: Load, slots: Mapping[str, int]) -> float | None:
    """Wall seconds a title needs when it is served first, on average; None where a queue it needs has no slot."""
    longest = 0.0
    works = [*load.works, *(Work(run.work.queue, _rest(run), run.work.ratios) for run in load.running)]
    for queue in {work.queue for work in works}:
        if not slots.get(queue):
            return None
        mine = [work for work in works if work.queue == queue]
        jobs = sum(len(work.sizes) for work in mine)
        total = sum(work.expected_s for work in mine)
        # with as many jobs as slots or fewer all end with the longest; with many more slots are busy to the end
        largest = max(max(work.sizes) * sum(work.ratios) / len(work.ratios) for work in mine if work.sizes)
        longest = max(longest, largest if jobs <= slots[queue] else max(largest, total / slots[queue]))
    before, after = sum(map(_expected, load.before)), [_expected(step) for step in load.after]
    joined = next((index for index, step in enumerate(load.after) if step.joins), len(after))
    encoded = longest + sum(after[:joined])
    return before + max(encoded, _expected(load.beside) if load.beside else 0.0) + sum(after[joined:])


def _rest(running: Running) -> tuple[float, ...]:
    (size,) = running.work.sizes
    left = 1 - running.progress if running.progress is not None else max(0.1, 1 - running.elapsed_s / size)
    return (size * left,)


def _expected(step: Step) -> float:
    return max(0.0, step.size * sum(step.ratios) / len(step.ratios) - (step.elapsed_s or 0.0))


_Job = list[float]
"""Seconds of its attempts, the last first: all but that last one fail."""


@dataclass(slots=True)
class _Phase:
    """Jobs that may run at once, the first in order last, each with its queue and whether it runs already."""

    jobs: list[tuple[str, _Job, bool]]
    joins: bool = False
    beside: tuple[_Job, bool] | None = None


@dataclass(slots=True)
class _Title:
    """One title in one run. ``phases``: not begun yet, the next last; ``open``: jobs of the one that has begun."""

    place: Place
    phases: list[_Phase]
    waiting: dict[str, list[_Job]] = field(default_factory=dict)
    open: int = 0
    beside: _Job | None = None
    finish: float = math.inf


class _Run:
    """One run: all durations drawn when it begins, then events in order of time."""

    def __init__(self, ranked: Sequence[Load], floor: Floor, seed: str) -> None:
        self._titles = [
            _Draw(load, floor, Random(f"{seed}/{load.place.title_id}")).title()  # noqa: S311 - no secret
            for load in ranked
        ]
        self._free = dict(floor.slots)
        self._share, self._turn = floor.share, floor.turn
        self._running: Counter[tuple[str, int]] = Counter()
        self._sent_last: dict[str, int] = {}
        self._lines: dict[str, list[int]] = {queue: [] for queue in floor.slots}
        self._events: list[tuple[float, int, int, str, _Job]] = []
        self._started = 0
        self._arrivals = sorted(((load.arrives_s, index) for index, load in enumerate(ranked)), reverse=True)

    def finished(self) -> list[float]:
        """Seconds at which each title is done."""
        now = 0.0
        while True:
            while self._arrivals and self._arrivals[-1][0] <= now:
                self._advance(now, self._arrivals.pop()[1])
            while self._events and self._events[0][0] <= now:
                _, _, index, queue, job = heapq.heappop(self._events)
                self._end(now, index, queue, job)
            self._dispatch(now)
            if not self._events and not self._arrivals:
                return [title.finish for title in self._titles]
            now = min(
                self._events[0][0] if self._events else math.inf, self._arrivals[-1][0] if self._arrivals else math.inf
            )

    def _advance(self, now: float, index: int) -> None:
        """Begin the next phases of a title until one has jobs, or none is left."""
        title = self._titles[index]
        while not title.open:
            if not title.phases:
                title.finish = math.inf if title.place.held else now
                return
            if title.phases[-1].joins and title.beside is not None:
                return
            phase = title.phases.pop()
            if phase.beside is not None:
                title.beside = phase.beside[0]
                self._admit(now, index, (CONTROL, *phase.beside))
            for job in phase.jobs:
                title.open += 1
                self._admit(now, index, job)

    def _admit(self, now: float, index: int, admitted: tuple[str, _Job, bool]) -> None:
        queue, job, runs = admitted
        if runs:
            self._start(now, index, queue, job)
        else:
            self._wait(index, queue, job)

    def _wait(self, index: int, queue: str, job: _Job) -> None:
        title = self._titles[index]
        waiting = title.waiting.setdefault(queue, [])
        if not waiting and not title.place.held:
            heapq.heappush(self._lines.setdefault(queue, []), index)
        waiting.append(job)

    def _start(self, now: float, index: int, queue: str, job: _Job) -> None:
        self._free[queue] = self._free.get(queue, 0) - 1
        self._running[queue, self._titles[index].place.priority.rank] += 1
        self._started += 1
        heapq.heappush(self._events, (now + job.pop(), self._started, index, queue, job))

    def _end(self, now: float, index: int, queue: str, job: _Job) -> None:
        title = self._titles[index]
        self._free[queue] += 1
        self._running[queue, title.place.priority.rank] -= 1
        if job:
            self._wait(index, queue, job)
            return
        if job is title.beside:
            title.beside = None
        else:
            title.open -= 1
        self._advance(now, index)

    def _dispatch(self, now: float) -> None:
        for queue, line in self._lines.items():
            while line and self._free.get(queue, 0) > 0:
                index = line[0] if queue == CONTROL else self._chosen(queue, line)
                waiting = self._titles[index].waiting[queue]
                job = waiting.pop()
                if not waiting:
                    _leave(line, index)
                self._start(now, index, queue, job)

    def _chosen(self, queue: str, line: list[int]) -> int:
        """Whose job is dispatched: the most urgent title's, or by its share the neediest's, as at the dispatcher."""
        self._turn += 1
        first = self._titles[line[0]].place.priority.rank
        # the first class is at work already: it never waits for a share; the last sent waits in the broker as a spare
        at_work = self._running[queue, first] or self._sent_last.get(queue) == first
        chosen = line[0]
        if is_shared(self._turn - 1, self._share) and at_work:
            needy = neediest(self._titles[index].place for index in line)
            chosen = next((i for i in line if needy and self._titles[i].place.title_id == needy.title_id), chosen)
        self._sent_last[queue] = self._titles[chosen].place.priority.rank
        return chosen


def _leave(line: list[int], index: int) -> None:
    if line[0] == index:
        heapq.heappop(line)
    else:
        line.remove(index)
        heapq.heapify(line)


class _Draw:
    """Everything that is random about a title in one run, drawn in an order that nothing but the title decides."""

    def __init__(self, load: Load, floor: Floor, random: Random) -> None:
        self._load = load
        self._rate = floor.failure_rate
        self._random = random
        self._factor = math.exp(random.gauss(0.0, load.spread)) if load.spread else 1.0

    def title(self) -> _Title:
        load = self._load
        phases = [_Phase([self._step(step)]) for step in load.before]
        jobs = [(run.work.queue, self._running(run), True) for run in load.running]
        for work in load.works:
            jobs += [(work.queue, self._job(size * self._ratio(work.ratios)), False) for size in work.sizes]
        beside = self._step(load.beside)[1:] if load.beside else None
        phases.append(_Phase(jobs[::-1], beside=beside))
        phases += [_Phase([self._step(step)], joins=step.joins) for step in load.after]
        return _Title(load.place, phases[::-1])

    def _ratio(self, ratios: Sequence[float]) -> float:
        return ratios[int(self._random.random() * len(ratios))] * self._factor

    def _job(self, seconds: float) -> _Job:
        attempts = [seconds]
        while self._random.random() < self._rate and len(attempts) < _MAX_ATTEMPTS:
            attempts.append(seconds * self._random.random())
        return attempts

    def _running(self, running: Running) -> _Job:
        (size,) = running.work.sizes
        if running.progress is not None:
            return self._job(size * self._ratio(running.work.ratios) * (1 - running.progress))
        return [self._rest(size, running.work.ratios, running.elapsed_s)]

    def _step(self, step: Step) -> tuple[str, _Job, bool]:
        if step.elapsed_s is None:
            return CONTROL, [step.size * self._ratio(step.ratios)], False
        return CONTROL, [self._rest(step.size, step.ratios, step.elapsed_s)], True

    def _rest(self, size: float, ratios: Sequence[float], elapsed_s: float) -> float:
        """Of what takes longer than it has taken; when nothing known did, up to half as long again."""
        longer = [size * ratio * self._factor for ratio in ratios if size * ratio * self._factor > elapsed_s]
        drawn = self._random.random()
        return longer[int(drawn * len(longer))] - elapsed_s if longer else drawn * elapsed_s / 2
