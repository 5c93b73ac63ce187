"""Filter graphs and whole FFmpeg argument lists, spelled with ffmpeg-python (``compile()`` only). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, assert_never

import ffmpeg

from encoders import gpu
from encoders.codecs import aac, eac3, nvenc, svtav1, vp9, x264, x265
from encoders.codecs.zones import mean_crf, tuning_parameters
from encoders.documents import AudioJob, AudioOutput, VideoJob, VideoOutput
from encoders.dynamic import DOLBY_VISION_KEPT, HDR10_PLUS, kept_dynamic
from encoders.light import hevc_light
from encoders.mixing import mixes_down, pan_expression, resample_options
from encoders.naming import path_of
from encoders.peaks import told
from encoders.picture import is_rgb, keeps_hdr, largest_sdr, needs_tone_map, output_colour, output_format
from encoders.scan import Filter, deinterlacing, film
from encoders.span import Span
from profiles.models import AudioCodec, VideoCodec, VideoRung
from profiles.select import centre_of_shape, dynamic_range
from telecine.media import FrameRate, VideoTrack

__all__ = [
    "SCALE_FLAGS",
    "Span",
    "as_sdr",
    "audio_argv",
    "centre",
    "compiled",
    "encoder_options",
    "grid_pictures",
    "loudness_argv",
    "made_loudness_argv",
    "scaled_pictures",
    "seek_options",
    "seek_to",
    "shown_part",
    "source_input",
    "split_stream",
    "timescale",
    "video_argv",
]

_QUIET = ("-v", "error", "-nostdin")
# chunks run side by side: scalers that cut each picture into slices for other cores only wait for one another
_ONE_FILTER_THREAD = ("-filter_complex_threads", "1")
_PROGRESS = ("-progress", "pipe:1", "-stats_period", "1")
# bitexact: the same pixels from the scaler on every CPU, so that equal digests mean equal bytes on all workers
SCALE_FLAGS = "bicubic+accurate_rnd+bitexact"
_MP4 = {
    "f": "mp4",
    "map_metadata": "-1",
    "map_chapters": "-1",
    "fflags": "+bitexact",
}
_SMALLEST_TIMESCALE = 10_000
METERED = {"integrated": "lavfi.r128.I", "range": "lavfi.r128.LRA", "peak": "lavfi.r128.true_peak"}
"""Figures of the loudness meter by the keys under which FFmpeg logs them."""
_REORDERED = 4
"""Frames of reordering that no encoder here exceeds: B pyramids of x264, x265 and NVENC need two."""


def timescale(rate: FrameRate) -> int:
    """MP4 ticks a second in which one frame is a whole number of ticks."""
    return rate.numerator if rate.numerator >= _SMALLEST_TIMESCALE else rate.numerator * 1000


def video_argv(
    job: VideoJob,
    source: Path,
    targets: Sequence[tuple[VideoOutput, Path]],
    preroll_s: Fraction | None,
    hdr10_plus: str | None = None,
) -> tuple[str, ...]:
    """One ffmpeg: one decode of the chunk (from ``preroll_s`` ahead, None: from the start), all ``targets`` from it.

    ``hdr10_plus`` names the file of the chunk's HDR10+ metadata in the working folder.
    """
    span = Span(job.track, job.frame_rate, job.chunk.start, job.chunk.end, hold_last=job.damage_allowed)
    on_gpu = job.decode == "gpu"
    opened = seek_options(span, preroll_s) | (gpu.DECODE_OPTIONS if on_gpu else {})
    pictures = grid_pictures(source_input(source, opened, job.threads), span, on_gpu=on_gpu)
    branches = _branches(pictures, job, [output.rung for output, _ in targets])
    outputs = [
        _video_target(job, branch, output, target, hdr10_plus)
        for branch, (output, target) in zip(branches, targets, strict=True)
    ]
    # copyts: the grid is absolute, so the demuxer must not shift the clock to zero
    return compiled(outputs, "-copyts", *_ONE_FILTER_THREAD, *_PROGRESS)


def _branches(pictures: Any, job: VideoJob, rungs: Sequence[VideoRung]) -> list[Any]:
    """One branch a rung: HDR rungs take the pictures as they are, all others share one tone-mapping."""
    hdr = [keeps_hdr(job.track, rung) for rung in rungs]
    size = job.tone_map_size or largest_sdr([output.rung for output in job.outputs], job.track)
    taken = split_stream(pictures, hdr.count(True) + (not all(hdr)))
    cut = needs_tone_map(job.track) and job.outputs[0].rung.fit == "cover"
    whole = centre(taken[-1], job.track, size) if size and cut else taken[-1]
    mapped = split_stream(as_sdr(whole, job.track, size), hdr.count(False)) if size and not all(hdr) else []
    as_it_is, toned = iter(taken), iter(mapped)
    return [next(as_it_is if kept else toned) for kept in hdr]


def split_stream(stream: Any, count: int, by: str = "split") -> list[Any]:
    if count == 1:
        return [stream]
    branches = stream.filter_multi_output(by, count)
    return [branches[position] for position in range(count)]


def _video_target(job: VideoJob, branch: Any, output: VideoOutput, target: Path, hdr10_plus: str | None) -> Any:
    options = encoder_options(job, output, hdr10_plus) | {
        # the grid has decided already: nothing may duplicate or drop a frame behind the filters
        "fps_mode": "passthrough",
        "enc_time_base:v": str(1 / job.frame_rate.fraction),
        "video_track_timescale": str(timescale(job.frame_rate)),
    }
    if output.in_band and output.rung.codec is not VideoCodec.SVT_AV1:  # AV1 has neither to mend
        options["bsf:v"] = _joinable(job, output)
        if output.rung.codec is VideoCodec.X265:
            options["tag:v"] = "hev1"  # as hvc1 FFmpeg takes parameter sets out of the samples; the join names it hvc1
    return ffmpeg.output(_rung(branch, job, output), f"file:{target}", **_MP4, **options)


def _joinable(job: VideoJob, output: VideoOutput) -> str:
    """Bitstream filters that let a chunk be joined to those of another encoder.

    Each key frame carries its parameter sets (x265 is told to), and decoding runs ahead of presentation by the same
    frames whatever the encoder reorders: where they differ, the times of two chunks would overlap at the join.
    """
    again = () if output.rung.codec is VideoCodec.X265 and output.encoder == "cpu" else ("dump_extra=freq=keyframe",)
    ahead = f"{_REORDERED}*{job.frame_rate.denominator}/{job.frame_rate.numerator}/TB"
    return ",".join((*again, f"setts=pts=PTS:dts=DTS-STARTDTS-{ahead}"))


def encoder_options(job: VideoJob, output: VideoOutput, hdr10_plus: str | None = None) -> dict[str, str]:
    rate = job.frame_rate.fraction
    rung = told(output.rung, job.segment_frames / rate) if job.segment_frames else output.rung
    if output.encoder == "gpu":
        return nvenc.video_options(rung, rate, job.gop_frames)
    pq = keeps_hdr(job.track, rung) and dynamic_range(job.track) == "PQ"
    match rung.codec:
        case VideoCodec.X264:
            tuning = tuning_parameters(rung, job.chunk, output.shots, x264.plain(rung.preset))
            return x264.video_options(rung, rate, job.gop_frames, job.threads, tuning=tuning)
        case VideoCodec.X265:
            kept, light = kept_dynamic(job.track, rung), hevc_light(job.track)
            if hdr10_plus and HDR10_PLUS in kept:
                light["dhdr10-info"] = hdr10_plus
            spelled = {"light": light, "tuning": tuning_parameters(rung, job.chunk, output.shots, x265.PLAIN)}
            options = x265.video_options(rung, job.gop_frames, job.threads, pq=pq, **spelled)
            # Dolby Vision's box in MP4 is none of ISO's, which FFmpeg calls unofficial
            dolby_vision = {"dolbyvision": "1", "strict": "unofficial"}
            return options | (dolby_vision if not DOLBY_VISION_KEPT.keys().isdisjoint(kept) else {})
        case VideoCodec.VP9:
            pixels = output_format(job.track, rung)
            even = rung.model_copy(update={"crf": mean_crf(rung, job.chunk, output.shots)})
            return vp9.video_options(even, job.gop_frames, job.threads, pixels)
        case VideoCodec.SVT_AV1:
            even = rung.model_copy(update={"crf": mean_crf(rung, job.chunk, output.shots)})
            return svtav1.video_options(even, job.gop_frames, job.threads)
        case _:
            assert_never(rung.codec)


def audio_argv(
    job: AudioJob, source: Path, targets: Sequence[tuple[AudioOutput, Path]], gains: Mapping[str, float]
) -> tuple[str, ...]:
    """One ffmpeg: the whole track on the programme's clock, padded or cut to exactly its duration.

    ``gains`` by the digest of an output; its true peaks are then held as well.
    """
    outputs = []
    for branch, (output, target) in zip(_sounds(job, source, len(targets)), targets, strict=True):
        match output.rung.codec:
            case AudioCodec.AAC:
                options = aac.audio_options(output.rung)
            case AudioCodec.AC3 | AudioCodec.EAC3:
                options = eac3.audio_options(output.rung)
            case _:
                assert_never(output.rung.codec)
        sound = _programme_sound(branch, job, output, gains.get(output.digest))
        outputs.append(ffmpeg.output(sound, f"file:{target}", **_MP4, **options))
    return compiled(outputs, "-copyts", *_PROGRESS)


def loudness_argv(job: AudioJob, source: Path, outputs: Sequence[tuple[AudioOutput, str]]) -> tuple[str, ...]:
    """One ffmpeg that measures each output's mix; logs go to the working folder by name, the last lines count."""
    measured = [
        _metered(_mixed(branch, job, output), log_name)
        for branch, (output, log_name) in zip(_sounds(job, source, len(outputs)), outputs, strict=True)
    ]
    return compiled(measured, "-copyts", *_PROGRESS)


