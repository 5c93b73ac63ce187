"""Commands of this stage, spelled as argument lists whose first word is a tool's bare name. Pure."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from encoders.documents import AudioJob, AudioOutput, VideoJob, VideoOutput
from encoders.graph import Span, audio_argv, hdr_quality_argv, loudness_argv, quality_argv, timescale, video_argv
from telecine.media import FrameRate

__all__ = [
    "Argv",
    "audio_command",
    "hdr_quality_command",
    "join_command",
    "loudness_command",
    "packets_command",
    "quality_command",
    "video_command",
]

Argv = tuple[str, ...]


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


def join_command(listing: Path, target: Path, rate: FrameRate, *, dolby_vision: bool = False) -> Argv:
    """Join MP4 chunks listed for the concat demuxer, without touching a sample."""
    return (
        *("ffmpeg", "-v", "error", "-nostdin", "-f", "concat", "-i", f"file:{listing}"),
        *("-map", "0:v:0", "-c", "copy", "-map_metadata", "-1", "-fflags", "+bitexact"),
        *(("-strict", "unofficial") if dolby_vision else ()),  # or its configuration box would not be written
        *("-video_track_timescale", str(timescale(rate)), "-f", "mp4", f"file:{target}"),
    )


def packets_command(path: Path) -> Argv:
    """List time base, duration and every packet (times, size, place, flags) of an MP4's first track."""
    entries = "stream=time_base,duration_ts:packet=pts,dts,duration,size,pos,flags"
    return ("ffprobe", "-v", "error", "-select_streams", "0", "-show_entries", entries, "-of", "json", f"file:{path}")


def quality_command(
    span: Span, source: Path, renditions: Sequence[tuple[Path, str]], size: tuple[int, int], subsample: int
) -> Argv:
    """VMAF of each rendition against the source; logs are written into the working folder under the given names."""
    return quality_argv(span, source, renditions, size, subsample)


def hdr_quality_command(
    span: Span, source: Path, renditions: Sequence[tuple[Path, str]], size: tuple[int, int], subsample: int
) -> Argv:
    """XPSNR of each HDR rendition against the source; logs as those of ``quality_command``."""
    return hdr_quality_argv(span, source, renditions, size, subsample)
