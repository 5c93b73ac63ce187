"""Argument lists of the analysis: one survey of a stretch, trials of a window, and how they look. Pure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from encoders.documents import VideoJob, VideoOutput
from encoders.graph import (
    as_sdr,
    compiled,
    encoder_options,
    grid_pictures,
    seek_options,
    source_input,
    split_stream,
)
from encoders.picture import output_format
from encoders.span import Span

__all__ = ["survey_argv", "trial_argv", "trial_quality_argv"]

_REFERENCE = {"c:v": "libx264", "preset": "ultrafast", "crf": "4", "threads": "1", "g": "24", "f": "mp4"}
"""Near enough to lossless that VMAF does not tell, at a fraction of the CPU of a second decode of the source."""
_ONE_FILTER_THREAD = ("-filter_complex_threads", "1")
# the survey only compares shots: pictures no other refers to are left out, and the rest is not deblocked
_HASTE: dict[str, str | None] = {"skip_frame": "noref", "skip_loop_filter": "all"}


def survey_argv(
    job: VideoJob, source: Path, targets: tuple[Path, Path], cuts: str, *, thinned: bool
) -> tuple[str, ...]:
    """One ffmpeg: the frames of ``job`` at the size of its one rung, as reference and encoded (the two targets).

    Scores of scene changes go into the file ``cuts`` of the working folder, a line a frame. ``thinned``: the grid of
    the job is so coarse that not every picture of the source is needed.
    """
    (output,), (reference, made) = job.outputs, targets
    size = (output.rung.width, output.rung.height)
    shown = _shown(job, source, size, dict(_HASTE) if thinned else {}, "fast_bilinear")
    small, other, third = split_stream(shown, 3)
    scored = third.filter("scdet", threshold=0).filter("metadata", mode="print", key="lavfi.scd.score", file=cuts)
    outputs = [
        ffmpeg.output(small, f"file:{reference}", **_REFERENCE, **_timing(job)),
        ffmpeg.output(other, f"file:{made}", f="mp4", **encoder_options(job, output), **_timing(job)),
        ffmpeg.output(scored, "-", f="null"),
    ]
    return compiled(outputs, "-y", "-copyts", *_ONE_FILTER_THREAD)


def trial_argv(job: VideoJob, source: Path, view: tuple[int, int], targets: Sequence[Path]) -> tuple[str, ...]:
    """One ffmpeg: the reference at the viewing size (the first target), every rung of ``job``; one scaling a size."""
    formats = dict.fromkeys(_format(job, output) for output in job.outputs)
    shown = _shown(job, source, view, {}, "bicubic")
    reference, *branches = split_stream(shown, 1 + len(formats))
    scaled = {
        kind: split_stream(_fitted(branch, kind), sum(_format(job, output) == kind for output in job.outputs))
        for kind, branch in zip(formats, branches, strict=True)
    }
    first, *others = targets
    outputs = [ffmpeg.output(reference, f"file:{first}", **_REFERENCE, **_timing(job))]
    outputs += [
        ffmpeg.output(
            scaled[_format(job, output)].pop(),
            f"file:{target}",
            f="mp4",
            **encoder_options(job, output),
            **_timing(job),
        )
        for output, target in zip(job.outputs, others, strict=True)
    ]
    return compiled(outputs, "-y", "-copyts", *_ONE_FILTER_THREAD)


def trial_quality_argv(
    reference: Path, trials: Sequence[tuple[Path, str]], view: tuple[int, int], subsample: int
) -> tuple[str, ...]:
    """VMAF of each trial, scaled to the viewing size, against the reference; logs go to the working folder."""
    options = {"log_fmt": "json", "n_threads": 0, "n_subsample": subsample, "model": "version=vmaf_v0.6.1"}
    branches = split_stream(_read(reference).filter("setpts", "N"), len(trials))
    outputs = []
    for (path, log), branch in zip(trials, branches, strict=True):
        made = _read(path).filter("setpts", "N").filter("scale", *view, flags="bicubic").filter("format", "yuv420p")
        outputs.append(ffmpeg.output(ffmpeg.filter([made, branch], "libvmaf", log_path=log, **options), "-", f="null"))
    return compiled(outputs, *_ONE_FILTER_THREAD)


def _shown(job: VideoJob, source: Path, size: tuple[int, int], haste: dict[str, str | None], flags: str) -> Any:
    """Pictures of the chunk in SDR at ``size``, in 8 bits."""
    # held at its end: of a thinned stretch the last pictures may be ones that are left out
    span = Span(job.track, job.frame_rate, job.chunk.start, job.chunk.end, hold_last=bool(haste) or job.damage_allowed)
    opened = source_input(source, seek_options(span, job.preroll_s) | haste, job.threads)
    return _fitted(as_sdr(grid_pictures(opened, span), job.track, size), (*size, "yuv420p"), flags)


def _format(job: VideoJob, output: VideoOutput) -> tuple[int, int, str]:
    return output.rung.width, output.rung.height, output_format(job.track, output.rung)


def _fitted(branch: Any, kind: tuple[int, int, str], flags: str = "bicubic") -> Any:
    """No bit need be the same on other machines: the scaler may be quick."""
    width, height, pixels = kind
    return (
        branch.filter("scale", width, height, flags=flags, out_range="tv").filter("setsar", 1).filter("format", pixels)
    )


def _timing(job: VideoJob) -> dict[str, str]:
    return {"fps_mode": "passthrough", "enc_time_base:v": str(1 / job.frame_rate.fraction)}


def _read(path: Path) -> Any:
    return ffmpeg.input(f"file:{path}", protocol_whitelist="file", threads=1)["v:0"]