def made_loudness_argv(files: Sequence[tuple[AudioOutput, Path, str]]) -> tuple[str, ...]:
    """As ``loudness_argv``, of encoded files."""
    measured = [_metered(_sound_input(path, output.rung.codec)["a:0"], log_name) for output, path, log_name in files]
    return compiled(measured, *_PROGRESS)


def _metered(sound: Any, log_name: str) -> Any:
    """The EBU R 128 meter; each figure into a log of its own, ``log_name`` with the figure's name."""
    sound = sound.filter("ebur128", metadata=1, peak="true")
    for figure, key in METERED.items():
        sound = sound.filter("ametadata", mode="print", key=key, file=f"{log_name}.{figure}")
    return ffmpeg.output(sound, "-", f="null")


def _sounds(job: AudioJob, source: Path, count: int) -> list[Any]:
    sound = _put_together(job, source) if job.track.parts else None
    return split_stream(sound or _sound_input(source, job.track.codec)[str(job.track.index)], count, "asplit")


def _put_together(job: AudioJob, source: Path) -> Any:
    """Channels of several tracks and files as one sound on the programme's clock: time 0 of a file is its start."""
    hertz, parts = job.track.sample_rate_hz, job.track.parts
    taken: dict[tuple[Path, int, Fraction], list[int]] = {}
    for position, part in enumerate(parts):
        path = path_of(part.source.uri) if part.source else source
        first = (Fraction(0) if part.source else job.start) - part.offset
        taken.setdefault((path, part.index, first), []).append(position)
    channels: dict[int, Any] = {}
    for (path, index, first), positions in taken.items():
        sound = _sound_input(path, "")[str(index)]
        sound = sound.filter("aresample", hertz, **{"async": 1, "first_pts": round(first * hertz)}).filter(
            "asetpts", "N"
        )
        for position, branch in zip(positions, split_stream(sound, len(positions), "asplit"), strict=True):
            channels[position] = branch.filter("pan", args=f"mono|c0=c{parts[position].source_channel}")
    places = "|".join(f"{position}.0-{part.channel}" for position, part in enumerate(parts))
    streams = [channels[position] for position in range(len(parts))]
    return ffmpeg.filter(streams, "join", inputs=len(parts), channel_layout=job.track.layout, map=places)


