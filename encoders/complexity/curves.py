"""Quality and bits over CRF, from a few trials. Pure.

Over the CRF of one size, VMAF falls along a logistic curve: from the ceiling of the size (what scaling alone leaves of
the picture) to nothing, with nearly the same steepness for all titles and sizes; the logarithm of the bits falls along
a straight line. Two trials fix both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from encoders.complexity.documents import TrialPoint

__all__ = ["SLOPE", "Curve", "curve_through"]

SLOPE = 6.2
"""CRF steps in which the odds of VMAF against its ceiling fall by e: seen from 5.9 to 6.6 on x264, 1080p to 576p."""

_BITS_SLOPE = 0.12
"""Fall of the logarithm of bits a CRF step, where trials do not tell."""
_USABLE = 0.985
"""Nearer to the ceiling than this, more bits buy nothing."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One size of one codec. ``ceiling``: VMAF without any quantisation; ``middle``: CRF of half the ceiling."""

    width: int
    height: int
    ceiling: float
    middle: float
    log_bits: float
    bits_slope: float

    def vmaf_at(self, crf: float) -> float:
        return self.ceiling / (1 + math.exp((crf - self.middle) / SLOPE))

    def crf_for(self, vmaf: float) -> float | None:
        """The CRF that gives ``vmaf``; None where this size cannot reach it at a sensible price."""
        if vmaf >= self.ceiling * _USABLE or vmaf <= 0:
            return None
        return self.middle + SLOPE * math.log(self.ceiling / vmaf - 1)

    def through(self, crf: float, vmaf: float) -> "Curve":
        """The same curve, moved along the CRFs until ``crf`` gives ``vmaf``, which is below the ceiling."""
        return replace(self, middle=crf - SLOPE * math.log(self.ceiling / vmaf - 1))

    def bps_at(self, crf: float) -> float:
        return math.exp(self.log_bits - self.bits_slope * crf)


def curve_through(points: Sequence[TrialPoint]) -> Curve:
    """The curve through one or two trials of one size, ordered by CRF; a single one is taken to have a ceiling of 100.

    Raises ValueError without a point.
    """
    if not points:
        message = "a curve needs a trial"
        raise ValueError(message)
    first, last = points[0], points[-1]
    grown = [math.exp(point.crf / SLOPE) for point in (first, last)]
    across = first.vmaf * grown[0] - last.vmaf * grown[1]
    odds = (last.vmaf - first.vmaf) / across if across < 0 else 0.0
    ceiling = min(100.0, first.vmaf * (1 + grown[0] * odds)) if odds > 0 else 100.0
    middles = [point.crf - SLOPE * math.log(ceiling / min(point.vmaf, 0.999 * ceiling) - 1) for point in (first, last)]
    slope = math.log(first.bps / last.bps) / (last.crf - first.crf) if last.crf > first.crf else _BITS_SLOPE
    return Curve(
        width=first.width,
        height=first.height,
        ceiling=ceiling,
        middle=sum(middles) / 2,
        log_bits=sum(math.log(point.bps) + slope * point.crf for point in (first, last)) / 2,
        bits_slope=slope,
    )
