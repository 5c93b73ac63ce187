"""Quick encodes of parts of a title, and how they look: the effects of the analysis."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from encoders.command import quality_command, video_command
from encoders.documents import Chunk, VideoJob, VideoOutput
from encoders.graph import Span
from encoders.tooling import run_tool
from encoders.verify import read_samples
from profiles.models import VideoCodec, VideoRung
from telecine.document import digest_of
from telecine.errors import EncodeFailed
from telecine.media import Colour, FrameRate, Master, VideoTrack

__all__ = ["Measured", "Scene", "Trial", "run_trial", "trial_rung"]

_REFERENCE_CRF = 4
"""Near enough to lossless that VMAF does not tell, at a sixth of the CPU of a second decode of the source."""
_UNCAPPED_BPS = 400_000_000
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
    threads: int


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


def trial_rung(rung: VideoRung, *, number: int) -> VideoRung:
    """The rung as a trial encodes it."""
    return rung.model_copy(update={"name": f"trial-{number}", "preset": _QUICK[rung.codec]})


def run_trial(scene: Scene, trial: Trial, folder: Path) -> tuple[list[Measured], Path, float]:
    """Encode and measure. Leaves the reference seen at ``view`` in ``folder``; its path and CPU seconds come back.

    Raises EncodeFailed when frames are missing, ToolFailed.
    """
    reference = VideoRung(
        name="reference",
        width=trial.view[0],
        height=trial.view[1],
        crf=_REFERENCE_CRF,
        max_bps=_UNCAPPED_BPS,
        preset="ultrafast",
    )
    rungs = (reference, *(trial_rung(rung, number=n) for n, rung in enumerate(trial.rungs)))
    outputs = [VideoOutput(rung=rung, digest=rung.name, key=rung.name) for rung in rungs]
    job = VideoJob(
        digest=digest_of("trial", outputs),
        master=scene.master,
        track=scene.track,
        frame_rate=scene.rate,
        gop_frames=scene.gop_frames,
        chunk=Chunk(index=0, start=trial.start, end=trial.end),
        threads=scene.threads,
        preroll_s=scene.preroll_s,
        outputs=tuple(outputs),
    )
    paths = [folder / f"{rung.name}.mp4" for rung in rungs]
    done = run_tool(video_command(job, scene.source, list(zip(outputs, paths, strict=True)), job.preroll_s))
    scores, cpu_s = _scores(scene, trial, paths, folder)
    measured = [Measured(_bits(path, trial), found) for path, found in zip(paths[1:], scores, strict=True)]
    return measured, paths[0], done.user_cpu_s + done.system_cpu_s + cpu_s


def _scores(scene: Scene, trial: Trial, paths: Sequence[Path], folder: Path) -> tuple[list[dict[int, float]], float]:
    """VMAF of each trial against the reference, which is the first path: scores by frame, and CPU seconds."""
    frames = trial.end - trial.start
    track = VideoTrack(
        index=0,
        codec="h264",
        width=trial.view[0],
        height=trial.view[1],
        pixel_format="yuv420p",
        bit_depth=8,
        frame_rate=scene.rate,
        colour=Colour(primaries="bt709", transfer="bt709", matrix="bt709", range="tv"),
        start=Fraction(0),
        duration=frames / scene.rate.fraction,
        packets=frames,
    )
    pairs = [(path, f"{path.stem}.json") for path in paths[1:]]
    command = quality_command(Span(track, scene.rate, 0, frames), paths[0], pairs, trial.view, trial.subsample)
    done = run_tool(command, cwd=folder)
    found = []
    for _, name in pairs:
        read = json.loads((folder / name).read_text())["frames"]
        scores = {row["frameNum"]: row["metrics"]["vmaf"] for row in read if "vmaf" in row["metrics"]}
        if len(scores) != -(-frames // trial.subsample):
            message = f"A trial of frames {trial.start} to {trial.end} compared {len(scores)} frames, too few."
            raise EncodeFailed(message)
        found.append(scores)
    return found, done.user_cpu_s + done.system_cpu_s


def _bits(path: Path, trial: Trial) -> tuple[int, ...]:
    samples = read_samples(path)
    shown = sorted(zip(samples.pts, samples.sizes, strict=True))
    if len(shown) != trial.end - trial.start:
        message = f"A trial of frames {trial.start} to {trial.end} wrote {len(shown)} frames."
        raise EncodeFailed(message)
    return tuple(size * 8 for _, size in shown)
