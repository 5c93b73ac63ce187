"""The rungs of one title: on the convex hull of bits and VMAF, each as good as the profile's own. Pure."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from encoders.complexity.curves import Curve, curve_through
from encoders.complexity.documents import ComplexityReport, TrialPoint
from encoders.documents import ShotCrf
from profiles.models import Ladder, VideoCodec, VideoRung
from profiles.select import label_of

__all__ = ["TUNING", "Choice", "Trials", "choose", "differing", "fitted", "spared", "tuned"]

TUNING: dict[VideoCodec, dict[str, object]] = {
    VideoCodec.X264: {"psychovisual": False},
    VideoCodec.X265: {"psychovisual": False, "aq_strength": 0.3, "b_frames": 5},
}
"""What a tuned rung says differently, by encoder. Others have no such settings."""

_WORTH = 0.98
"""Tuning that saves less than a fiftieth of the bits is not worth giving up the detail it smooths."""
_FLATTERED = 1.25
"""Steps of CRF by which quick presets show tuned encodes better than slow ones make them: on Big Buck Bunny 0.4 to 1.2
(quick ones find fewer places for B-frames, and have no psychovisual optimisation that could be left out)."""
_BEATEN = 0.99
"""A rung is given up for one that saves at least a hundredth."""
_FINEST = 0.25
"""CRFs are chosen on this grid, so that noise of the trials makes no new ladder."""
_HIGHEST_CRF = {VideoCodec.X264: 40, VideoCodec.X265: 40, VideoCodec.VP9: 55, VideoCodec.SVT_AV1: 55}


@dataclass(frozen=True, slots=True)
class Trials:
    """Trials of one codec: those of the profile's own rungs, and those with the tuning that may replace theirs.

    ``fixed`` is in the order of the rungs, None for one that was ``spared`` its own trial.
    """

    fixed: Sequence[TrialPoint | None]
    tried: Sequence[TrialPoint]


@dataclass(frozen=True, slots=True)
class Choice:
    """What one rung becomes; ``curve`` is that of its size. ``fixed_bps``, ``bps``: as the trials see both."""

    rung: VideoRung
    curve: Curve
    target_vmaf: float
    fixed_bps: float
    bps: float


def fitted(ladder: Ladder, report: ComplexityReport | None) -> tuple[Ladder, dict[str, tuple[ShotCrf, ...]]]:
    """The ladder with the rungs of a report in place of the profile's, and the CRFs of their shots by rung."""
    if report is None:
        return ladder, {}
    chosen = {choice.chosen.name: choice.chosen for choice in report.choices}
    rungs = tuple(chosen.get(rung.name, rung) for rung in ladder.video)
    shots = {choice.chosen.name: choice.shots for choice in report.choices if choice.shots}
    return ladder.model_copy(update={"video": rungs}), shots


def tuned(rung: VideoRung) -> VideoRung:
    """The rung with its encoder's tuning for equal VMAF at fewer bits; one that says so itself stays as it is."""
    return rung.model_copy(update=TUNING.get(rung.codec, {})) if rung.psychovisual else rung


def choose(rungs: Sequence[VideoRung], trials: Trials) -> tuple[Choice, ...]:
    """The cheapest size and CRF for each of one codec's rungs at the quality of its own settings.

    A rung keeps its key label, so its lines stay within the label's. A rung that no trial beats keeps its settings.
    """
    tuned_curves = _curves(trials.tried)
    offset, penalty = _relation([point for point in trials.fixed if point], tuned_curves)
    keep_tuning = penalty > 1 / _WORTH
    curves = tuned_curves if keep_tuning else [_costlier(curve, penalty) for curve in tuned_curves]
    own = [
        point or _derived(rung, tuned_curves, offset, penalty) for rung, point in zip(rungs, trials.fixed, strict=True)
    ]
    return tuple(_choice(rung, point, curves, tune=keep_tuning) for rung, point in zip(rungs, own, strict=True))


