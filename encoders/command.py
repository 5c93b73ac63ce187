"""Commands of this stage, spelled as argument lists whose first word is a tool's bare name. Pure."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from encoders.comparing import hdr_quality_argv, joins_argv, quality_argv
from encoders.documents import AudioJob, AudioOutput, VideoJob, VideoOutput
from encoders.graph import (
    Span,
    audio_argv,
    loudness_argv,
    made_loudness_argv,
    timescale,
    video_argv,
)
from encoders.span import WHOLE, Look
from profiles.models import AudioRung
from telecine.media import AudioTrack, FrameRate

__all__ = [
    "Argv",
    "audio_command",
    "coded_frames_command",
    "extract_command",
    "hdr_quality_command",
    "join_command",
    "joins_command",
    "loudness_command",
    "made_loudness_command",
    "packets_command",
    "quality_command",
    "silence_command",
    "video_command",
    "wrap_command",
]

Argv = tuple[str, ...]

_QUIET = ("-v", "error", "-nostdin", "-y")
_MOST_ENCODED = 6


def video_command(
    job: VideoJob,
    source: Path,
    targets: Sequence[tuple[VideoOutput, Path]],
    preroll_s: Fraction | None,
    hdr10_plus: str | None = None,
) -> Argv:
    """Encode the target rungs of one chunk from one decode; ``hdr10_plus`` names a file of the working folder."""
    return video_argv(job, source, targets, preroll_s, hdr10_plus)


def audio_command(
    job: AudioJob,
    source: Path,
    targets: Sequence[tuple[AudioOutput, Path]],
    gains: Mapping[str, float] = MappingProxyType({}),
) -> Argv:
    """Encode the target rungs of one whole audio track, each with its gain, if any, by the output's digest."""
    return audio_argv(job, source, targets, gains)


def loudness_command(job: AudioJob, source: Path, outputs: Sequence[tuple[AudioOutput, str]]) -> Argv:
    """Measure the loudness of each output's mix into a log of the working folder."""
    return loudness_argv(job, source, outputs)


def made_loudness_command(files: Sequence[tuple[AudioOutput, Path, str]]) -> Argv:
    """Measure the loudness of encoded files into logs as ``loudness_command`` does."""
    return made_loudness_argv(files)


def join_command(
    listing: Path, target: Path, rate: FrameRate, *, hevc_in_band: bool = False, dolby_vision: bool = False
) -> Argv:
    """Join MP4 chunks listed for the concat demuxer, without touching a sample.

    ``hevc_in_band``: they are HEVC whose samples carry the parameter sets; named hvc1, as players of Apple want.
    """
    return (
        *("ffmpeg", "-v", "error", "-nostdin", "-f", "concat", "-i", f"file:{listing}"),
        *("-map", "0:v:0", "-c", "copy", "-map_metadata", "-1", "-fflags", "+bitexact"),
        *(("-tag:v", "hvc1") if hevc_in_band else ()),
        *(("-strict", "unofficial") if dolby_vision else ()),  # or its configuration box would not be written
        *("-video_track_timescale", str(timescale(rate)), "-f", "mp4", f"file:{target}"),
    )


def packets_command(path: Path) -> Argv:
    """List time base, duration and every packet (times, size, place, flags) of an MP4's first track."""
    entries = "stream=time_base,duration_ts:packet=pts,dts,duration,size,pos,flags"
    return ("ffprobe", "-v", "error", "-select_streams", "0", "-show_entries", entries, "-of", "json", f"file:{path}")


def quality_command(
    span: Span,
    source: Path,
    renditions: Sequence[tuple[Path, str]],
    size: tuple[int, int],
    subsample: int,
    look: Look = WHOLE,
) -> Argv:
    """VMAF of each rendition against the source; logs are written into the working folder under the given names."""
    return quality_argv(span, source, renditions, size, subsample, look)


def hdr_quality_command(
    span: Span,
    source: Path,
    renditions: Sequence[tuple[Path, str]],
    size: tuple[int, int],
    subsample: int,
    look: Look = WHOLE,
) -> Argv:
    """XPSNR of each HDR rendition against the source; logs as those of ``quality_command``."""
    return hdr_quality_argv(span, source, renditions, size, subsample, look)


def coded_frames_command(path: Path, track: int) -> Argv:
    """List time base, times and sizes of every packet of one track of a master."""
    return (
        *("ffprobe", "-v", "error", "-protocol_whitelist", "file", "-select_streams", str(track)),
        *("-show_entries", "stream=time_base:packet=pts,size", "-of", "csv=p=1:nk=1", f"file:{path}"),
    )


def extract_command(source: Path, track: AudioTrack, target: Path) -> Argv:
    """Copy every packet of one track into a file without container."""
    return (
        *("ffmpeg", *_QUIET, "-protocol_whitelist", "file", "-i", f"file:{source}", "-map", f"0:{track.index}"),
        *("-c", "copy", "-f", track.codec, f"file:{target}", "-progress", "pipe:1"),
    )


def silence_command(rung: AudioRung, track: AudioTrack, target: Path) -> Argv:
    """A few frames of silence as the track is coded. FFmpeg's encoders know layouts up to 5.1."""
    layout = track.layout if track.channels <= _MOST_ENCODED else "5.1(side)"
    silence = f"anullsrc=r={rung.sample_rate_hz}:cl={layout}:d=0.2"
    spoken = () if track.dialnorm_lkfs is None else ("-dialnorm", str(track.dialnorm_lkfs))
    return (
        *("ffmpeg", *_QUIET, "-f", "lavfi", "-i", silence, "-c:a", rung.codec, "-b:a", str(rung.bitrate_bps)),
        *(*spoken, "-flags", "+bitexact", "-f", rung.codec, f"file:{target}"),
    )


def wrap_command(frames: Path, target: Path, codec: str, lead: Fraction) -> Argv:
    """Coded frames into an MP4 whose edit list cuts the first ``lead`` seconds off."""
    return (
        *("ffmpeg", *_QUIET, "-itsoffset", f"{float(-lead):.6f}", "-f", codec, "-i", f"file:{frames}", "-copyts"),
        *("-c", "copy", "-map_metadata", "-1", "-fflags", "+bitexact", "-f", "mp4", f"file:{target}"),
    )


def joins_command(
    span: Span, source: Path, renditions: Sequence[Path], targets: Sequence[Path], size: tuple[int, int], look: Look
) -> Argv:
    """Small grey pictures of the same frames of the source and of each rendition, raw, into ``targets``."""
    return joins_argv(span, source, renditions, targets, size, look)
