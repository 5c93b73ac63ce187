"""When titles will be ready, and what a change of order would do to them: simulated on what is known now."""

import contextlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from encoders.documents import EncodePlan
from encoders.leases import Lease
from pipeline import shelf
from pipeline.installation import Installation, lease_board
from pipeline.loads import Estimate, Estimates
from telecine.changes import OrderChange
from telecine.errors import NotFound, TelecineError, Unavailable
from telecine.forecast import Forecasts, Moved, TitleForecast, WhatIf
from telecine.registry.backlog import Backlog, TitleBacklog
from telecine.registry.history import WorkHistory
from telecine.registry.queue import QUEUES, EncodeQueue
from telecine.registry.records import Stage, TitleRecord
from telecine.simulation import CONTROL, Floor, Load, alone_s, quantile, simulate
from telecine.title import Priority

__all__ = ["forecast", "note_remaining", "outlook", "what_if"]

_RUNS, _FEWEST_RUNS = 100, 15
_JOBS_SIMULATED = 150_000
"""Jobs of all runs together, about: a forecast takes a second or two, however long the queue is."""

_NOISE_S, _NOISE = 1.0, 0.01
"""A finish that moves by less, or by this share of the time until it, has not moved."""

_NOT_STARTED = "0-not-started"


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """All titles under way at one moment, and the slots for them."""

    now: datetime
    floor: Floor
    estimates: dict[str, Estimate]


def forecast(place: Installation) -> Forecasts:
    """When each title under way will be ready to go live; what people must still say yes to is not foreseen.

    Titles that are ready and wait for their launch come last, ready now.
    """
    records, waiting = _under_way(place)
    seen = _snapshot(place, records)
    ready = (_ready(record, seen.now) for record in waiting)
    return Forecasts(made_at=seen.now, slots=dict(seen.floor.slots), titles=(*_forecasts(records, seen), *ready))


def what_if(place: Installation, title_id: str, change: OrderChange) -> WhatIf:
    """Who would be ready when, if the title's place in the order were changed so; nothing is changed.

    Both futures are drawn from one seed, so that only the order tells them apart. Raises NotFound for a title that is
    not under way.
    """
    records, waiting = _under_way(place)
    for record in waiting:
        if record.title_id == title_id:
            now = datetime.now(UTC)
            own = _moved(_ready(record, now), _ready(_changed(record, change), now))
            return WhatIf(title_id=title_id, change=change, moved=(own,), unmoved=len(records) + len(waiting) - 1)
    if title_id not in {record.title_id for record in records}:
        message = f"Title '{title_id}' is not under way, so a change of its order changes nothing."
        raise NotFound(message)
    changed = [_changed(record, change) if record.title_id == title_id else record for record in records]
    seen = _snapshot(place, records)
    before = {one.title_id: one for one in _forecasts(records, seen)}
    after = _forecasts(changed, _replaced(seen, changed))
    moved = [_moved(before[one.title_id], one) for one in after]
    mine = [one for one in moved if one.title_id == title_id]
    others = [one for one in moved if one.title_id != title_id and _is_moved(one, seen.now)]
    others.sort(key=lambda one: -abs(math.inf if one.by_s is None else one.by_s))
    return WhatIf(
        title_id=title_id, change=change, moved=(*mine, *others), unmoved=len(records) - len(mine) - len(others)
    )


def outlook(place: Installation, plan: EncodePlan) -> TitleForecast:
    """When a title with this plan would be ready if it were started now, with class normal; nothing is started."""
    now = datetime.now(UTC)
    made_up = TitleRecord(
        title_id=_NOT_STARTED,
        name=_NOT_STARTED,
        profile=plan.ladder.profile,
        priority=Priority.NORMAL,
        launch_at=None,
        master_uri=plan.master.uri,
        master_sha256=None,
        stage=Stage.PLAN,
        problem=None,
        run_id=_NOT_STARTED,
        live=None,
        live_sha256=None,
        live_profile=None,
        documents={EncodePlan.__name__: shelf.keep(place.work, plan)},
        created_at=now,
        updated_at=now,
    )
    records = [*_under_way(place)[0], made_up]
    return next(one for one in _forecasts(records, _snapshot(place, records)) if one.title_id == _NOT_STARTED)


def note_remaining(place: Installation, title_id: str) -> None:
    """Write down the wall seconds a title needs if it is served first: what its slack is reckoned from.

    Cheap, nothing is simulated. Never raises for what the registry or Redis cannot tell now.
    """
    with contextlib.suppress(TelecineError):
        record = place.registry.title(title_id)
        _, slots, estimates = _estimated(place, [record])
        load = estimates[title_id].load
        seconds = alone_s(load, slots) if load else None
        if seconds is not None:
            place.registry.forecast({title_id: seconds})


def _under_way(place: Installation) -> tuple[list[TitleRecord], list[TitleRecord]]:
    """Titles with work before them, and those that wait for their launch."""
    open_ones = [record for record in place.registry.titles() if not record.stage.ended]
    waiting = [record for record in open_ones if record.stage == Stage.GO_LIVE]
    return [record for record in open_ones if record.stage != Stage.GO_LIVE], waiting


