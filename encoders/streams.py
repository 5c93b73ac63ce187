"""What ffprobe and MediaInfo say of a file, as typed facts; nothing is concluded here."""

import json
import re
from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from pymediainfo import MediaInfo

from telecine.errors import SourceRejected, ToolFailed
from telecine.process import Command, run
from telecine.tools import tool_path

__all__ = [
    "Header",
    "PacketTally",
    "Stream",
    "first_frame_side_data",
    "read_header",
    "read_packets",
    "says_encrypted",
    "says_interlaced",
]

_PROBE = ("-v", "error", "-protocol_whitelist", "file")  # a playlist must not make us open other files or addresses
_FIRST_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp"}  # ISO/IEC 14496-12 and QuickTime


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream's header fields as ffprobe names them, with typed access to the ones that need parsing."""

    fields: Mapping[str, Any]

    @property
    def index(self) -> int:
        return int(self.fields["index"])

    @property
    def kind(self) -> str:
        """video, audio, subtitle, data, or empty; cover art is ``data``, since it is no programme."""
        kind = str(self.fields.get("codec_type", ""))
        return "data" if self.fields.get("disposition", {}).get("attached_pic") else kind

    @property
    def time_base(self) -> Fraction:
        return self.ratio("time_base") or Fraction(1, 1000)

    @property
    def language(self) -> str:
        return str(self.fields.get("tags", {}).get("language", "und"))

    @property
    def side_data(self) -> list[Mapping[str, Any]]:
        return list(self.fields.get("side_data_list", []))

    def text(self, name: str) -> str | None:
        value = self.fields.get(name)
        return None if value in (None, "unknown", "reserved") else str(value)

    def number(self, name: str) -> int:
        value = str(self.fields.get(name, ""))
        return int(value) if value.isdecimal() else 0

    def ratio(self, name: str) -> Fraction | None:
        """``24000/1001`` or ``16:15`` as a fraction; None where absent, unknown or zero."""
        match = re.fullmatch(r"(\d+)[/:](\d+)", str(self.fields.get(name, "")))
        return Fraction(int(match[1]), int(match[2])) if match and int(match[1]) and int(match[2]) else None


@dataclass(frozen=True, slots=True)
class Header:
    """What the container declares before any packet is read."""

    container: str
    duration: Fraction
    streams: tuple[Stream, ...]


@dataclass(slots=True)
class PacketTally:
    """Packets of one stream as counted: sorted times of pictures, extent of anything else, ticks of its time base."""

    keep_times: bool = False
    counted: int = 0
    discarded: int = 0
    first: int | None = None
    last: int | None = None
    last_duration: int = 0
    times: list[int] = field(default_factory=list)

    def add(self, time: int, duration: int, *, shown: bool) -> None:
        self.counted += 1
        if not shown:
            self.discarded += 1
            return
        self.first = time if self.first is None else min(self.first, time)
        if self.last is None or time >= self.last:
            self.last, self.last_duration = time, duration
        if self.keep_times:
            insort(self.times, time)


def read_header(path: Path, name: str) -> Header:
    """Container and streams. Raises SourceRejected, calling the file ``name``, when it is no readable media file."""
    argv = (tool_path("ffprobe"), *_PROBE, "-print_format", "json", "-show_format", "-show_streams", f"file:{path}")
    try:
        found = json.loads(run(Command(argv, timeout_s=60)).stdout)
    except ToolFailed as error:
        raise _rejected(path, name, error.stderr_tail) from None
    container = found.get("format", {})
    streams = tuple(Stream(fields) for fields in found.get("streams", []))
    if not streams:
        raise SourceRejected(f"The master {name} holds no tracks: it is not a media file, or its export failed.")
    return Header(str(container.get("format_name", "")), Fraction(container.get("duration", "0")), streams)


def _rejected(path: Path, name: str, stderr: str) -> SourceRejected:
    if "Protocol" in stderr and "not on whitelist" in stderr:
        return SourceRejected(f"The master {name} is a playlist, not a media file: give the media file itself.")
    with path.open("rb") as file:
        first_box = file.read(8)[4:]
    if first_box in _FIRST_BOXES:
        return SourceRejected(
            f"The master {name} cannot be opened: its index (moov) is missing or incomplete, so the file was cut short "
            "or is still being uploaded; export or upload it again."
        )
    said = stderr.strip().rpartition("\n")[2].rpartition(": ")[2]
    return SourceRejected(
        f"The master {name} is not a media file: no known container was found in it ({said or 'no message'}); "
        "check what was exported."
    )


def first_frame_side_data(path: Path, stream: Stream) -> list[Mapping[str, Any]]:
    """Side data of a stream's first decoded picture; nothing where ffprobe cannot decode it."""
    argv = (
        *(tool_path("ffprobe"), *_PROBE, "-select_streams", str(stream.index), "-read_intervals", "%+#1"),
        *("-show_entries", "frame_side_data", "-print_format", "json", f"file:{path}"),
    )
    finished = run(Command(argv, timeout_s=60), check=False)
    try:
        frames = json.loads(finished.stdout).get("frames", [])
    except ValueError:
        return []
    return [side for frame in frames[:1] for side in frame.get("side_data_list", [])]


def read_packets(path: Path, header: Header) -> tuple[dict[int, PacketTally], str]:
    """Read every packet of the file: a tally for each stream index, and what the demuxer complained of."""
    tallies = {stream.index: PacketTally(keep_times=stream.kind == "video") for stream in header.streams}

    def count(line: str) -> None:
        fields = line.split(",")
        if len(fields) < 5 or not fields[0].isdecimal():  # noqa: PLR2004 - the five entries asked for below
            return
        time = _ticks(fields[1]) if fields[1] != "N/A" else _ticks(fields[2])
        if time is not None and int(fields[0]) in tallies:
            tallies[int(fields[0])].add(time, _ticks(fields[3]) or 0, shown="D" not in fields[4])

    entries = "packet=stream_index,pts,dts,duration,flags"
    argv = (tool_path("ffprobe"), *_PROBE, "-show_entries", entries, "-of", "csv=p=0", f"file:{path}")
    finished = run(Command(argv), on_line=count, check=False)
    return tallies, finished.stderr


def _ticks(text: str) -> int | None:
    return int(text) if text.lstrip("-").isdecimal() else None


_PROTECTED_TAGS = {"encv", "enca", "drms", "drmi", "drma", "p608"}


def says_encrypted(header: Header, media_info: MediaInfo) -> bool:
    """Whether any track is protected: ISO Common Encryption, FairPlay, Matroska or what MediaInfo calls encryption."""
    for stream in header.streams:
        tag = str(stream.fields.get("codec_tag_string", ""))
        if tag in _PROTECTED_TAGS or any("ncryption" in str(side.get("side_data_type")) for side in stream.side_data):
            return True
    return any(
        name.startswith("encryption") and value
        for track in media_info.tracks
        for name, value in track.to_data().items()
    )


def says_interlaced(stream: Stream, media_info: MediaInfo) -> bool:
    """Field order by ffprobe; where it does not say, the scan type by MediaInfo."""
    order = stream.text("field_order")
    if order is not None:
        return order in {"tt", "bb", "tb", "bt"}
    return any(track.scan_type == "Interlaced" for track in media_info.video_tracks)
