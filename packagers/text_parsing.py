"""SRT and WebVTT read line by line, so that every mistake is told with its line, what was expected and found. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from packagers.cues import Cue, TimedText
from packagers.markup import normalised
from telecine.errors import SourceRejected

__all__ = ["Dialect", "parse_cues"]

_MOST_REASONS = 10
_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(.*)")
_SETTING = re.compile(r"(?:line|position|size|align|vertical):\S+")
_TOP = re.compile(r"\{\\an[789]\}")
_SKIPPED = ("NOTE", "STYLE", "REGION")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one of the two writes: ``example`` of its times, whether it begins with a header, may have no cue."""

    example: str
    header: bool
    bare: bool = False


def parse_cues(text: str, name: str, dialect: Dialect) -> TimedText:
    """Every cue of a file called ``name``, in its own order. Raises SourceRejected with a sentence for each mistake."""
    lines = text.splitlines()
    blocks = _blocks(lines)
    reasons: list[str] = []
    if dialect.header:
        if not lines or not re.match(r"WEBVTT([ \t]|$)", lines[0]):
            raise SourceRejected(f"{name}, line 1: expected 'WEBVTT', found {_quoted(lines[0] if lines else '')}.")
        blocks = _after_header(blocks)
    cues: list[Cue] = []
    empty = 0
    for number, block in blocks:
        try:
            cue = _cue(number, block, dialect)
        except ValueError as error:
            reasons.append(f"{name}, {error}")
            continue
        empty += not cue.text
        cues += [cue] if cue.text else []
    if reasons:
        more = [f"{name}: {len(reasons) - _MOST_REASONS} more such mistakes."] if len(reasons) > _MOST_REASONS else []
        raise SourceRejected(*reasons[:_MOST_REASONS], *more)
    if not cues and not dialect.bare:
        raise SourceRejected(f"{name}: expected at least one cue with text, found none in {len(lines)} lines.")
    return TimedText(tuple(cues), (f"{name}: {empty} cues have no text and were left out.",) if empty else ())


def _blocks(lines: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Runs of lines that are not blank, each with the number of its first."""
    found: list[tuple[int, list[str]]] = []
    fresh = True
    for number, line in enumerate(lines, 1):
        if line.strip():
            if fresh:
                found.append((number, []))
            found[-1][1].append(line)
        fresh = not line.strip()
    return found


def _after_header(blocks: Sequence[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    kept = blocks[1:]
    first_number, first = blocks[0]
    timed = next((n for n, line in enumerate(first) if "-->" in line), None)
    if timed is not None:  # a file without the blank line after its header
        kept = [(first_number + timed, first[timed:]), *kept]
    return [block for block in kept if not _is_skipped(block[1])]


def _is_skipped(block: Sequence[str]) -> bool:
    timed = any("-->" in line for line in block[:2])
    return not timed and block[0].split(maxsplit=1)[0].rstrip(":") in _SKIPPED


def _cue(number: int, block: Sequence[str], dialect: Dialect) -> Cue:
    at = next((n for n, line in enumerate(block[:2]) if "-->" in line), None)
    if at is None:
        found = block[min(1, len(block) - 1)] if block[0].strip().isdecimal() else block[0]
        message = f"line {number}: expected times such as '{dialect.example}', found {_quoted(found)}."
        raise ValueError(message)
    timing = _TIMING.fullmatch(block[at])
    if timing is None:
        message = f"line {number + at}: expected times such as '{dialect.example}', found {_quoted(block[at])}."
        raise ValueError(message)
    start, end = _time(timing.groups()[:4]), _time(timing.groups()[4:8])
    if start >= end:
        message = f"line {number + at}: expected an end after the start, found {_quoted(block[at])}."
        raise ValueError(message)
    raw = "\n".join(block[at + 1 :])
    settings = " ".join(_SETTING.findall(timing[9])) or ("line:0" if _TOP.search(raw) else "")
    return Cue(start, end, normalised(raw), settings, number + at)


def _time(parts: Sequence[str | None]) -> Fraction:
    hours, minutes, seconds, part = (found or "0" for found in parts)
    return Fraction(int(hours) * 3600 + int(minutes) * 60 + int(seconds)) + Fraction(int(part), 10 ** len(part))


def _quoted(line: str) -> str:
    line = line.strip()
    return f"'{line[:_SHOWN]}{'…' if len(line) > _SHOWN else ''}'" if line else "nothing"
