"""Quality of every video rendition against the master, on the frame grid it was encoded from."""

import json
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from encoders.command import Argv, hdr_quality_command, quality_command
from encoders.documents import EncodePlan
from encoders.graph import Span
from encoders.picture import keeps_hdr
from encoders.scratch import private_folder
from encoders.tooling import run_tool, version_line
from telecine.document import digest_of
from telecine.errors import EncodeFailed, NotFound
from telecine.log import get_logger
from telecine.rendition import Quality, Rendition, RenditionSet
from telecine.storage.port import ObjectStore

__all__ = ["chosen_subsample", "measure"]

log = get_logger(__name__)

_MEASURING = 2
"""Counts changes of how quality is measured."""

_EVERY_FRAME_S = 10
_ENOUGH_FRAMES = 300


def measure(
    plan: EncodePlan, renditions: RenditionSet, source: Path, store: ObjectStore, work_dir: Path, *, subsample: int
) -> RenditionSet:
    """The same set with the quality of each video rendition, scaled up to the size of the largest of its range.

    SDR by VMAF; HDR by XPSNR, which is VMAF's place where no model knows the light. Every ``subsample``-th frame is
    measured; 0 chooses by length. A rendition measured before is looked up, the rest of one range share one decode of
    the source. Raises EncodeFailed when fewer frames were compared than planned.
    """
    every = subsample or chosen_subsample(plan)
    known: dict[str, Quality] = {}
    for yardstick in (_VMAF, _XPSNR):
        group = [r for r in renditions.video if (r.dynamic_range in {"PQ", "HLG"}) == yardstick.hdr]
        known |= _measured(_Comparison(plan, yardstick, every), group, source, store, work_dir)
    measured = (
        r.model_copy(update={"quality": known[r.name]}) if r.name in known else r for r in renditions.renditions
    )
    return renditions.model_copy(update={"renditions": tuple(measured)})


def chosen_subsample(plan: EncodePlan) -> int:
    """Every frame of a short title; of a longer one so many that about 300 are measured."""
    if plan.total_frames <= _EVERY_FRAME_S * plan.frame_rate.fraction:
        return 1
    return max(1, round(plan.total_frames / _ENOUGH_FRAMES))


@dataclass(frozen=True, slots=True)
class _Yardstick:
    """A measure of quality: how its command is spelled, and how a score a frame is read from its log."""

    model: str
    hdr: bool
    command: Callable[[Span, Path, Sequence[tuple[Path, str]], tuple[int, int], int], Argv]
    scores: Callable[[str], list[float]]


@dataclass(frozen=True, slots=True)
class _Comparison:
    plan: EncodePlan
    yardstick: _Yardstick
    every: int

    def size(self) -> tuple[int, int]:
        """That of the largest rung of the same range."""
        track, hdr = self.plan.probe.video[0], self.yardstick.hdr
        return max((r.width, r.height) for r in self.plan.ladder.video if keeps_hdr(track, r) == hdr)

    def key(self, rendition: Rendition) -> str:
        plan = self.plan
        fit = {rung.fit for rung in plan.ladder.video} - {"inside"}
        compared = (
            *sorted(fit),
            plan.master.sha256,
            rendition.sha256,
            plan.first_frame,
            plan.total_frames,
            plan.frame_rate,
        )
        measure = (version_line("ffmpeg"), self.yardstick.model)
        return f"quality/{digest_of('quality', _MEASURING, *measure, compared, self.size(), self.every)}.json"


def _vmaf_scores(log_text: str) -> list[float]:
    return [frame["metrics"]["vmaf"] for frame in json.loads(log_text)["frames"] if "vmaf" in frame["metrics"]]


def _xpsnr_scores(log_text: str) -> list[float]:
    """Luma only: what eyes judge by. A frame that is the source's own has no finite score and counts as 100 dB."""
    found = re.findall(r"^n:.*?XPSNR y:\s*(\S+)", log_text, re.MULTILINE)
    return [100.0 if score == "inf" else float(score) for score in found]


_VMAF = _Yardstick("vmaf_v0.6.1", hdr=False, command=quality_command, scores=_vmaf_scores)
_XPSNR = _Yardstick("xpsnr", hdr=True, command=hdr_quality_command, scores=_xpsnr_scores)


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
    plan, pairs = comparison.plan, []
    for position, rendition in enumerate(renditions):
        path = folder / f"{position}.mp4"
        store.get_file(rendition.key, path)
        pairs.append((path, f"{position}.log"))
    cover = plan.ladder.video[0].fit == "cover"
    end, held = plan.first_frame + plan.total_frames, plan.ladder.damage_allowed
    span = Span(plan.probe.video[0], plan.frame_rate, plan.first_frame, end, cover=cover, hold_last=held)
    run_tool(comparison.yardstick.command(span, source, pairs, comparison.size(), comparison.every), cwd=folder)
    return [
        _read((folder / log_name).read_text(), rendition, comparison)
        for rendition, (_, log_name) in zip(renditions, pairs, strict=True)
    ]


def _read(log_text: str, rendition: Rendition, comparison: _Comparison) -> Quality:
    scores = sorted(comparison.yardstick.scores(log_text))
    planned = -(-comparison.plan.total_frames // comparison.every)
    if len(scores) != planned:
        message = f"Quality of '{rendition.name}' compared {len(scores)} frames and not the planned {planned}."
        raise EncodeFailed(message)
    return Quality(
        model=comparison.yardstick.model,
        mean=statistics.fmean(scores),
        # as libvmaf pools: one added, so that a frame of 0 does not divide by zero
        harmonic_mean=statistics.harmonic_mean([score + 1 for score in scores]) - 1,
        percentile_1=_percentile(scores, 1),
        percentile_5=_percentile(scores, 5),
        frames_measured=len(scores),
        subsample=comparison.every,
    )


def _percentile(ascending: Sequence[float], percent: int) -> float:
    """Nearest-rank percentile: the smallest score that at least ``percent`` of the frames do not pass."""
    return ascending[max(0, -(-percent * len(ascending) // 100) - 1)]
