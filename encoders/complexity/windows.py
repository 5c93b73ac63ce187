"""Which shots a title has, and which frames stand for all of it. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from encoders.complexity.documents import ShotSurvey

__all__ = ["GopSurvey", "sampled_windows", "shots_of"]

_FEWEST, _MOST = 3, 10
"""Windows: fewer do not stand for a title, and more are each too short for the encoders to settle."""


@dataclass(frozen=True, slots=True)
class GopSurvey:
    """What the survey found in one GOP of the grid: output frames [start, end)."""

    start: int
    end: int
    bits: int
    vmaf: float
    begins_shot: bool


def shots_of(gops: Sequence[GopSurvey]) -> tuple[ShotSurvey, ...]:
    """GOPs gathered into shots, in order."""
    groups: list[list[GopSurvey]] = []
    for gop in gops:
        if gop.begins_shot or not groups:
            groups.append([])
        groups[-1].append(gop)
    return tuple(_shot(group) for group in groups)


def _shot(group: Sequence[GopSurvey]) -> ShotSurvey:
    frames = group[-1].end - group[0].start
    vmaf = sum(gop.vmaf * (gop.end - gop.start) for gop in group) / frames
    bits = sum(gop.bits for gop in group) / frames
    return ShotSurvey(start=group[0].start, end=group[-1].end, bits_per_frame=bits, vmaf=vmaf)


def sampled_windows(gops: Sequence[GopSurvey], frames: int) -> tuple[tuple[int, int], ...]:
    """About ``frames`` output frames in windows that stand for equal parts of the title, from easy to hard GOPs.

    Each window begins with its GOP and is no longer than it, so that a trial's first picture costs what it will cost.
    """
    longest = max(gop.end - gop.start for gop in gops)
    count = min(len(gops), max(_FEWEST, min(_MOST, round(2 * frames / longest))))
    length = max(1, min(longest, round(frames / count)))
    ordered = sorted(gops, key=lambda gop: (gop.bits / (gop.end - gop.start), gop.start))
    parts = [ordered[len(ordered) * n // count : len(ordered) * (n + 1) // count] for n in range(count)]
    chosen = [_typical(part) for part in parts if part]
    return tuple(sorted((gop.start, min(gop.end, gop.start + length)) for gop in chosen))


def _typical(part: Sequence[GopSurvey]) -> GopSurvey:
    """The GOP whose quality is nearest to the middle of its part."""
    middle = statistics.median(gop.vmaf for gop in part)
    return min(part, key=lambda gop: (abs(gop.vmaf - middle), gop.start))
