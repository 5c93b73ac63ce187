"""VMAF of every video rendition against the master, on the frame grid it was encoded from."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from encoders.command import quality_command
from encoders.documents import EncodePlan
from encoders.graph import Span
from encoders.scratch import private_folder
from encoders.tooling import run_tool, version_line
from telecine.document import Sha256, digest_of
from telecine.errors import EncodeFailed, NotFound
from telecine.log import get_logger
from telecine.rendition import Quality, Rendition, RenditionSet
from telecine.storage.port import ObjectStore

__all__ = ["chosen_subsample", "measure"]

log = get_logger(__name__)

_MODEL = "vmaf_v0.6.1"
_MEASURING = 1
"""Counts changes of how quality is measured."""

_EVERY_FRAME_S = 10
_ENOUGH_FRAMES = 300


def measure(
    plan: EncodePlan, renditions: RenditionSet, source: Path, store: ObjectStore, work_dir: Path, *, subsample: int
) -> RenditionSet:
    """The same set with the VMAF of each video rendition, scaled up to the size of the largest.

    Every ``subsample``-th frame is measured; 0 chooses by length. A rendition measured before is looked up, the rest
    share one decode of the source. Raises EncodeFailed when fewer frames were compared than planned.
    """
    every = subsample or chosen_subsample(plan)
    keys = {r.name: f"quality/{_digest(plan, r, every)}.json" for r in renditions.video}
    known = {r.name: _found(keys[r.name], store) for r in renditions.video}
    wanted = [r for r in renditions.video if known[r.name] is None]
    if wanted:
        with private_folder(work_dir) as folder:
            for rendition, quality in zip(wanted, _compare(plan, wanted, source, store, folder, every), strict=True):
                known[rendition.name] = quality
                document = quality.model_dump_json().encode()
                store.put_bytes(keys[rendition.name], document, content_type="application/json")
                log.info("rendition.measured", rendition=rendition.name, vmaf=round(quality.mean, 2))
    measured = (
        r.model_copy(update={"quality": known[r.name]}) if r.name in known else r for r in renditions.renditions
    )
    return renditions.model_copy(update={"renditions": tuple(measured)})


def chosen_subsample(plan: EncodePlan) -> int:
    """Every frame of a short title; of a longer one so many that about 300 are measured."""
    if plan.total_frames <= _EVERY_FRAME_S * plan.frame_rate.fraction:
        return 1
    return max(1, round(plan.total_frames / _ENOUGH_FRAMES))


def _size(plan: EncodePlan) -> tuple[int, int]:
    return max((rung.width, rung.height) for rung in plan.ladder.video)


def _digest(plan: EncodePlan, rendition: Rendition, every: int) -> Sha256:
    compared = (plan.master.sha256, rendition.sha256, plan.first_frame, plan.total_frames, plan.frame_rate)
    return digest_of("quality", _MEASURING, version_line("ffmpeg"), _MODEL, compared, _size(plan), every)


def _found(key: str, store: ObjectStore) -> Quality | None:
    try:
        return Quality.model_validate_json(store.get_bytes(key)[0])
    except (NotFound, ValidationError):
        return None


def _compare(
    plan: EncodePlan, renditions: Sequence[Rendition], source: Path, store: ObjectStore, folder: Path, every: int
) -> list[Quality]:
    pairs = []
    for position, rendition in enumerate(renditions):
        path = folder / f"{position}.mp4"
        store.get_file(rendition.key, path)
        pairs.append((path, f"{position}.json"))
    span = Span(plan.probe.video[0], plan.frame_rate, plan.first_frame, plan.first_frame + plan.total_frames)
    run_tool(quality_command(span, source, pairs, _size(plan), every), cwd=folder)
    return [
        _read(folder / log_name, rendition, plan, every)
        for rendition, (_, log_name) in zip(renditions, pairs, strict=True)
    ]


def _read(path: Path, rendition: Rendition, plan: EncodePlan, every: int) -> Quality:
    found = json.loads(path.read_text())
    scores = sorted(frame["metrics"]["vmaf"] for frame in found["frames"] if "vmaf" in frame["metrics"])
    planned = -(-plan.total_frames // every)
    if len(scores) != planned:
        message = f"VMAF of '{rendition.name}' compared {len(scores)} frames and not the planned {planned}."
        raise EncodeFailed(message)
    pooled = found["pooled_metrics"]["vmaf"]
    return Quality(
        model=_MODEL,
        mean=pooled["mean"],
        harmonic_mean=pooled["harmonic_mean"],
        percentile_1=_percentile(scores, 1),
        percentile_5=_percentile(scores, 5),
        frames_measured=len(scores),
        subsample=every,
    )


def _percentile(ascending: Sequence[float], percent: int) -> float:
    """Nearest-rank percentile: the smallest score that at least ``percent`` of the frames do not pass."""
    return ascending[max(0, -(-percent * len(ascending) // 100) - 1)]
