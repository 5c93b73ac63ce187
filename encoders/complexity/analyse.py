"""The analysis of one title: survey, trials, hull, shots. Its report is a look-up when it was made before."""

import math
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pydantic import ValidationError

from encoders.complexity.allocate import Likeness, allocate, odds_of
from encoders.complexity.documents import ComplexityReport, RungChoice, ShotSurvey, TrialPoint
from encoders.complexity.hull import Choice, Trials, choose, differing, spared, tuned
from encoders.complexity.survey import SURVEY_LINES, cut_stretches, survey_stretch
from encoders.complexity.trials import Measured, Scene, Trial, run_trial
from encoders.complexity.windows import GopSurvey, sampled_windows, shots_of
from encoders.documents import ShotCrf
from encoders.picture import keeps_hdr
from encoders.plan import grid_of, preroll_of
from encoders.scratch import private_folder
from profiles.models import Ladder, VideoCodec, VideoRung
from profiles.per_title import PerTitle
from profiles.picture_policy import treated
from profiles.select import display_size, fitted_size, label_of
from telecine.document import digest_of
from telecine.errors import NotFound
from telecine.log import get_logger
from telecine.media import FrameRate, Probe, VideoTrack
from telecine.storage.port import ObjectStore

__all__ = ["Bench", "analyse"]

log = get_logger(__name__)

_ANALYSIS = 7
"""Counts changes of the analysis: a new number makes every report new."""
_VIEW = (1920, 1080)
_SUBSAMPLE = 8
_CRFS = {
    VideoCodec.X264: (25, 33),
    VideoCodec.X265: (24, 32),
    VideoCodec.VP9: (32, 48),
    VideoCodec.SVT_AV1: (30, 48),
}
"""Two CRFs a size, about where ladders lie."""
_UNCAPPED = 60_000_000
_PRIOR, _PRIOR_WINDOWS = Likeness(looks=0.5, bits=1.0), 6
"""Of Big Buck Bunny's GOPs, 360 lines against 1080p and 576p: bits correlate by 0.85 to 0.89, VMAF by 0.56 to 0.89."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where an analysis works: the source, a store for its report, scratch space, encoders at once."""

    source: Path
    store: ObjectStore
    work_dir: Path
    at_once: int
    toolchain: str


def analyse(probe: Probe, ladder: Ladder, policy: PerTitle, bench: Bench) -> ComplexityReport | None:
    """What becomes of the ladder; None where the policy is off or no rung is SDR. Raises EncodeFailed, ToolFailed."""
    probe = treated(probe, ladder.picture)
    track = probe.video[0]
    rungs = [rung for rung in ladder.video if not keeps_hdr(track, rung)]
    if policy.mode == "off" or not rungs or any(rung.fit == "cover" for rung in rungs):  # trials show whole pictures
        return None
    digest = digest_of("analysis", _ANALYSIS, probe.master.sha256, track, ladder, policy, bench.toolchain)
    key = f"analyses/{digest}.json"
    try:
        return ComplexityReport.model_validate_json(bench.store.get_bytes(key)[0])
    except (NotFound, ValidationError):
        pass
    report = _analysed(probe, ladder, policy, bench, rungs).model_copy(update={"digest": digest})
    bench.store.put_bytes(key, report.model_dump_json().encode(), content_type="application/json")
    log.info("title.analysed", shots=len(report.shots), trials=len(report.trials), cpu_s=round(report.cpu_s, 1))
    return report


