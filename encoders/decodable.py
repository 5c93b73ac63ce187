"""Whether the start and the end of a master really decode, picture by picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from encoders.complaints import complaints
from encoders.streams import Stream
from telecine.process import Command, run
from telecine.tools import tool_path

__all__ = ["DecodeCheck", "check_decoding", "check_sound"]

WINDOW_S = 2
_PREROLLS_S = (1, 5, 30)
"""A seek may land behind the key frame that is needed (MPEG-TS has no index): then again from further ahead."""


@dataclass(frozen=True, slots=True)
class DecodeCheck:
    """What was decoded. ``first_time`` is the first picture that exists once decoded, None when there is none."""

    first_time: Fraction | None
    first_frames: int
    last_frames: int
    errors: tuple[str, ...]


def check_decoding(path: Path, stream: Stream, times: Sequence[int], sound: Stream | None) -> DecodeCheck:
    """Decode about two seconds at each end of a picture track whose packets are at ``times`` (sorted ticks).

    Every complaint is kept, and one line is added for each end where packets did not become pictures. A few packets
    before the first picture are the leading pictures of an open GOP: no loss.
    """
    seconds = [time * stream.time_base for time in times]
    head_end = seconds[0] + WINDOW_S
    pictures, said = _decode(path, stream, ("-t", str(WINDOW_S + 1)), sound)
    errors = list(said)
    first = min(pictures, default=None)
    wanted = sum(1 for time in seconds if first is not None and first <= time < head_end)
    found = sum(1 for time in pictures if time < head_end)
    if found < wanted or first is None:
        errors.append(f"the first {WINDOW_S} s hold {max(wanted, 1)} pictures, of which {found} could be decoded")
    last_found, said = _decode_end(path, stream, seconds, first)
    return DecodeCheck(first, found, last_found, tuple(dict.fromkeys([*errors, *said])))


def check_sound(path: Path, sound: Stream, extent: tuple[Fraction, Fraction]) -> DecodeCheck:
    """Decode about two seconds at each end of a sound track, for a master that has no picture."""
    errors: list[str] = []
    for place, at in (("start", extent[0]), ("end", max(extent[0], extent[1] - WINDOW_S))):
        argv = (
            *(tool_path("ffmpeg"), "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe"),
            *("-ss", f"{float(at - extent[0]):.3f}", "-t", str(WINDOW_S), "-i", f"file:{path}"),
            *("-map", f"0:{sound.index}", "-f", "framecrc", "-"),
        )
        finished = run(Command(argv, timeout_s=600), check=False)
        errors += complaints(finished.stderr)
        if not any(line.startswith(b"0,") for line in finished.stdout.splitlines()):
            name = sound.text("codec_name")
            errors.append(f"no sound of track {sound.index} ({name}) could be decoded at the {place}")
    return DecodeCheck(None, 0, 0, tuple(dict.fromkeys(errors)))


def _decode_end(
    path: Path, stream: Stream, seconds: Sequence[Fraction], first: Fraction | None
) -> tuple[int, tuple[str, ...]]:
    window_start = max(seconds[-1] - WINDOW_S, first if first is not None else seconds[0])
    wanted = sum(1 for time in seconds if time >= window_start)
    found, said = 0, tuple[str, ...]()
    for preroll_s in _PREROLLS_S:
        seek = window_start - preroll_s
        options = (
            () if seek <= seconds[0] else ("-seek_timestamp", "1", "-noaccurate_seek", "-ss", f"{float(seek):.3f}")
        )
        pictures, said = _decode(path, stream, options, None)
        found = sum(1 for time in pictures if time >= window_start)
        if found >= wanted:
            return found, said
    return found, (*said, f"the last {WINDOW_S} s hold {wanted} pictures, of which {found} could be decoded")


def _decode(
    path: Path, stream: Stream, options: Sequence[str], sound: Stream | None
) -> tuple[list[Fraction], tuple[str, ...]]:
    """Times of the decoded pictures and the decoder's complaints; silence of a whole sound track is one."""
    maps = ["-map", f"0:{stream.index}", *(("-map", f"0:{sound.index}") if sound else ())]
    argv = (
        *(tool_path("ffmpeg"), "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe", "-copyts"),
        # pictures are counted, not looked at: no deblocking, and wrapped, so that no pixel is summed
        *(*options, "-skip_loop_filter", "all", "-i", f"file:{path}", *maps, "-c:v", "wrapped_avframe"),
        *("-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "framecrc", "-"),
    )
    finished = run(Command(argv, timeout_s=600), check=False)
    lines = finished.stdout.decode(errors="replace").splitlines()
    bases = {line.split()[1]: Fraction(line.split()[2]) for line in lines if line.startswith("#tb")}
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    pictures = [int(row[2]) * bases["0:"] for row in rows if row[0] == "0"]
    said = complaints(finished.stderr)
    if sound and not any(row[0] == "1" for row in rows):
        said = (*said, f"no sound of track {sound.index} ({sound.text('codec_name')}) could be decoded at the start")
    return pictures, said