def spared(rungs: Sequence[VideoRung], tried: Collection[VideoRung]) -> tuple[VideoRung, ...]:
    """The rungs of one codec whose own trial would tell nothing that ``tried`` does not.

    Of rungs that are tried as they are (no tuning differs): all whose size is tried. Else the largest, whose trial
    costs most, where a smaller one has a size that is tried with the tuning too, from which the difference shows.
    """
    sizes = {(rung.width, rung.height) for rung in tried}
    alike = tuple(rung for rung in rungs if (rung.width, rung.height) in sizes)
    if not differing(rungs, tried):
        return alike
    largest = max(rungs, key=lambda rung: rung.width * rung.height)
    return (largest,) if largest in alike and len(alike) > 1 else ()


def differing(rungs: Collection[VideoRung], tried: Collection[VideoRung]) -> bool:
    """Whether trials have another tuning than the profile's own rungs."""

    def says(rung: VideoRung) -> tuple[object, ...]:
        return rung.psychovisual, rung.aq_strength, rung.b_frames

    return {says(rung) for rung in rungs} != {says(rung) for rung in tried}


def _curves(points: Iterable[TrialPoint]) -> list[Curve]:
    ordered = sorted(points, key=lambda point: (point.width * point.height, point.crf))
    return [curve_through(list(group)) for _, group in groupby(ordered, key=lambda point: (point.width, point.height))]


def _relation(fixed: Sequence[TrialPoint], curves: Sequence[Curve]) -> tuple[float, float]:
    """The profile's own settings against the tuned ones, where both were tried at a size: the steps of CRF that the
    tuned ones may be higher at equal VMAF, and by what factor the own ones' bits exceed theirs then.
    """
    found = []
    for point in fixed:
        curve = _of_size(curves, point.width, point.height)
        crf = curve.crf_for(point.vmaf) if curve else None
        if curve and crf is not None:
            found.append((crf - point.crf, math.log(point.bps / curve.bps_at(crf))))
    if not found:
        return 0.0, 1.0
    return sum(offset for offset, _ in found) / len(found), math.exp(sum(ratio for _, ratio in found) / len(found))


def _derived(rung: VideoRung, curves: Sequence[Curve], offset: float, penalty: float) -> TrialPoint:
    """The trial a spared rung would have had."""
    curve = _of_size(curves, rung.width, rung.height)
    if curve is None:
        message = f"rung '{rung.name}' was neither tried nor can it be told from others"
        raise ValueError(message)
    crf = rung.crf + offset
    return TrialPoint(
        codec=rung.codec,
        width=rung.width,
        height=rung.height,
        crf=rung.crf,
        tuned=False,
        bps=curve.bps_at(crf) * penalty,
        vmaf=curve.vmaf_at(crf),
        windows=(),
    )


def _of_size(curves: Sequence[Curve], width: int, height: int) -> Curve | None:
    return next((curve for curve in curves if (curve.width, curve.height) == (width, height)), None)


def _costlier(curve: Curve, factor: float) -> Curve:
    return replace(curve, log_bits=curve.log_bits + math.log(factor))


def _choice(rung: VideoRung, own: TrialPoint, curves: Sequence[Curve], *, tune: bool) -> Choice:
    offered = [
        (curve.bps_at(crf), crf, curve)
        for curve in curves
        if label_of(curve.width, curve.height) == label_of(rung.width, rung.height)
        and (crf := curve.crf_for(own.vmaf)) is not None
        and 1 <= crf <= _HIGHEST_CRF[rung.codec]
    ]
    bits, crf, curve = min(offered, key=lambda offer: offer[0], default=(own.bps, rung.crf, curve_through([own])))
    if bits >= own.bps * _BEATEN:
        return Choice(rung, curve_through([own]), own.vmaf, own.bps, own.bps)
    crf = max(1.0, crf - (_FLATTERED if tune else 0))
    fitted = rung.model_copy(
        update={"width": curve.width, "height": curve.height, "crf": math.floor(crf / _FINEST) * _FINEST}
    )
    return Choice(tuned(fitted) if tune else fitted, curve, own.vmaf, own.bps, bits)
