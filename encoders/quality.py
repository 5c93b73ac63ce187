"""Quality of every video rendition against the master, on the frame grid it was encoded from."""

import json
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Literal, assert_never

from pydantic import ValidationError

from encoders.command import Argv, hdr_quality_command, quality_command
from encoders.documents import EncodePlan, VideoJob
from encoders.picture import keeps_hdr
from encoders.sampling import Sampling, choose_sampling
from encoders.scratch import private_folder
from encoders.span import Look, Span
from encoders.tooling import run_tool, version_line
from profiles.models import VideoRung
from telecine.document import digest_of
from telecine.errors import EncodeFailed, NotFound
from telecine.log import get_logger
from telecine.media import VideoTrack
from telecine.rendition import Quality, Rendition, RenditionSet
from telecine.storage.port import ObjectStore

__all__ = ["measure"]

log = get_logger(__name__)

_MEASURING = 4
"""Counts changes of how quality is measured."""

_HD_LINES = 1080
_FURTHER_AHEAD_S = (Fraction(30), None)
"""Where a seek landed too late, frames are missing from the count: then again from further ahead, at last the start."""

Yardstick = Literal["tv", "phone", "4k", "hdr"]
_MODELS: dict[Yardstick, tuple[str, str]] = {
    "tv": ("vmaf_v0.6.1", "version=vmaf_v0.6.1"),
    "phone": ("vmaf_v0.6.1 phone", "version=vmaf_v0.6.1:enable_transform=true"),
    "4k": ("vmaf_4k_v0.6.1", "version=vmaf_4k_v0.6.1"),
    "hdr": ("xpsnr", ""),
}
"""What a quality document calls the measure, and how libvmaf is told it."""


def measure(
    plan: EncodePlan, renditions: RenditionSet, source: Path, store: ObjectStore, work_dir: Path, *, subsample: int
) -> RenditionSet:
    """The same set with the quality of each video rendition, as its viewers see it.

    SDR by VMAF: on a TV, a phone or a 4K screen as the rung says, scaled up to the largest rung of that kind; HDR by
    XPSNR, since no model knows its light. Every ``subsample``-th frame; 0 chooses by length (``choose_sampling``).
    A rendition measured before is looked up, the rest of one kind share one decode of the source.
    Raises EncodeFailed when fewer frames were compared than planned.
    """
    if not renditions.video:
        return renditions
    sampling = choose_sampling(plan.first_frame, plan.total_frames, plan.frame_rate.fraction, subsample)
    track, rungs = plan.probe.video[0], {rung.name: rung for rung in plan.ladder.video}
    known: dict[str, Quality] = {}
    kinds = sorted(renditions.video, key=lambda r: yardstick_of(rungs[r.name], track))
    for yardstick, group in groupby(kinds, key=lambda r: yardstick_of(rungs[r.name], track)):
        known |= _measured(_Comparison(plan, yardstick, sampling), list(group), source, store, work_dir)
    measured = (
        r.model_copy(update={"quality": known[r.name]}) if r.name in known else r for r in renditions.renditions
    )
    return renditions.model_copy(update={"renditions": tuple(measured)})


def yardstick_of(rung: VideoRung, track: VideoTrack) -> Yardstick:
    """Whose eyes judge a rung. VMAF's 4K model expects a screen of 4K seen from one and a half times its height."""
    if keeps_hdr(track, rung):
        return "hdr"
    match rung.viewing:
        case "auto":
            return "4k" if min(rung.width, rung.height) > _HD_LINES else "tv"
        case "tv" | "phone" | "4k":
            return rung.viewing
        case _:
            assert_never(rung.viewing)


@dataclass(frozen=True, slots=True)
class _Comparison:
    plan: EncodePlan
    yardstick: Yardstick
    sampling: Sampling

    @property
    def model(self) -> str:
        return _MODELS[self.yardstick][0]

    def size(self) -> tuple[int, int]:
        """That of the largest rung judged by the same eyes."""
        track = self.plan.probe.video[0]
        return max((r.width, r.height) for r in self.plan.ladder.video if yardstick_of(r, track) == self.yardstick)

    def key(self, rendition: Rendition) -> str:
        plan = self.plan
        fit = sorted({rung.fit for rung in plan.ladder.video} - {"inside"})
        grid = (plan.first_frame, plan.total_frames, plan.frame_rate)
        compared = (*fit, plan.master.sha256, rendition.sha256, *grid)
        measure = (version_line("ffmpeg"), self.model)
        taken = (self.sampling.windows, self.sampling.every)
        return f"quality/{digest_of('quality', _MEASURING, *measure, compared, self.size(), taken)}.json"

    def command(
        self, window: tuple[int, int], source: Path, pairs: Sequence[tuple[Path, str]], preroll_s: Fraction | None
    ) -> Argv:
        plan = self.plan
        cover, held = plan.ladder.video[0].fit == "cover", plan.ladder.damage_allowed
        span = Span(plan.probe.video[0], plan.frame_rate, *window, cover=cover, hold_last=held)
        spelled: Callable[..., Argv] = hdr_quality_command if self.yardstick == "hdr" else quality_command
        look = Look(model=_MODELS[self.yardstick][1], first_frame=plan.first_frame, preroll_s=preroll_s)
        return spelled(span, source, pairs, self.size(), self.sampling.every, look)

    def prerolls(self) -> tuple[Fraction | None, ...]:
        jobs = (job for job in self.plan.jobs if isinstance(job, VideoJob))
        return (*(job.preroll_s for job in jobs), *_FURTHER_AHEAD_S)[-3:] if len(self.sampling.windows) > 1 else (None,)


