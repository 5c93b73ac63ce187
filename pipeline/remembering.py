"""Writing down what jobs and stages took: the history that forecasts are made of."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from encoders.documents import AudioJob, EncodePlan, VideoJob, job_adapter
from encoders.features import cost_of, megapixels, reading_s
from encoders.leases import JobResult
from encoders.sampling import choose_sampling
from pipeline import shelf
from pipeline.installation import Installation
from telecine.document import Document
from telecine.errors import TelecineError
from telecine.log import get_logger
from telecine.media import Probe
from telecine.registry.backlog import Backlog
from telecine.registry.history import Took, WorkHistory, now_took
from telecine.registry.queue import EncodeQueue
from telecine.registry.records import Stage, TitleRecord
from telecine.registry.repository import Registry

__all__ = [
    "EXAMINE",
    "Extent",
    "chunks_remembered",
    "document_of",
    "extent_of",
    "reached",
    "remember_stage",
    "stage_features",
    "stage_nominal_s",
]

log = get_logger(__name__)

D = TypeVar("D", bound=Document)

EXAMINE = "examine"
"""The step beside the encode."""

_NOT_WORK = frozenset({Stage.ENCODE, Stage.GO_LIVE})
"""Their time is spent waiting: for chunks, for the launch."""

_BASE_S, _A_FRAME, _A_MEGAPIXEL = 1.5, 0.0002, 0.0005
_FRAME_S: dict[str, float] = {Stage.MEASURE: 0.004, Stage.VERIFY: 0.004, EXAMINE: 0.01, Stage.INSPECT: 0.0005}
"""Seconds for each frame and megapixel of stages that decode pictures; all rough, history corrects them."""
_BEFORE_JOIN_S = 5.0
"""Seconds decoded to see the pictures of a join: back to the key frame before it."""
_READ_WHOLE = frozenset({Stage.MEASURE, EXAMINE})
"""Stages that decode the master."""


def chunks_remembered(registry: Registry) -> Callable[[Mapping[str, JobResult]], None]:
    """What the dispatcher calls with jobs that are done: each leaves one row. What was found made leaves none."""
    queue, history = EncodeQueue(registry), WorkHistory(registry)

    def remember(results: Mapping[str, JobResult]) -> None:
        made = {digest: result.seconds for digest, result in results.items() if _was_made(result)}
        if not made:
            return
        try:
            bodies = queue.bodies(made)
            history.record(_took(body, made[digest] or 0.0) for digest, body in bodies.items())
        except TelecineError as error:  # a forecast that knows less is no reason to stop an encode
            log.warning("history.not_written", jobs=len(made), problem=str(error))

    return remember


def _was_made(result: JobResult) -> bool:
    return result.seconds is not None and result.chunk is not None and result.chunk.encoded


def _took(body: str, seconds: float) -> Took:
    cost = cost_of(job_adapter.validate_json(body))
    return now_took(cost.features, seconds, cost.units, cost.nominal_s, cost.content)


def reached(record: TitleRecord, stage: Stage) -> bool:
    """Whether a title is at this stage or past it."""
    listed = list(Stage)
    return listed.index(record.stage) >= listed.index(stage)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much picture a title has.

    ``megapixels``: of one picture in all renditions together; ``reading_s``: what decoding its master takes for its
    bits; ``measured``: how much of it is decoded for its quality and to look at its joins, 1 being the whole once.
    """

    frames: int
    megapixels: float
    reading_s: float = 0.0
    measured: float = 1.0


def extent_of(place: Installation, record: TitleRecord) -> Extent:
    """Of its jobs, else of its plan or master; of none while nothing is known."""
    backlog = Backlog(place.registry).of(record.title_id) if reached(record, Stage.ENCODE) else None
    if backlog is not None:
        return _extent(place, (job_adapter.validate_json(body) for body in backlog.shown.values()), backlog.units)
    plan = document_of(place, record, EncodePlan)
    if plan is not None:
        return _extent(place, plan.jobs, plan.total_frames)
    probe = document_of(place, record, Probe)
    if probe is None or not probe.video:
        return Extent(0, 0.0)
    track = probe.video[0]
    read_s = reading_s(probe.master.size_bytes, track.codec)
    return Extent(track.packets, track.width * track.height / 1e6, read_s)


def _extent(place: Installation, jobs: Iterable[VideoJob | AudioJob], frames: int) -> Extent:
    pictures = [job for job in jobs if isinstance(job, VideoJob)]
    if not pictures or not frames:
        return Extent(frames, 0.0)
    first = pictures[0]
    rate = first.frame_rate.fraction
    windows = choose_sampling(0, frames, rate, place.settings.vmaf_subsample).windows
    joined = (math.ceil(frames / first.chunk.frames) - 1) * _BEFORE_JOIN_S * float(rate)
    measured = (sum(end - start for start, end in windows) + joined) / frames
    read_s = reading_s(first.master.size_bytes, first.track.codec)
    return Extent(frames, sum({megapixels(job) for job in pictures}), read_s, measured)


def document_of(place: Installation, record: TitleRecord, kind: type[D]) -> D | None:
    """The document of this kind that a step of the current run has kept; None before."""
    key = record.documents.get(kind.__name__)
    return shelf.load(place.work, kind, key) if key else None


def stage_features(stage: str) -> str:
    """What the history of a stage goes by."""
    return f"stage:{stage}"


def stage_nominal_s(stage: str, extent: Extent) -> float:
    """What a stage is reckoned to take."""
    picture = _FRAME_S.get(stage, _A_MEGAPIXEL) * extent.megapixels
    whole = extent.frames * (_A_FRAME + picture) + (extent.reading_s if stage in _READ_WHOLE else 0.0)
    return _BASE_S + whole * (extent.measured if stage == Stage.MEASURE else 1.0)


def remember_stage(place: Installation, title_id: str, stage: str, seconds: float) -> None:
    """A stage ended well. Never raises for what only forecasts miss."""
    if stage in _NOT_WORK:
        return
    try:
        extent = extent_of(place, place.registry.title(title_id))
        nominal_s = stage_nominal_s(stage, extent)
        WorkHistory(place.registry).record(
            [now_took(stage_features(stage), seconds, extent.frames, nominal_s, title_id)]
        )
    except TelecineError as error:
        log.warning("history.not_written", title=title_id, stage=stage, problem=str(error))
