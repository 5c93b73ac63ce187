"""The whole title once, small and quick: where its shots are, and how hard each is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from encoders.complexity.trials import Measured, Scene, Trial, run_trial
from encoders.complexity.windows import GopSurvey
from encoders.scratch import private_folder
from encoders.tooling import run_tool
from profiles.models import VideoRung

__all__ = ["SURVEY_LINES", "Stretch", "cut_stretches", "survey_stretch"]

SURVEY_LINES = 360
_CRF = 28.0
_SUBSAMPLE = 12
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
    """GOPs of a stretch, and the CPU seconds it took."""
    rung = VideoRung(name="survey", width=view[0], height=view[1], crf=_CRF, max_bps=50_000_000)
    trial = Trial(stretch.start, stretch.end, (rung,), view, _SUBSAMPLE)
    with private_folder(work_dir) as folder:
        (measured,), reference, cpu_s = run_trial(scene, trial, folder)
        cuts, more_s = _cuts(reference, folder)
    return _gops(stretch, scene.gop_frames, measured, cuts), cpu_s + more_s


def _cuts(reference: Path, folder: Path) -> tuple[set[int], float]:
    """Frames of the stretch that begin a shot."""
    graph = f"scdet=threshold={_CUT_SCORE},metadata=print:key=lavfi.scd.score:file=cuts.txt"
    argv = ("ffmpeg", "-v", "error", "-nostdin", "-i", f"file:{reference}", "-vf", graph, "-f", "null", "-")
    done = run_tool(argv, cwd=folder)
    scores = [float(score) for score in _SCORE.findall((folder / "cuts.txt").read_text())]
    return {n for n, score in enumerate(scores) if score >= _CUT_SCORE}, done.user_cpu_s + done.system_cpu_s


def _gops(stretch: Stretch, gop_frames: int, measured: Measured, cuts: set[int]) -> list[GopSurvey]:
    """A cut begins a shot at the key frame that is nearest to it."""
    begins = {round(cut / gop_frames) for cut in cuts}
    frames = stretch.end - stretch.start
    edges = [*range(0, frames, gop_frames), frames]
    return [
        GopSurvey(
            start=stretch.start + start,
            end=stretch.start + end,
            bits=sum(measured.bits[start:end]),
            vmaf=_mean_near(measured.scores, start, end),
            begins_shot=number in begins,
        )
        for number, (start, end) in enumerate(pairwise(edges))
    ]


def _mean_near(scores: dict[int, float], start: int, end: int) -> float:
    """Mean of the frames measured in [start, end); of the nearest one where there is none."""
    inside: Sequence[float] = [score for frame, score in scores.items() if start <= frame < end]
    return sum(inside) / len(inside) if inside else scores[min(scores, key=lambda frame: abs(frame - start))]
