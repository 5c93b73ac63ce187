"""The whole title once, small and quick: where its shots are, and how hard each is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from encoders.complexity.graph import survey_argv
from encoders.complexity.trials import Measured, Scene, measured_of, scene_job
from encoders.complexity.windows import GopSurvey
from encoders.scratch import private_folder
from encoders.tooling import run_tool
from profiles.models import VideoRung
from telecine.media import FrameRate

__all__ = ["SURVEY_LINES", "Stretch", "cut_stretches", "survey_stretch"]

SURVEY_LINES = 288
_CRF = 28.0
_SUBSAMPLE = 6
_STEP = 2
_STRETCH_GOPS = 30
_CUT_SCORE = 10
"""Score of scdet (of 100) from which two pictures belong to different shots: the filter's own default."""
_SCORE = re.compile(r"^lavfi\.scd\.score=(\d+(?:\.\d+)?)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Output frames [start, end), whole GOPs but at the title's end: what one survey process reads."""

    start: int
    end: int


def cut_stretches(first: int, total: int, gop_frames: int) -> tuple[Stretch, ...]:
    """Stretches of a minute or so; a last one shorter than a GOP is taken in by the one before."""
    length = _STRETCH_GOPS * gop_frames
    starts = list(range(first, first + total, length))
    if len(starts) > 1 and first + total - starts[-1] < gop_frames:
        starts.pop()
    return tuple(Stretch(a, b) for a, b in zip(starts, [*starts[1:], first + total], strict=True))


def survey_stretch(
    scene: Scene, stretch: Stretch, view: tuple[int, int], work_dir: Path
) -> tuple[list[GopSurvey], float]:
    """GOPs of a stretch, and the CPU seconds it took. Raises EncodeFailed, ToolFailed.

    Every second picture tells enough of a shot; of film inside fields all are needed to find its frames.
    """
    step = 1 if scene.track.telecined else _STEP
    rung = VideoRung(name="survey", width=view[0], height=view[1], crf=_CRF, max_bps=50_000_000, psychovisual=True)
    coarse = replace(
        scene,
        rate=FrameRate.of(scene.rate.fraction / step),
        gop_frames=max(1, round(scene.gop_frames / step)),
    )
    job = scene_job(coarse, -(-stretch.start // step), -(-stretch.end // step), (rung,))
    with private_folder(work_dir) as folder:
        made, written = folder / "survey.mp4", {"cuts": "cuts.txt", "log": "vmaf.json"}
        argv = survey_argv(job, scene.source, made, **written, subsample=_SUBSAMPLE, thinned=step > 1)
        done = run_tool(argv, cwd=folder)
        measured = measured_of(made, folder / "vmaf.json", job.chunk.frames, _SUBSAMPLE)
        scores = [float(score) for score in _SCORE.findall((folder / "cuts.txt").read_text())]
    cuts = [frame for frame, score in enumerate(scores) if score >= _CUT_SCORE]
    coarseness = Fraction(job.chunk.frames, stretch.end - stretch.start)
    return _gops(stretch, scene.gop_frames, measured, cuts, coarseness), done.cpu_s


def _gops(
    stretch: Stretch, gop_frames: int, measured: Measured, cuts: Sequence[int], coarse: Fraction
) -> list[GopSurvey]:
    """GOPs of the title's own grid; ``coarse``: frames of the survey for each of its frames.

    A cut begins a shot at the key frame that is nearest to it.
    """
    begins = {round(cut / coarse / gop_frames) for cut in cuts}
    frames, found = stretch.end - stretch.start, []
    for number, (start, end) in enumerate(pairwise([*range(0, frames, gop_frames), frames])):
        first, stop = round(start * coarse), max(round(start * coarse) + 1, round(end * coarse))
        found.append(
            GopSurvey(
                start=stretch.start + start,
                end=stretch.start + end,
                bits=sum(measured.bits[first:stop]),
                vmaf=_mean_near(measured.scores, first, stop),
                begins_shot=number in begins,
            )
        )
    return found


def _mean_near(scores: dict[int, float], start: int, end: int) -> float:
    """Mean of the frames measured in [start, end); of the nearest one where there is none."""
    inside: Sequence[float] = [score for frame, score in scores.items() if start <= frame < end]
    return sum(inside) / len(inside) if inside else scores[min(scores, key=lambda frame: abs(frame - start))]
