"""Filter graphs that hold renditions against the master: quality, and the pictures around joins. Pure."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from encoders.graph import (
    SCALE_FLAGS,
    as_sdr,
    compiled,
    grid_pictures,
    scaled_pictures,
    seek_options,
    seek_to,
    shown_part,
    source_input,
    split_stream,
)
from encoders.span import WHOLE, Look, Span

__all__ = ["hdr_quality_argv", "joins_argv", "pictures_argv", "quality_argv"]

# renditions are MP4: a seek finds the key frame by itself, and half a second covers what is reordered
_KEY_FRAME_IN_REACH_S = Fraction(1, 2)


def quality_argv(
    span: Span,
    source: Path,
    renditions: Sequence[tuple[Path, str]],
    size: tuple[int, int],
    subsample: int,
    look: Look = WHOLE,
) -> tuple[str, ...]:
    """One ffmpeg: each SDR rendition, scaled to ``size``, against one decode of the source; logs go to the cwd."""
    pictures = grid_pictures(source_input(source, seek_options(span, look.preroll_s), 0), span)
    reference = as_sdr(shown_part(pictures, span, size), span.track, size)
    reference = _comparable(scaled_pictures(reference, span.track, size)).filter("setpts", "N")
    options = {"model": look.model, "log_fmt": "json", "n_threads": 2, "n_subsample": subsample, "feature": "name=psnr"}
    outputs = [
        ffmpeg.output(
            ffmpeg.filter(
                [_made(path, span, size, "yuv420p", look), branch], "libvmaf", log_path=log, shortest=1, **options
            ),
            "-",
            f="null",
        )
        for (path, log), branch in zip(renditions, split_stream(reference, len(renditions)), strict=True)
    ]
    return compiled(outputs, "-copyts")


def hdr_quality_argv(
    span: Span,
    source: Path,
    renditions: Sequence[tuple[Path, str]],
    size: tuple[int, int],
    subsample: int,
    look: Look = WHOLE,
) -> tuple[str, ...]:
    """As ``quality_argv``, for renditions that keep the source's HDR: XPSNR in 10 bits (no VMAF model knows HDR).

    PSNR goes to the log's name with ``.psnr`` appended.
    """
    chosen = f"not(mod(n,{subsample}))"
    pictures = grid_pictures(source_input(source, seek_options(span, look.preroll_s), 0), span)
    pictures = shown_part(pictures, span, size)
    reference = _comparable(scaled_pictures(pictures, span.track, size, "yuv420p10le", hdr=True))
    reference = reference.filter("setpts", "N").filter("select", chosen)
    branches = split_stream(reference, 2 * len(renditions))
    outputs = []
    for position, (path, log) in enumerate(renditions):
        made = split_stream(_made(path, span, size, "yuv420p10le", look).filter("select", chosen), 2)
        for measure, name in (("xpsnr", log), ("psnr", f"{log}.psnr")):
            pair = [made.pop(), branches[2 * position + (measure == "psnr")]]
            outputs.append(ffmpeg.output(ffmpeg.filter(pair, measure, stats_file=name), "-", f="null"))
    return compiled(outputs, "-copyts")


def joins_argv(
    span: Span, source: Path, renditions: Sequence[Path], targets: Sequence[Path], size: tuple[int, int], look: Look
) -> tuple[str, ...]:
    """One ffmpeg: the frames of a span as raw grey pictures of ``size``, first of the source, then of renditions."""
    whole = grid_pictures(source_input(source, seek_options(span, look.preroll_s), 0), span)
    pictures = [shown_part(whole, span, look.shape or size).filter("setpts", "N")]
    pictures += [_cut_out(path, span, look) for path in renditions]
    outputs = [
        ffmpeg.output(
            shown.filter("scale", *size, flags="area").filter("format", "gray"),
            f"file:{target}",
            f="rawvideo",
            fps_mode="passthrough",
        )
        for shown, target in zip(pictures, targets, strict=True)
    ]
    return compiled(outputs, "-copyts", "-y")


def pictures_argv(
    span: Span, source: Path, rendition: Path, targets: tuple[Path, Path], size: tuple[int, int], look: Look
) -> tuple[str, ...]:
    """One ffmpeg: the first frame of a span as two JPEGs of ``size``: of the source as SDR, and of a rendition."""
    pictures = grid_pictures(source_input(source, seek_options(span, look.preroll_s), 0), span)
    shown = as_sdr(shown_part(pictures, span, size), span.track, size)
    shown = scaled_pictures(shown, span.track, size).filter("setpts", "N")
    made = _cut_out(rendition, span, look).filter("scale", *size, flags=SCALE_FLAGS).filter("setsar", 1)
    outputs = [
        ffmpeg.output(
            # JPEG is full range; what is not labelled would be taken for it
            picture.filter("setparams", range="tv")
            .filter("scale", in_range="tv", out_range="pc")
            .filter("format", "yuvj420p"),
            f"file:{target}",
            f="image2",
            update=1,
            **{"frames:v": 1, "c:v": "mjpeg", "q:v": 3},
        )
        for picture, target in zip((shown, made), targets, strict=True)
    ]
    return compiled(outputs, "-copyts", "-y")


def _made(path: Path, span: Span, size: tuple[int, int], pixels: str, look: Look) -> Any:
    made = _cut_out(path, span, look).filter("scale", *size, flags=SCALE_FLAGS).filter("setsar", 1)
    return _comparable(made.filter("format", pixels))


def _cut_out(path: Path, span: Span, look: Look) -> Any:
    """A rendition's pictures of the span, numbered from 0."""
    first = span.start if look.first_frame is None else look.first_frame
    start, end = span.start - first, span.end - first
    made = source_input(path, seek_to(span.rate.time_of(start) - _KEY_FRAME_IN_REACH_S, Fraction(0)), 0)["v:0"]
    made = made.filter("settb", str(1 / span.rate.fraction)).filter("trim", start_pts=start, end_pts=end)
    return made.filter("setpts", "N")


def _comparable(pictures: Any) -> Any:
    """Both sides under one name of colour: where a source names none, a filter of two inputs would convert one."""
    return pictures.filter("setparams", range="tv", color_primaries="bt709", color_trc="bt709", colorspace="bt709")
