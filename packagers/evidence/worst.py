"""Which five seconds of a rendition a viewer sees worst, from the frames that were measured. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Stretch", "worst_stretch"]

_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Stretch:
    """Five seconds from ``start`` (a frame number): the mean score of its measured frames, and the worst of them."""

    start: int
    mean: float
    worst_frame: int


def worst_stretch(over_time: Sequence[tuple[int, float]], frame_rate: Fraction) -> Stretch | None:
    """The five seconds of the lowest mean that begin with a measured frame; all of a title that is shorter."""
    if not over_time:
        return None
    length = _SECONDS * frame_rate
    last = over_time[-1][0]
    starts = [number for number, _ in over_time if number + length <= last + 1] or [over_time[0][0]]
    found = []
    for start in starts:
        held = [(number, score) for number, score in over_time if start <= number < start + length]
        mean = statistics.fmean(score for _, score in held)
        found.append(Stretch(start, mean, min(held, key=lambda one: one[1])[0]))
    return min(found, key=lambda one: one.mean)
