"""Argument lists of the analysis: one survey of a stretch, trials of a window, and how they look. Pure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ffmpeg

from encoders.documents import VideoJob, VideoOutput
from encoders.graph import (
    as_sdr,
    encoder_options,
    grid_pictures,
    seek_options,
    source_input,
    split_stream,
)
from encoders.picture import output_format
from encoders.span import Span

__all__ = ["survey_argv", "trial_argv"]

_ONE_FILTER_THREAD = ("-filter_complex_threads", "1")
# the survey only compares shots: pictures no other refers to are left out, and the rest is not deblocked
_HASTE: dict[str, str | None] = {"skip_frame": "noref", "skip_loop_filter": "all"}
_NOWHERE = ("-f", "null", "-")


def survey_argv(
    job: VideoJob, source: Path, target: Path, *, cuts: str, log: str, subsample: int, thinned: bool
) -> tuple[str, ...]:
    """One ffmpeg: the frames of ``job`` at the size of its one rung, encoded into ``target`` and measured there.

    Scores of scene changes go into the file ``cuts`` of the working folder, a line a frame; VMAF of every
    ``subsample``-th frame into ``log``. ``thinned``: the grid of the job is so coarse that not every picture of the
    source is needed.
    """
    (output,) = job.outputs
    size = (output.rung.width, output.rung.height)
    shown = _shown(job, source, size, dict(_HASTE) if thinned else {}, "fast_bilinear")
    other, third, reference = split_stream(shown, 3)
    scored = third.filter("scdet", threshold=0).filter("metadata", mode="print", key="lavfi.scd.score", file=cuts)
    outputs = [
        ffmpeg.output(other, f"file:{target}", f="mp4", **encoder_options(job, output), **_timing(job)),
        ffmpeg.output(scored, "-", f="null"),
    ]
    return _measured(outputs, reference, [log], size, _Sample(job.chunk.frames, subsample))


def trial_argv(
    job: VideoJob, source: Path, view: tuple[int, int], targets: Sequence[tuple[Path, str]], subsample: int
) -> tuple[str, ...]:
    """One ffmpeg: every rung of ``job`` into its target, decoded again and measured at the viewing size.

    ``targets``: path, and name of the VMAF log in the working folder. One scaling a size.
    """
    formats = dict.fromkeys(_format(job, output) for output in job.outputs)
    shown = _shown(job, source, view, {}, "bicubic")
    *branches, reference = split_stream(shown, 1 + len(formats))
    scaled = {
        kind: split_stream(_fitted(branch, kind), sum(_format(job, output) == kind for output in job.outputs))
        for kind, branch in zip(formats, branches, strict=True)
    }
    outputs = [
        ffmpeg.output(
            scaled[_format(job, output)].pop(),
            f"file:{target}",
            f="mp4",
            **encoder_options(job, output),
            **_timing(job),
        )
        for output, (target, _) in zip(job.outputs, targets, strict=True)
    ]
    sample = _Sample(job.chunk.frames, subsample)
    return _measured(outputs, reference, [log for _, log in targets], view, sample)


class _Sample(NamedTuple):
    """Every ``step``-th of ``frames`` pictures is measured."""

    frames: int
    step: int

    @property
    def needed(self) -> int:
        """Pictures up to the last one measured and its successor, against which its motion is reckoned."""
        return (self.frames - 1) // self.step * self.step + 2


def _measured(
    outputs: Sequence[Any], reference: Any, logs: Sequence[str], view: tuple[int, int], sample: _Sample
) -> tuple[str, ...]:
    """``outputs``, and VMAF of the first of them into ``logs``, each decoded as its encoder makes it.

    FFmpeg's loopback decoders feed a second graph that the first gives its reference: no picture is written, encoded or
    decoded for the comparison alone. ffmpeg-python knows neither, so the reference goes through it as one more output.
    """
    *encodes, option, label, kind, null, nothing = ffmpeg.merge_outputs(
        *outputs, ffmpeg.output(reference, "-", f="null")
    ).compile(cmd="ffmpeg")
    if (option, kind, null, nothing) != ("-map", *_NOWHERE):
        message = f"the reference was expected last, but {option} {label} {kind} {null} {nothing} was found"
        raise ValueError(message)
    options = f"log_fmt=json:n_threads=0:n_subsample={sample.step}:model=version=vmaf_v0.6.1"
    count, looked_at = len(logs), f"setpts=N,select=lt(n\\,{sample.needed})"
    graph = [f"{label}{looked_at},split={count}" + "".join(f"[r{n}]" for n in range(count))]
    for n, log in enumerate(logs):
        graph.append(f"[dec:{n}]{looked_at},scale={view[0]}:{view[1]}:flags=bicubic,format=yuv420p[m{n}]")
        graph.append(f"[m{n}][r{n}]libvmaf={options}:log_path={log}[q{n}]")
    decoders = [word for n in range(count) for word in ("-threads", "1", "-dec", f"{n}:0")]
    sinks = [word for n in range(count) for word in ("-map", f"[q{n}]", *_NOWHERE)]
    measuring = ("-filter_complex", ";".join(graph), *sinks)
    return (*encodes, *decoders, *measuring, "-v", "error", "-nostdin", "-y", "-copyts", *_ONE_FILTER_THREAD)


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
