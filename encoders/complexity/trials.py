"""Quick encodes of parts of a title, and how they look: the effects of the analysis."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from encoders.complexity.graph import trial_argv
from encoders.documents import Chunk, VideoJob, VideoOutput
from encoders.tooling import run_tool
from encoders.verify import read_samples
from profiles.models import VideoCodec, VideoRung
from telecine.errors import EncodeFailed
from telecine.media import FrameRate, Master, VideoTrack

__all__ = ["Measured", "Scene", "Trial", "measured_of", "run_trial", "scene_job"]

_QUICK = {
    VideoCodec.X264: "superfast",
    VideoCodec.X265: "superfast",
    VideoCodec.VP9: "8",
    VideoCodec.SVT_AV1: "12",
}
"""Presets of trials: they order sizes, CRFs and shots as the slow ones do, for a tenth of the CPU."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What all trials of a title share."""

    master: Master
    source: Path
    track: VideoTrack
    rate: FrameRate
    gop_frames: int
    preroll_s: Fraction
    damage_allowed: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """Rungs to try on output frames [start, end), seen at ``view``, every ``subsample``-th frame."""

    start: int
    end: int
    rungs: tuple[VideoRung, ...]
    view: tuple[int, int]
    subsample: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One rung of a trial. ``bits`` of each frame in order of presentation; ``scores``: VMAF by frame, from 0."""

    bits: tuple[int, ...]
    scores: dict[int, float]


def scene_job(scene: Scene, start: int, end: int, rungs: Sequence[VideoRung]) -> VideoJob:
    """Frames [start, end) of a scene as rungs, each by its encoder's quick preset."""
    quick = [rung.model_copy(update={"preset": _QUICK[rung.codec]}) for rung in rungs]
    return VideoJob(
        digest="",
        master=scene.master,
        track=scene.track,
        frame_rate=scene.rate,
        gop_frames=scene.gop_frames,
        chunk=Chunk(index=0, start=start, end=end),
        threads=1,
        damage_allowed=scene.damage_allowed,
        preroll_s=scene.preroll_s,
        outputs=tuple(VideoOutput(rung=rung, digest="", key="") for rung in quick),
    )


def run_trial(scene: Scene, trial: Trial, folder: Path) -> tuple[list[Measured], float]:
    """Encode and measure; what is found of each rung, and CPU seconds. Raises EncodeFailed, ToolFailed."""
    job = scene_job(scene, trial.start, trial.end, trial.rungs)
    targets = [(folder / f"trial-{number}.mp4", f"trial-{number}.json") for number in range(len(trial.rungs))]
    done = run_tool(trial_argv(job, scene.source, trial.view, targets, trial.subsample), cwd=folder)
    frames = trial.end - trial.start
    return [measured_of(path, folder / log, frames, trial.subsample) for path, log in targets], done.cpu_s


def measured_of(path: Path, log: Path, frames: int, subsample: int) -> Measured:
    """Bits and VMAF of one trial's file, proven to have all its frames. Raises EncodeFailed."""
    samples = read_samples(path)
    shown = sorted(zip(samples.pts, samples.sizes, strict=True))
    rows = json.loads(log.read_text())["frames"]
    scores = {row["frameNum"]: row["metrics"]["vmaf"] for row in rows if "vmaf" in row["metrics"]}
    if len(shown) != frames or len(scores) != -(-frames // subsample):
        message = f"A trial wrote {len(shown)} of {frames} frames, of which {len(scores)} were compared."
        raise EncodeFailed(message)
    return Measured(tuple(size * 8 for _, size in shown), scores)
