"""What is left of each title, as the simulation takes it: jobs of its queue or plan, stages before and after."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from encoders.documents import AudioJob, EncodePlan, VideoJob, job_adapter
from encoders.features import Cost, cost_of
from encoders.leases import Lease
from encoders.routing import on_cpu
from pipeline import steps
from pipeline.installation import Installation
from pipeline.remembering import EXAMINE, Extent, document_of, extent_of, reached, stage_features, stage_nominal_s
from telecine.durations import Pool, Sample, pooled
from telecine.errors import TelecineError
from telecine.forecast import Basis
from telecine.media import Probe
from telecine.registry.backlog import LeftJob, TitleBacklog
from telecine.registry.history import WorkHistory
from telecine.registry.records import Stage, TitleRecord
from telecine.simulation import Load, Running, Step, Work

__all__ = ["Estimate", "Estimates"]

_BEFORE = (Stage.QUALIFY, Stage.PLAN)
_AFTER = (Stage.ASSEMBLE, Stage.MEASURE, Stage.PACKAGE, Stage.VERIFY, Stage.PUBLISH, Stage.FILL)
_TASKS = {Stage.ASSEMBLE: 2, Stage.PUBLISH: 2}
_LAST_TASKS = 2
"""Control tasks a stage stands for, where not one: the end of the encode, the gates and the launch are tasks too."""
_ENOUGH = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """The load of one title; ``jobs_left``: of its encode; None: nothing is known of its work yet."""

    load: Load | None
    jobs_left: int
    basis: Basis


@dataclass(slots=True)
class Estimates:
    """Loads of titles at one moment. ``slots``: of workers by queue; ``leases``: of jobs under way, by digest."""

    place: Installation
    now: datetime
    slots: Mapping[str, int]
    leases: Mapping[str, Lease] = field(default_factory=dict)
    _pools: dict[tuple[str, str], Pool] = field(default_factory=dict)

    def of(self, record: TitleRecord, backlog: TitleBacklog | None) -> Estimate:
        """A held title has a load too: what runs of it holds its slots. Jobs of an earlier version tell nothing."""
        if not reached(record, Stage.ENCODE):
            backlog = None
        known = _known_work(self.place, record, backlog)
        if known is None:
            return Estimate(None, 0, "profile")
        running, works = self._jobs(known, backlog)
        steps_of = _Steps(self, record, extent_of(self.place, record))
        telling = _telling((cost, self._pool(cost)) for cost in known.costs_left or known.costs)
        load = Load(
            place=record.place,
            works=works,
            running=running,
            before=() if backlog else steps_of.waiting(_BEFORE),
            beside=steps_of.examination(),
            after=steps_of.waiting(_AFTER if self.place.settings.edges else _AFTER[:-1], joins=Stage.PACKAGE),
            spread=telling.spread,
        )
        return Estimate(load, len(known.costs_left), telling.basis)

    def pool(self, features: str, content: str) -> Pool:
        """Ratios of these features for this content; asked of the history once."""
        if (features, content) not in self._pools:
            history = WorkHistory(self.place.registry)
            alike = history.alike(features)
            kin = history.similar(features, _ENOUGH) if len(alike) < _ENOUGH else ()
            own, others = ([Sample(took.ratio, took.content) for took in rows] for rows in (alike, kin))
            self._pools[features, content] = pooled(own, others, content)
        return self._pools[features, content]

    def _pool(self, cost: Cost) -> Pool:
        return self.pool(cost.features, cost.content)

    def _jobs(self, known: "_Known", backlog: TitleBacklog | None) -> tuple[tuple[Running, ...], tuple[Work, ...]]:
        left = backlog.left if backlog else ()
        running, waiting = [], []
        for index, cost in enumerate(known.costs_left):
            job = left[index] if backlog else None
            queue = self._queue(job, known.queues[index])
            work = Work(queue, (cost.nominal_s,), self._pool(cost).ratios)
            if job is not None and job.sent_at is not None and job.digest in self.leases:
                running.append(self._running(work, job))
            else:
                waiting.append(work)
        return tuple(running), _merged(waiting)

    def _queue(self, job: LeftJob | None, queue: str) -> str:
        """While no GPU worker is up, the CPU takes what may fall back: as the dispatcher does."""
        homeless = job is not None and job.may_fall_back and not self.slots.get(queue)
        return "cpu" if homeless else queue

    def _running(self, work: Work, job: LeftJob) -> Running:
        lease = self.leases[job.digest]
        elapsed_s = max(0.0, (self.now - job.sent_at).total_seconds()) if job.sent_at else 0.0
        progress = min(1.0, lease.frames / lease.total_frames) if lease.total_frames and lease.frames else None
        return Running(work, elapsed_s, progress)


@dataclass(frozen=True, slots=True)
class _Known:
    """Costs of all kinds of jobs of a title, of those left, and the queues of these."""

    costs: tuple[Cost, ...]
    costs_left: tuple[Cost, ...]
    queues: tuple[str, ...]


def _known_work(place: Installation, record: TitleRecord, backlog: TitleBacklog | None) -> _Known | None:
    if backlog is not None:
        return _of_backlog(backlog)
    plan = document_of(place, record, EncodePlan) or _planned(place, record)
    if plan is None:
        return None
    costs = tuple(cost_of(job) for job in plan.jobs)
    return _Known(costs, costs, tuple(job.queue for job in plan.jobs))


def _planned(place: Installation, record: TitleRecord) -> EncodePlan | None:
    """The plan a title will probably get; None before its master was inspected, or when it cannot be planned."""
    probe = document_of(place, record, Probe)
    try:
        return steps.plan(place, probe, record.profile) if probe else None
    except TelecineError:
        return None  # its own step says why, in better words


def _of_backlog(backlog: TitleBacklog) -> _Known:
    """Costs of jobs left, each by the shown job of the same place in its chunk."""
    shown = {position: job_adapter.validate_json(body) for position, body in sorted(backlog.shown.items())}
    pattern = _first_chunk([job for job in shown.values() if isinstance(job, VideoJob)])
    begins = next((position for position, job in shown.items() if isinstance(job, VideoJob)), 0)
    known: dict[tuple[str, str, int], Cost] = {}
    found = []
    for job in backlog.left:
        alike = shown.get(job.position) or pattern[(job.position - begins) % len(pattern)]
        kind = (alike.digest, job.queue, job.units)
        known[kind] = known.get(kind) or _cost_left(job, alike)
        found.append(known[kind])
    costs = tuple(cost_of(job) for job in shown.values())
    return _Known(costs, tuple(found), tuple(job.queue for job in backlog.left))


def _first_chunk(jobs: list[VideoJob]) -> list[VideoJob]:
    return [job for job in jobs if job.chunk.index == jobs[0].chunk.index]


def _cost_left(job: LeftJob, alike: VideoJob | AudioJob) -> Cost:
    if isinstance(alike, AudioJob):
        return cost_of(alike)
    if job.queue != alike.queue and alike.fallback:
        alike = on_cpu(alike, "moved")
    chunk = alike.chunk.model_copy(update={"end": alike.chunk.start + job.units})
    return cost_of(alike.model_copy(update={"chunk": chunk}))


def _merged(works: Iterable[Work]) -> tuple[Work, ...]:
    """Neighbours of one queue and distribution as one, in order."""
    merged: list[tuple[Work, list[float]]] = []
    for work in works:
        if merged and merged[-1][0].queue == work.queue and merged[-1][0].ratios is work.ratios:
            merged[-1][1].extend(work.sizes)
        else:
            merged.append((work, [*work.sizes]))
    return tuple(Work(work.queue, tuple(sizes), work.ratios) for work, sizes in merged)


def _telling(pools: Iterable[tuple[Cost, Pool]]) -> Pool:
    """The pool that most of the work is reckoned by: a sound track of seconds says little about hours of picture."""
    work_s: dict[str, float] = {}
    by_features: dict[str, Pool] = {}
    for cost, pool in pools:
        work_s[cost.features] = work_s.get(cost.features, 0.0) + cost.nominal_s
        by_features[cost.features] = pool
    return by_features[max(work_s, key=work_s.__getitem__)] if work_s else pooled((), (), "")


@dataclass(frozen=True, slots=True)
class _Steps:
    """The control stages of one title that are not over."""

    estimates: Estimates
    record: TitleRecord
    extent: Extent

    def waiting(self, stages: Sequence[Stage], joins: Stage | None = None) -> tuple[Step, ...]:
        return tuple(
            self._step(
                stage,
                joins=stage is joins and self._examined() is None,
                runs=stage is self.record.stage,
                tasks=_TASKS.get(stage, 1) + (_LAST_TASKS if joins and stage is stages[-1] else 0),
            )
            for stage in stages
            if stage is self.record.stage or not reached(self.record, stage)
        )

    def examination(self) -> Step | None:
        """Beside the encode, until its report is there; None where nothing waits for it any more."""
        if reached(self.record, Stage.VERIFY) or self._examined() is not None or not self.record.run_id:
            return None
        return self._step(EXAMINE, joins=False, runs=reached(self.record, Stage.ENCODE))

    def _examined(self) -> str | None:
        return self.record.documents.get("SourceReport")

    def _step(self, stage: str, *, joins: bool, runs: bool, tasks: int = 1) -> Step:
        pool = self.estimates.pool(stage_features(stage), self.record.title_id)
        elapsed_s = (self.estimates.now - self.record.updated_at).total_seconds() if runs else None
        size = stage_nominal_s(stage, self.extent)
        handover = (tasks - runs) * self.estimates.place.settings.control_handover_s
        ratios = tuple(ratio + handover / size for ratio in pool.ratios)
        return Step(size, ratios, None if elapsed_s is None else max(0.0, elapsed_s), joins)
