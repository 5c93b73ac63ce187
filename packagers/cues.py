"""Cues of timed text on exact time: put in order, shifted to the programme's start, cut at its ends. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

__all__ = ["Cue", "TimedText", "clipped", "clock", "in_programme"]

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Cue:
    """One cue. ``text`` is WebVTT markup, balanced and escaped; ``settings`` as WebVTT writes them after the times.

    ``line`` is where it stands in the file it came from, 0 where that is not known.
    """

    start: Fraction
    end: Fraction
    text: str
    settings: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class TimedText:
    """Cues in order of their start, and what had to be repaired, a sentence each."""

    cues: tuple[Cue, ...]
    notes: tuple[str, ...] = ()


def in_programme(found: TimedText, name: str, duration: Fraction, start: Fraction | None = None) -> TimedText:
    """The cues on the programme's clock, whose first picture is at 0 and which ends at ``duration``.

    ``start`` is the file's time of that picture; None: 0, or the whole hour at which a file begins that would begin
    after the programme's end (tapes are coded from 01:00:00:00 or 10:00:00:00). Raises ValueError with a sentence when
    no cue is left.
    """
    ordered = sorted(found.cues, key=lambda cue: (cue.start, cue.end))
    notes = list(found.notes)
    if ordered != list(found.cues):
        notes.append(f"{name}: cues were not in the order of their times, and were sorted.")
    offset = _offset(ordered, duration) if start is None else start
    if start is None and offset:
        notes.append(f"{name}: times are counted from {clock(offset)}, taken for the programme's first picture.")
    kept = _distinct(_shifted(ordered, offset, duration))
    lost = len(ordered) - len(kept)
    if not kept:
        message = (
            f"{name}: expected cues between 0 and {clock(duration)} of the programme, but all {len(ordered)} lie "
            f"outside, the first at {clock(ordered[0].start - offset)}."
        )
        raise ValueError(message)
    if lost:
        notes.append(
            f"{name}: {lost} of {len(ordered)} cues are outside the programme or there twice, and were left out."
        )
    return TimedText(tuple(kept), tuple(notes))


def clock(time: Fraction) -> str:
    """A time as WebVTT writes it, rounded to a millisecond: ``01:02:03.004``."""
    sign, ms = ("-" if time < 0 else ""), round(abs(time) * 1000)
    return f"{sign}{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"


def clipped(cues: Iterable[Cue], start: Fraction, end: Fraction) -> tuple[Cue, ...]:
    """What is shown of the cues from ``start`` to ``end``."""
    cut = [replace(cue, start=max(cue.start, start), end=min(cue.end, end)) for cue in cues]
    return tuple(cue for cue in cut if cue.start < cue.end)


def _offset(cues: Sequence[Cue], duration: Fraction) -> Fraction:
    first = cues[0].start
    hour = Fraction(first // _HOUR * _HOUR)
    return hour if first >= duration and hour and first - hour < duration else Fraction(0)


def _shifted(cues: Iterable[Cue], offset: Fraction, duration: Fraction) -> tuple[Cue, ...]:
    """On whole milliseconds, as all formats here have them."""
    moved = [replace(cue, start=_ms(cue.start - offset), end=_ms(cue.end - offset)) for cue in cues]
    return clipped(moved, Fraction(0), Fraction(int(duration * 1000), 1000))


def _ms(time: Fraction) -> Fraction:
    return Fraction(round(time * 1000), 1000)


def _distinct(cues: Sequence[Cue]) -> list[Cue]:
    return list({(cue.start, cue.end, cue.text, cue.settings): cue for cue in cues}.values())