@dataclass(frozen=True, slots=True)
class _Scores:
    """One score of the yardstick and one PSNR of luma a measured frame."""

    main: list[float]
    psnr: list[float]


def _read_vmaf(log_path: Path) -> _Scores:
    frames = [f["metrics"] for f in json.loads(log_path.read_text())["frames"] if "vmaf" in f["metrics"]]
    return _Scores([metrics["vmaf"] for metrics in frames], [metrics["psnr_y"] for metrics in frames])


def _read_xpsnr(log_path: Path) -> _Scores:
    """Luma only: what eyes judge by. A frame that is the source's own has no finite score and counts as 100 dB."""
    main = re.findall(r"^n:.*?XPSNR y:\s*(\S+)", log_path.read_text(), re.MULTILINE)
    psnr = re.findall(r"\bpsnr_y:(\S+)", Path(f"{log_path}.psnr").read_text())
    return _Scores([_finite(score) for score in main], [_finite(score) for score in psnr])


def _finite(score: str) -> float:
    return 100.0 if score == "inf" else float(score)


def _measured(
    comparison: _Comparison, renditions: Sequence[Rendition], source: Path, store: ObjectStore, work_dir: Path
) -> dict[str, Quality]:
    found = {r.name: _found(comparison.key(r), store) for r in renditions}
    wanted = [r for r in renditions if found[r.name] is None]
    if wanted:
        with private_folder(work_dir) as folder:
            qualities = _compare(comparison, wanted, source, store, folder)
        for rendition, quality in zip(wanted, qualities, strict=True):
            found[rendition.name] = quality
            document = quality.model_dump_json().encode()
            store.put_bytes(comparison.key(rendition), document, content_type="application/json")
            log.info("rendition.measured", rendition=rendition.name, model=quality.model, mean=round(quality.mean, 2))
    return {name: quality for name, quality in found.items() if quality is not None}


def _found(key: str, store: ObjectStore) -> Quality | None:
    try:
        return Quality.model_validate_json(store.get_bytes(key)[0])
    except (NotFound, ValidationError):
        return None


def _compare(
    comparison: _Comparison, renditions: Sequence[Rendition], source: Path, store: ObjectStore, folder: Path
) -> list[Quality]:
    pairs = []
    for position, rendition in enumerate(renditions):
        path = folder / f"{position}.mp4"
        store.get_file(rendition.key, path)
        pairs.append((path, f"{position}.log"))
    windows = [_window(comparison, window, source, pairs, folder) for window in comparison.sampling.windows]
    return [_quality(comparison, scores) for scores in zip(*windows, strict=True)]


def _window(
    comparison: _Comparison, window: tuple[int, int], source: Path, pairs: Sequence[tuple[Path, str]], folder: Path
) -> list[_Scores]:
    """Scores of each rendition in one window, every planned frame among them."""
    read = _read_xpsnr if comparison.yardstick == "hdr" else _read_vmaf
    skipped = int(comparison.sampling.run_in)
    planned = comparison.sampling.counted(window) + skipped
    counts: list[int] = []
    for preroll_s in comparison.prerolls():
        run_tool(comparison.command(window, source, pairs, preroll_s), cwd=folder)
        found = [read(folder / log_name) for _, log_name in pairs]
        counts = [len(scores.main) for scores in found]
        if counts == [planned] * len(pairs):
            return [_Scores(scores.main[skipped:], scores.psnr[skipped:]) for scores in found]
    message = (
        f"Quality of frames {window[0]} to {window[1]} compared {min(counts)} frames and not the planned {planned}."
    )
    raise EncodeFailed(message)


def _quality(comparison: _Comparison, windows: Iterable[_Scores]) -> Quality:
    found = list(windows)
    main = [score for window in found for score in window.main]
    scores = sorted(main)
    numbers = [number for window in comparison.sampling.windows for number in comparison.sampling.numbers(window)]
    first = comparison.plan.first_frame
    return Quality(
        model=comparison.model,
        mean=statistics.fmean(scores),
        # as libvmaf pools: one added, so that a frame of 0 does not divide by zero
        harmonic_mean=statistics.harmonic_mean([score + 1 for score in scores]) - 1,
        percentile_1=_percentile(scores, 1),
        percentile_5=_percentile(scores, 5),
        frames_measured=len(scores),
        subsample=comparison.sampling.every,
        psnr=statistics.fmean([score for window in found for score in window.psnr]),
        windows=len(found),
        over_time=tuple((number - first, round(score, 2)) for number, score in zip(numbers, main, strict=True)),
    )


def _percentile(ascending: Sequence[float], percent: int) -> float:
    """Nearest-rank percentile: the smallest score that at least ``percent`` of the frames do not pass."""
    return ascending[max(0, -(-percent * len(ascending) // 100) - 1)]