def _sound_input(source: Path, codec: str) -> Any:
    # a master is mixed and measured as it was made: not with the compression that its decoder would apply at home
    uncompressed = {"drc_scale": 0} if codec in {"ac3", "eac3"} else {}
    return ffmpeg.input(f"file:{source}", protocol_whitelist="file", **uncompressed)


def _mixed(branch: Any, job: AudioJob, output: AudioOutput) -> Any:
    hertz = output.rung.sample_rate_hz
    # async=1 fills gaps and trims overlaps by timestamp; first_pts adds silence before a late track, cuts an early one
    options = resample_options(output.rung, job.track)
    start = Fraction(0) if job.track.parts else job.start
    branch = branch.filter("aresample", **options, **{"async": 1, "first_pts": round(start * hertz)})
    branch = branch.filter("asetpts", "N")
    sums = pan_expression(output.rung, job.track)
    return branch if sums is None else branch.filter("pan", args=sums)


def _programme_sound(branch: Any, job: AudioJob, output: AudioOutput, gain_db: float | None) -> Any:
    hertz = output.rung.sample_rate_hz
    samples = round(job.duration * hertz)
    branch = _mixed(branch, job, output)
    if gain_db is not None:
        limit = 10 ** (output.rung.true_peak_dbtp / 20)
        # peaks between samples show at four times the rate (ITU-R BS.1770-4, annex 2), so they are held there
        branch = branch.filter("volume", f"{gain_db}dB").filter("aresample", 4 * hertz)
        branch = branch.filter("alimiter", limit=f"{limit:.4f}", level="disabled", latency=1)
        branch = branch.filter("aresample", hertz)
    elif mixes_down(output.rung, job.track):
        # summed channels can pass full scale: held at -1 dB (EBU R 128), which leaves room for what coding adds;
        # latency=1 takes the limiter's look-ahead back out
        branch = branch.filter("alimiter", limit="0.891", level="disabled", latency=1)
    return branch.filter("apad", whole_len=samples).filter("atrim", end_sample=samples)


