"""Tracks of text and the chapters inside a master, read by ffmpeg and ffprobe."""

import json
from fractions import Fraction
from pathlib import Path

from encoders.streams import Stream, read_header
from telecine.errors import SourceRejected, ToolFailed
from telecine.process import Command, run
from telecine.text import Chapter, TextKind
from telecine.tools import tool_path

__all__ = ["TEXT_CODECS", "extract_text", "read_chapters", "text_kind"]

TEXT_CODECS = frozenset({"subrip", "srt", "mov_text", "webvtt", "ass", "ssa", "text"})
"""As FFmpeg names them; the others are pictures of text."""

_LOCAL = ("-protocol_whitelist", "file")
_SECONDS_BEFORE_GIVING_UP = 600
_LONGEST_TITLE = 200


def read_chapters(path: Path, start: Fraction, duration: Fraction) -> tuple[Chapter, ...]:
    """Chapters of the container on the programme's clock, whose 0 is the container's ``start``; none is no error."""
    argv = (tool_path("ffprobe"), "-v", "error", *_LOCAL, "-print_format", "json", "-show_chapters", f"file:{path}")
    try:
        listed = json.loads(run(Command(argv, timeout_s=60)).stdout).get("chapters", [])
    except (ToolFailed, ValueError):
        return ()
    found: dict[Fraction, Chapter] = {}
    for number, chapter in enumerate(listed, 1):
        begun = max(Fraction(0), int(chapter["start"]) * Fraction(chapter["time_base"]) - start)
        title = str(chapter.get("tags", {}).get("title", "")).strip()[:_LONGEST_TITLE] or f"Chapter {number}"
        if begun < duration:
            found[begun] = Chapter(start=begun, title=title)
    return tuple(found[begun] for begun in sorted(found))


def text_kind(path: Path, index: int) -> TextKind:
    """What a track of text is for, as its disposition says."""
    streams = read_header(path, path.name).streams
    stream = next((stream for stream in streams if stream.index == index), Stream({}))
    disposition = stream.fields.get("disposition", {})
    if disposition.get("forced"):
        return "forced"
    return "captions" if disposition.get("hearing_impaired") or disposition.get("captions") else "subtitles"


def extract_text(path: Path, index: int) -> bytes:
    """Track ``index`` as WebVTT, on the container's own clock. Raises SourceRejected when it cannot be read."""
    source = ("-copyts", *_LOCAL, "-i", f"file:{path}", "-map", f"0:{index}")
    argv = (tool_path("ffmpeg"), "-nostdin", "-v", "error", *source, "-c:s", "webvtt", "-f", "webvtt", "pipe:1")
    try:
        return run(Command(argv, timeout_s=_SECONDS_BEFORE_GIVING_UP)).stdout
    except ToolFailed as error:
        message = f"Track {index} of the master {path.name}: expected text, but it cannot be read: {error.stderr_tail}."
        raise SourceRejected(message) from None
