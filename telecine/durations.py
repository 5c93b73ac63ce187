"""What a job will take, learnt from what jobs took: ratios of true to reckoned seconds. Pure.

Reckoned seconds (the profile's nominal cost) rank jobs well and are wrong by a factor: of the machine, of the content.
History gives that factor, as a distribution. A title's own jobs tell of its content, so they come to weigh most.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from telecine.forecast import Basis

__all__ = ["Pool", "Sample", "pooled"]

_ENOUGH = 3
"""Fewer samples than this are no distribution."""

_POOL = 40
_OWN_DOUBT = 2
"""With as many own samples as this, own and others weigh the same."""

_GUESS = (0.4, 0.55, 0.7, 0.85, 1.0, 1.2, 1.45, 1.8, 2.5)
"""Ratios where nothing was ever measured: nominal costs are right within a factor of two or so."""

_DOUBT: dict[Basis, float] = {"history": 0.15, "similar": 0.3, "profile": 0.5}
"""Standard deviation of the logarithm of a title's common factor, where contents seen are too few to tell."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One finished job: true by reckoned seconds, and what content it was of."""

    ratio: float
    content: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """Equally likely ratios of a title's jobs. ``spread``: how far all of them together may be off, as in ``Load``."""

    ratios: tuple[float, ...]
    basis: Basis
    spread: float


def pooled(alike: Sequence[Sample], similar: Sequence[Sample], content: str) -> Pool:
    """Ratios for jobs of this content: of jobs alike, else of similar ones, else a guess; drawn to its own.

    Own samples scale what others took to this content, and take their place as there are more of them.
    """
    own = [sample.ratio for sample in alike if sample.content == content]
    others, basis, spread = _of_others([sample for sample in alike if sample.content != content], similar)
    if not own:
        return Pool(_resampled(others, _POOL), basis, spread)
    weight = len(own) / (len(own) + _OWN_DOUBT)
    harder = math.exp(weight * (_log_mean(own) - _log_mean(others)))
    mine = round(_POOL * weight)
    ratios = (*_resampled(own, mine), *_resampled([ratio * harder for ratio in others], _POOL - mine))
    return Pool(ratios, "history" if len(own) >= _ENOUGH else basis, spread * (1 - weight))


def _of_others(alike: Sequence[Sample], similar: Sequence[Sample]) -> tuple[list[float], Basis, float]:
    if len(alike) >= _ENOUGH:
        return [sample.ratio for sample in alike], "history", _between_contents(alike, "history")
    found = [*alike, *similar]
    if len(found) >= _ENOUGH:
        return (
            [sample.ratio for sample in found],
            "similar",
            max(_DOUBT["similar"], _between_contents(found, "similar")),
        )
    return list(_GUESS), "profile", _DOUBT["profile"]


def _between_contents(samples: Sequence[Sample], basis: Basis) -> float:
    """How far contents differ from one another, as a standard deviation of logarithms."""
    by_content: dict[str, list[float]] = {}
    for sample in samples:
        by_content.setdefault(sample.content, []).append(sample.ratio)
    if len(by_content) < _ENOUGH:
        return _DOUBT[basis]
    return pstdev(_log_mean(ratios) for ratios in by_content.values())


def _resampled(ratios: Sequence[float], count: int) -> tuple[float, ...]:
    """``count`` quantiles at equal distances."""
    ordered = sorted(ratios)
    return tuple(ordered[int((step + 0.5) / count * len(ordered))] for step in range(count))


def _log_mean(ratios: Sequence[float]) -> float:
    return fmean(math.log(ratio) for ratio in ratios)