def compiled(outputs: Sequence[Any], *options: str) -> tuple[str, ...]:
    command = ffmpeg.merge_outputs(*outputs).global_args(*_QUIET, *options)
    return tuple(command.compile(cmd="ffmpeg"))


def source_input(path: Path, seek: dict[str, str | None], threads: int) -> Any:
    # only the file itself: a playlist must not make ffmpeg open other files or addresses
    return ffmpeg.input(f"file:{path}", protocol_whitelist="file", threads=threads, **seek)


def seek_options(span: Span, preroll_s: Fraction | None) -> dict[str, str | None]:
    return {} if preroll_s is None else seek_to(span.rate.time_of(span.start) - preroll_s, span.track.start)


def seek_to(seconds: Fraction, start: Fraction) -> dict[str, str | None]:
    if seconds <= start:
        return {}
    # noaccurate_seek keeps the pre-roll: trimming by the grid is exact, trimming by -ss is not
    return {"seek_timestamp": "1", "noaccurate_seek": None, "ss": f"{float(seconds):.6f}"}


def grid_pictures(source: Any, span: Span, *, on_gpu: bool = False) -> Any:
    """The frames of a span, numbered from 0: onto the constant grid, then cut by frame number; bars are cut off."""
    track, pictures = span.track, source[str(span.track.index)]
    rate = track.frame_rate.fraction if track.telecined else span.rate.fraction
    phase = track.start - round(track.start * rate) / rate
    if phase:
        # the grid is laid through the first picture: off it, rounding would double one picture and drop the next
        pictures = pictures.filter("setpts", f"PTS-({phase})/TB")
    if track.telecined:
        return _cropped(_filtered(pictures, film(track, span.start, span.end)), track)
    if on_gpu and track.interlaced:
        pictures = gpu.deinterlaced(pictures, track)
    elif not on_gpu:
        pictures = _filtered(pictures, deinterlacing(track))
    pictures = pictures.filter("fps", str(rate)).filter("settb", str(1 / rate))
    if span.hold_last:
        pictures = pictures.filter("tpad", stop=-1, stop_mode="clone")
    pictures = pictures.filter("trim", start_pts=span.start, end_pts=span.end).filter("setpts", f"PTS-({span.start})")
    return _cropped(pictures, track)