def _ready(record: TitleRecord, now: datetime) -> TitleForecast:
    slack = (record.launch_at - now).total_seconds() if record.launch_at else None
    return TitleForecast(
        title_id=record.title_id,
        priority=record.priority,
        launch_at=record.launch_at,
        held=record.held,
        p50=now,
        p90=now,
        work_s=0.0,
        remaining_s=0.0,
        jobs_left=0,
        basis="history",
        slack_s=slack,
    )


def _snapshot(place: Installation, records: Sequence[TitleRecord]) -> _Snapshot:
    now, slots, estimates = _estimated(place, records)
    floor = Floor(
        {**slots, CONTROL: place.settings.control_slots},
        WorkHistory(place.registry).failure_rate(),
        share=place.settings.low_share,
        turn=EncodeQueue(place.registry).turn(),
    )
    return _Snapshot(now, floor, estimates)


def _estimated(
    place: Installation, records: Sequence[TitleRecord]
) -> tuple[datetime, dict[str, int], dict[str, Estimate]]:
    """The moment, worker slots by queue, and what is left of each title."""
    now = datetime.now(UTC)
    backlogs = {record.title_id: Backlog(place.registry).of(record.title_id) for record in records}
    slots, leases = _workers(place, backlogs.values())
    estimates = Estimates(place, now, slots, leases)
    return now, slots, {record.title_id: estimates.of(record, backlogs[record.title_id]) for record in records}


def _workers(place: Installation, backlogs: Iterable[TitleBacklog | None]) -> tuple[dict[str, int], dict[str, Lease]]:
    """Slots by queue and leases of sent jobs; no slot where no Redis is or answers: nothing is promised."""
    sent = [job.digest for one in backlogs if one for job in one.left if job.sent_at is not None]
    if not place.settings.redis_url.get_secret_value():
        return dict.fromkeys(QUEUES, 0), {}
    with contextlib.suppress(Unavailable):
        board = lease_board(place)
        return {queue: board.slots(queue) for queue in QUEUES}, board.leases(sent)
    return dict.fromkeys(QUEUES, 0), {}


def _forecasts(records: Sequence[TitleRecord], seen: _Snapshot) -> tuple[TitleForecast, ...]:
    loads = [one.load for one in seen.estimates.values() if one.load]
    jobs = sum(len(work.sizes) for load in loads for work in load.works)
    runs = max(_FEWEST_RUNS, min(_RUNS, _JOBS_SIMULATED // max(1, jobs)))
    finishes = simulate(loads, seen.floor, runs=runs)
    return tuple(_of_title(record, seen, finishes.get(record.title_id, ())) for record in records)


def _of_title(record: TitleRecord, seen: _Snapshot, finishes: Sequence[float]) -> TitleForecast:
    estimate = seen.estimates[record.title_id]
    p50, p90 = (_moment(seen.now, finishes, share) for share in (0.5, 0.9))
    slack = (record.launch_at - p90).total_seconds() if record.launch_at and p90 else None
    load = estimate.load
    return TitleForecast(
        title_id=record.title_id,
        priority=record.priority,
        launch_at=record.launch_at,
        held=record.held,
        p50=p50,
        p90=p90,
        work_s=_work_s(load) if load else 0.0,
        remaining_s=(alone_s(load, seen.floor.slots) or 0.0) if load else 0.0,
        jobs_left=estimate.jobs_left,
        basis=estimate.basis,
        late_s=-slack if slack is not None and slack < 0 else None,
        slack_s=slack,
    )


def _moment(now: datetime, finishes: Sequence[float], share: float) -> datetime | None:
    seconds = quantile(finishes, share) if finishes else math.inf
    return now + timedelta(seconds=seconds) if math.isfinite(seconds) else None


def _work_s(load: Load) -> float:
    running = sum(one.work.expected_s * (1 - (one.progress or 0.0)) for one in load.running)
    return running + sum(work.expected_s for work in load.works)


def _changed(record: TitleRecord, change: OrderChange) -> TitleRecord:
    return record.model_copy(update={name: getattr(change, name) for name in change.model_fields_set})


def _replaced(seen: _Snapshot, records: Sequence[TitleRecord]) -> _Snapshot:
    places = {record.title_id: record.place for record in records}
    estimates = {
        title: replace(one, load=replace(one.load, place=places[title])) if one.load else one
        for title, one in seen.estimates.items()
    }
    return replace(seen, estimates=estimates)


def _moved(before: TitleForecast, after: TitleForecast) -> Moved:
    by_s = (after.p90 - before.p90).total_seconds() if after.p90 and before.p90 else None
    return Moved(
        title_id=before.title_id,
        before=before,
        after=after,
        by_s=by_s,
        becomes_late=before.late_s is None and after.late_s is not None,
        becomes_on_time=before.late_s is not None and after.p90 is not None and after.late_s is None,
    )


def _is_moved(moved: Moved, now: datetime) -> bool:
    if moved.by_s is None:
        return moved.before.p90 != moved.after.p90
    until = (moved.before.p90 - now).total_seconds() if moved.before.p90 else 0.0
    return abs(moved.by_s) > max(_NOISE_S, _NOISE * until) or moved.becomes_late or moved.becomes_on_time
