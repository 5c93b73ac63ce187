"""Bit rates of a track, by the sizes and seconds of its segments. Pure."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

__all__ = ["average_bps", "peak_bps"]

_SHORTEST, _LONGEST = Fraction(1, 2), Fraction(3, 2)


def average_bps(sizes: Sequence[int], seconds: Sequence[Fraction]) -> int:
    """All bits over all seconds."""
    return int(sum(sizes) * 8 / sum(seconds, Fraction(0)))


def peak_bps(sizes: Sequence[int], seconds: Sequence[Fraction], target_s: int) -> int:
    """The peak segment bit rate of RFC 8216bis, 4.4.6.2, which BANDWIDTH declares.

    Of all contiguous segments that last 0.5 to 1.5 target durations together: a short last segment counts only with
    those before it. Over the whole of a track that is shorter.
    """
    bytes_before, seconds_before = list(accumulate(sizes, initial=0)), list(accumulate(seconds, initial=Fraction(0)))
    rates = []
    for first, begin in enumerate(seconds_before):
        for end in range(first + 1, len(seconds_before)):
            lasts = seconds_before[end] - begin
            if lasts > _LONGEST * target_s:
                break
            if lasts >= _SHORTEST * target_s:
                rates.append((bytes_before[end] - bytes_before[first]) * 8 / lasts)
    return math.ceil(max(rates, default=Fraction(average_bps(sizes, seconds))))