def _analysed(
    probe: Probe, ladder: Ladder, policy: PerTitle, bench: Bench, rungs: Sequence[VideoRung]
) -> ComplexityReport:
    track, (rate, first, total) = probe.video[0], grid_of(probe.video[0])
    frame_rate, allowed = FrameRate.of(rate), ladder.damage_allowed
    scene = Scene(probe.master, bench.source, track, frame_rate, ladder.gop_frames, preroll_of(probe), allowed)
    gops, cpu_s = _surveyed(scene, first, total, bench)
    a_second = round(rate)
    frames = min(policy.sample_frames, max(3 * a_second // 4, round(policy.sample * total)))
    windows, view = sampled_windows(gops, frames), fitted_size(_turned(_VIEW, track), display_size(track))
    shots, choices, points = shots_of(gops), list[RungChoice](), list[TrialPoint]()
    for codec in dict.fromkeys(rung.codec for rung in rungs):
        own = [rung for rung in rungs if rung.codec is codec]
        tried = _candidates(own, policy, track)
        left_out = spared(own, tried)
        asked = [*(rung for rung in own if rung not in left_out), *tried]
        found, more_s = _tried(scene, bench, windows, view, asked)
        if differing(own, tried):
            found = [
                *found[: -len(tried)],
                *(point.model_copy(update={"tuned": True}) for point in found[-len(tried) :]),
            ]
        cpu_s += more_s
        points += found
        measured = iter(found)
        trials = Trials([None if rung in left_out else next(measured) for rung in own], list(measured))
        likeness = _likeness(gops, windows, trials.tried)
        pairs = zip(own, choose(own, trials), strict=True)
        choices += [_with_shots(rung, choice, shots, policy, likeness) for rung, choice in pairs]
    return ComplexityReport(
        digest="",
        mode="shot" if policy.mode == "shot" else "title",
        frame_rate=scene.rate,
        gop_frames=ladder.gop_frames,
        view_width=view[0],
        view_height=view[1],
        shots=shots,
        windows=windows,
        trials=tuple(points),
        choices=tuple(choices),
        cpu_s=cpu_s,
    )


def _turned(box: tuple[int, int], track: VideoTrack) -> tuple[int, int]:
    """The box for a picture that is higher than wide."""
    width, height = display_size(track)
    return box if width >= height else (box[1], box[0])


def _candidates(own: Sequence[VideoRung], policy: PerTitle, track: VideoTrack) -> tuple[VideoRung, ...]:
    """Sizes and CRFs worth trying for a codec's rungs: none larger than their largest, of the labels they have."""
    largest = max(own, key=lambda rung: rung.width * rung.height)
    boxes = (_turned((round(lines * 16 / 9), lines), track) for lines in policy.lines)
    sizes = {fitted_size(box, display_size(track)) for box in boxes}
    sizes = {size for size in sizes if size[0] <= largest.width and size[1] <= largest.height}
    labels = {label_of(rung.width, rung.height) for rung in own}
    made = [
        largest.model_copy(
            update={
                "width": width,
                "height": height,
                "crf": crf,
                "label": label_of(width, height),
                "max_bps": _UNCAPPED,
            }
        )
        for width, height in sorted(sizes, reverse=True)
        if label_of(width, height) in labels
        for crf in _CRFS[largest.codec]
    ]
    return tuple(tuned(rung) if policy.tune else rung for rung in made)


def _surveyed(scene: Scene, first: int, total: int, bench: Bench) -> tuple[list[GopSurvey], float]:
    box = _turned((round(SURVEY_LINES * 16 / 9), SURVEY_LINES), scene.track)
    view = fitted_size(box, display_size(scene.track))
    with ThreadPoolExecutor(bench.at_once) as pool:
        found = list(
            pool.map(
                lambda stretch: survey_stretch(scene, stretch, view, bench.work_dir),
                cut_stretches(first, total, scene.gop_frames),
            )
        )
    return [gop for gops, _ in found for gop in gops], sum(cpu_s for _, cpu_s in found)


def _tried(
    scene: Scene,
    bench: Bench,
    windows: Sequence[tuple[int, int]],
    view: tuple[int, int],
    rungs: Sequence[VideoRung],
) -> tuple[list[TrialPoint], float]:
    def one(window: tuple[int, int]) -> tuple[list[Measured], float]:
        with private_folder(bench.work_dir) as folder:
            measured, cpu_s = run_trial(scene, Trial(*window, tuple(rungs), view, _SUBSAMPLE), folder)
            return measured, cpu_s

    with ThreadPoolExecutor(bench.at_once) as pool:
        found = list(pool.map(one, windows))
    by_rung = [[measured[n] for measured, _ in found] for n in range(len(rungs))]
    points = [_point(rung, seen, scene.rate.fraction) for rung, seen in zip(rungs, by_rung, strict=True)]
    return points, sum(cpu_s for _, cpu_s in found)


def _point(rung: VideoRung, seen: Sequence[Measured], rate: Fraction) -> TrialPoint:
    """Windows stand for equal parts of the title, so each counts the same."""
    means = [sum(m.scores.values()) / len(m.scores) for m in seen]
    frames = sum(len(m.bits) for m in seen)
    return TrialPoint(
        codec=rung.codec,
        width=rung.width,
        height=rung.height,
        crf=rung.crf,
        tuned=False,
        bps=float(sum(sum(m.bits) for m in seen) * rate / frames),
        vmaf=sum(means) / len(means),
        windows=tuple(means),
        window_bits=tuple(sum(m.bits) / len(m.bits) for m in seen),
    )


def _likeness(gops: Sequence[GopSurvey], windows: Sequence[tuple[int, int]], points: Sequence[TrialPoint]) -> Likeness:
    """What the survey of a shot says of it at the sizes of the trials, told from the windows both have seen.

    Few windows tell little: what other titles showed counts as much as six of them.
    """
    by_start = {gop.start: gop for gop in gops}
    seen = [by_start[start] for start, _ in windows]
    odds = [odds_of(gop.vmaf, 100) for gop in seen]
    bits = [math.log(max(1.0, gop.bits / (gop.end - gop.start))) for gop in seen]
    looks = [_slope(odds, [odds_of(vmaf, 100) for vmaf in point.windows]) for point in points]
    costs = [_slope(bits, [math.log(each) for each in point.window_bits]) for point in points]
    share = len(windows) / (len(windows) + _PRIOR_WINDOWS)

    def weighed(prior: float, slopes: Sequence[float]) -> float:
        return prior + share * (min(1.0, max(0.0, statistics.fmean(slopes))) - prior)

    return Likeness(looks=weighed(_PRIOR.looks, looks), bits=weighed(_PRIOR.bits, costs))


def _slope(across: Sequence[float], up: Sequence[float]) -> float:
    """Of the line through pairs by least squares; 0 where all lie at one place."""
    return statistics.linear_regression(across, up).slope if len(set(across)) > 1 else 0.0


def _with_shots(
    fixed: VideoRung, choice: Choice, shots: Sequence[ShotSurvey], policy: PerTitle, likeness: Likeness
) -> RungChoice:
    spread, share = tuple[ShotCrf, ...](), 1.0
    if policy.mode == "shot" and len(shots) > 1:
        spread, share = allocate(choice.curve, choice.rung.crf, shots, likeness)
    return RungChoice(
        fixed=fixed,
        chosen=choice.rung,
        target_vmaf=choice.target_vmaf,
        fixed_bps=choice.fixed_bps,
        chosen_bps=choice.bps * share,
        shots=spread,
    )
