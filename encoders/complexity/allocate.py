"""Constant slope: which CRF each shot gets so that the last bit spent buys the same quality everywhere. Pure.

Of all ways to spread CRFs over shots that keep the mean VMAF of a rung, the cheapest gives every shot the same change
of quality for a bit (Shoham and Gersho, 1988). Shots that look worst are never made worse for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from encoders.complexity.curves import Curve
from encoders.complexity.documents import ShotSurvey
from encoders.documents import ShotCrf

__all__ = ["Likeness", "allocate", "odds_of"]

_STEP = 0.25
_LOWEST, _HIGHEST = -2.0, 2.0
"""How far a shot's CRF may be from its rung's: beyond, trials of the title say too little of the shot."""
_PERFECT = 100.0
_WORTH = 0.985
"""A spread that saves less than a sixtieth or so is lost in what the survey cannot see: one CRF for all then."""
_WORST = 0.1
"""Share of the frames, the worst looking, whose quality is kept."""
_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Likeness:
    """How far what the survey saw of shots holds at the size of a rung: nothing (0) to as it is (1).

    ``looks``: differences in the odds of VMAF; ``bits``: differences in the logarithm of bits.
    """

    looks: float = 1.0
    bits: float = 1.0


@dataclass(frozen=True, slots=True)
class _Shot:
    survey: ShotSurvey
    curve: Curve
    bits: float
    kept: float


def allocate(
    curve: Curve, crf: float, shots: Sequence[ShotSurvey], likeness: Likeness
) -> tuple[tuple[ShotCrf, ...], float]:
    """CRFs of the shots of a rung encoded on ``curve`` at ``crf``, and the share of its bits they are to cost.

    Nothing, and 1, where no other spread is clearly cheaper.
    """
    shown = _shots(curve, crf, shots, likeness)
    target = _mean(shown, [0.0] * len(shown), crf)
    low, high = 1e-9, 1e9
    for _ in range(_ROUNDS):  # the price of a point of VMAF, by bisection
        price = math.sqrt(low * high)
        low, high = (low, price) if _mean(shown, _spread(shown, crf, price), crf) >= target else (price, high)
    offsets = _trimmed(shown, _spread(shown, crf, high), crf, target)
    cost = _cost(shown, offsets) / _cost(shown, [0.0] * len(shown))
    if cost > _WORTH or not any(offsets):
        return (), 1.0
    spread = zip(shown, offsets, strict=True)
    return tuple(ShotCrf(start=s.survey.start, end=s.survey.end, crf=crf + offset) for s, offset in spread), cost


def _shots(curve: Curve, crf: float, shots: Sequence[ShotSurvey], likeness: Likeness) -> list[_Shot]:
    """Shots as far apart about the rung's own quality as their survey and its likeness say."""
    frames = sum(shot.frames for shot in shots)
    odds = [odds_of(shot.vmaf, _PERFECT) for shot in shots]
    middle = sum(one * shot.frames for one, shot in zip(odds, shots, strict=True)) / frames
    mean = odds_of(curve.vmaf_at(crf), curve.ceiling)
    looks = [curve.ceiling / (1 + math.exp(-(mean + likeness.looks * (one - middle)))) for one in odds]
    worst = _floor([(look, shot.frames) for look, shot in zip(looks, shots, strict=True)])
    return [
        _Shot(
            survey=shot,
            curve=curve.through(crf, look),
            bits=max(1.0, shot.bits_per_frame) ** likeness.bits * shot.frames,
            kept=min(look, worst),
        )
        for shot, look in zip(shots, looks, strict=True)
    ]


def odds_of(vmaf: float, ceiling: float) -> float:
    """Logarithm of the odds of ``vmaf`` against its ceiling, kept off both ends."""
    share = min(0.995, max(0.005, vmaf / ceiling))
    return math.log(share / (1 - share))


def _floor(looks: Sequence[tuple[float, int]]) -> float:
    """The VMAF that all but the worst tenth of the frames pass."""
    left = _WORST * sum(frames for _, frames in looks)
    for look, frames in sorted(looks):
        left -= frames
        if left <= 0:
            return look
    return max(look for look, _ in looks)


def _spread(shown: Sequence[_Shot], crf: float, price: float) -> list[float]:
    """For each shot the offset that is cheapest when a frame's point of VMAF is worth ``price`` bits."""
    steps = [_LOWEST + _STEP * n for n in range(round((_HIGHEST - _LOWEST) / _STEP) + 1)]

    def worth(shot: _Shot, offset: float) -> float:
        return shot.bits * math.exp(-shot.curve.bits_slope * offset) - price * shot.survey.frames * shot.curve.vmaf_at(
            crf + offset
        )

    found = []
    for shot in shown:
        allowed = [step for step in steps if step <= 0 or shot.curve.vmaf_at(crf + step) >= shot.kept]
        found.append(min(allowed, key=lambda step: worth(shot, step)))
    return found


def _trimmed(shown: Sequence[_Shot], offsets: Sequence[float], crf: float, target: float) -> list[float]:
    """CRFs come in steps, so the mean is a little above its target: given back where it frees the most bits."""
    found = list(offsets)
    by_bits = sorted(range(len(shown)), key=lambda n: -shown[n].bits * math.exp(-shown[n].curve.bits_slope * found[n]))
    for n in by_bits:
        higher = found[n] + _STEP
        fits = higher <= 0 or shown[n].curve.vmaf_at(crf + higher) >= shown[n].kept
        tried = [*found[:n], higher, *found[n + 1 :]]
        if fits and higher <= _HIGHEST and _mean(shown, tried, crf) >= target:
            found = tried
    return found


def _mean(shown: Sequence[_Shot], offsets: Sequence[float], crf: float) -> float:
    frames = sum(shot.survey.frames for shot in shown)
    pairs = zip(shown, offsets, strict=True)
    return sum(shot.curve.vmaf_at(crf + offset) * shot.survey.frames for shot, offset in pairs) / frames


def _cost(shown: Sequence[_Shot], offsets: Sequence[float]) -> float:
    pairs = zip(shown, offsets, strict=True)
    return sum(shot.bits * math.exp(-shot.curve.bits_slope * offset) for shot, offset in pairs)
