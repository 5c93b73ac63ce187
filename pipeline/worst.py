"""Pictures of what viewers see worst: of each measured rendition a frame beside the source's own."""

import contextlib
from fractions import Fraction
from pathlib import Path

from encoders.comparing import pictures_argv
from encoders.documents import EncodePlan, VideoJob
from encoders.scratch import private_folder
from encoders.source import master_path
from encoders.span import Look, Span
from encoders.tooling import run_tool
from packagers.evidence.documents import WorstSeconds
from packagers.evidence.worst import Stretch, worst_stretch
from pipeline.workplace import Workplace
from telecine.errors import ToolFailed
from telecine.log import get_logger
from telecine.publication import Package
from telecine.rendition import Rendition, RenditionSet

__all__ = ["picture_key", "picture_worst", "vmaf_over_time"]

log = get_logger(__name__)

_FURTHER_AHEAD_S = (Fraction(30), None)
_FOLDER = "evidence"


def vmaf_over_time(renditions: RenditionSet) -> dict[str, tuple[tuple[float, float], ...]]:
    """Seconds and VMAF of the measured frames of each rendition that was judged by VMAF."""
    rate = renditions.frame_rate.fraction
    return {
        one.name: tuple((round(float(number / rate), 3), score) for number, score in one.quality.over_time)
        for one in renditions.video
        if one.quality is not None and one.quality.model.startswith("vmaf") and one.quality.over_time
    }


def picture_key(package: Package, name: str) -> str:
    """Where a picture of the evidence is kept in the work store; pages beside it name it ``name``."""
    return f"{package.prefix.rstrip('/').rpartition('/')[0]}/{name}"


def picture_worst(
    place: Workplace, package: Package, renditions: RenditionSet, plan: EncodePlan
) -> tuple[WorstSeconds, ...]:
    """The worst five seconds of each rendition that VMAF was measured of, and their worst frame as two JPEGs.

    Pictures are of the rendition that went in: the proof has shown that the decrypted package is the same.
    """
    found: list[WorstSeconds] = []
    source = master_path(plan.master, place.work_dir, place.open_bucket)
    for rendition in renditions.video:
        quality = rendition.quality
        stretch = worst_stretch(quality.over_time, renditions.frame_rate.fraction) if quality else None
        if quality is None or stretch is None or not quality.model.startswith("vmaf"):
            continue
        names = tuple(f"{_FOLDER}/{package.version}-{rendition.name}-{side}.jpg" for side in ("source", "published"))
        with private_folder(place.work_dir) as folder:
            pictures = _pictures(place, plan, source, rendition, stretch, folder)
            if not pictures:
                continue
            for name, picture in zip(names, pictures, strict=True):
                place.work.put_file(picture_key(package, name), picture, content_type="image/jpeg")
        found.append(
            WorstSeconds(
                name=rendition.name,
                start=stretch.start / renditions.frame_rate.fraction,
                vmaf=round(stretch.mean, 2),
                source_picture=names[0],
                rendition_picture=names[1],
            )
        )
    return tuple(found)


def _pictures(
    place: Workplace, plan: EncodePlan, source: Path, rendition: Rendition, stretch: Stretch, folder: Path
) -> tuple[Path, ...]:
    """Source and rendition at the worst frame; the source is opened further ahead where a seek landed too late.

    None at all where FFmpeg gives no picture: a proof does not fail for want of an illustration.
    """
    made, targets = folder / "made.mp4", (folder / "source.jpg", folder / "published.jpg")
    place.work.get_file(rendition.key, made)
    number = plan.first_frame + stretch.worst_frame
    rung = next(rung for rung in plan.ladder.video if rung.name == rendition.name)
    span = Span(plan.probe.video[0], plan.frame_rate, number, number + 1, cover=rung.fit == "cover", hold_last=True)
    size = (rendition.width or rung.width, rendition.height or rung.height)
    first = next(job.preroll_s for job in plan.jobs if isinstance(job, VideoJob))
    for preroll_s in (first, *_FURTHER_AHEAD_S):
        look = Look(first_frame=plan.first_frame, preroll_s=preroll_s)
        with contextlib.suppress(ToolFailed):
            run_tool(pictures_argv(span, source, made, targets, size, look))
        if all(target.is_file() for target in targets):
            return targets
    log.warning("worst.no_picture", rendition=rendition.name, frame=number)
    return ()