def _filtered(pictures: Any, filters: Iterable[Filter]) -> Any:
    for step in filters:
        pictures = pictures.filter(step.name, **dict(step.options))
    return pictures


def _cropped(pictures: Any, track: VideoTrack) -> Any:
    kept = track.crop
    return pictures.filter("crop", kept.width, kept.height, kept.x, kept.y) if kept else pictures


def shown_part(pictures: Any, span: Span, size: tuple[int, int]) -> Any:
    return centre(pictures, span.track, size) if span.cover else pictures


def centre(pictures: Any, track: VideoTrack, size: tuple[int, int]) -> Any:
    """Cut to the shape of ``size`` around the middle (FFmpeg has turned the picture upright by here)."""
    return pictures.filter("crop", *centre_of_shape(track, size))


def as_sdr(pictures: Any, track: VideoTrack, size: tuple[int, int]) -> Any:
    """HDR tone-mapped to BT.709, once for all rungs and already at the largest one's size; SDR as it is."""
    if not needs_tone_map(track):
        return pictures
    colour = track.colour
    return (
        pictures.filter(
            "zscale",
            w=size[0],
            h=size[1],
            f="bicubic",
            tin=colour.transfer,
            pin=colour.primaries or "bt2020",
            min="gbr" if is_rgb(track) else colour.matrix or "bt2020nc",
            rin=colour.range or ("pc" if is_rgb(track) else "tv"),
            t="linear",
            npl=100,
        )
        .filter("format", "gbrpf32le")
        .filter("zscale", p="bt709")
        .filter("tonemap", tonemap="hable", desat=0)
        .filter("zscale", t="bt709", m="bt709", r="tv")
        .filter("format", "yuv420p10le")  # rungs of 8 bits come of it too: the last step of each dithers
    )


def _rung(branch: Any, job: VideoJob, output: VideoOutput) -> Any:
    track, on_gpu = job.track, output.encoder == "gpu"
    primaries, transfer, matrix = output_colour(track, output.rung)
    size = (output.rung.width, output.rung.height)
    pixels = nvenc.pixel_format(output.rung) if on_gpu else output_format(track, output.rung)
    kept = keeps_hdr(track, output.rung)
    if output.rung.fit == "cover" and (not needs_tone_map(track) or kept):
        branch = centre(branch, track, size)  # what was tone-mapped has been cut before
    whole_on_gpu = job.decode == "gpu"
    scaled = gpu.scaled(branch, output.rung) if whole_on_gpu else scaled_pictures(branch, track, size, pixels, hdr=kept)
    for kind in () if on_gpu and kept else _foreign_side_data(track, output.rung):
        scaled = scaled.filter("sidedata", mode="delete", type=kind)
    return scaled.filter("setparams", range="tv", color_primaries=primaries, color_trc=transfer, colorspace=matrix)


def _foreign_side_data(track: VideoTrack, rung: VideoRung) -> list[str]:
    """What FFmpeg would carry over by itself and must not."""
    # of the first branch alone, and wrong for SDR: encoders are told by their own options
    foreign = ["MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"] if needs_tone_map(track) else []
    if track.dynamic and DOLBY_VISION_KEPT.keys().isdisjoint(kept_dynamic(track, rung)):
        foreign += ["DOVI_RPU_BUFFER", "DOVI_METADATA"]
    return foreign


def scaled_pictures(
    branch: Any, track: VideoTrack, size: tuple[int, int], pixels: str = "yuv420p", *, hdr: bool = False
) -> Any:
    options = {"flags": SCALE_FLAGS, "out_range": "tv"}
    if is_rgb(track):
        # the scaler would take BT.601; HDR is still RGB here only where it is kept
        options["out_color_matrix"] = "bt2020" if hdr else "bt709"
    # square samples: the rung's size already has the picture's shape
    return branch.filter("scale", *size, **options).filter("setsar", 1).filter("format", pixels)
