"""Cues as WebVTT: whole, and cut into the segments of an HLS playlist (RFC 8216bis, 3.1.4). Pure."""

from collections.abc import Sequence
from fractions import Fraction

from packagers.cues import Cue, clock

__all__ = ["overlapping", "vtt_segment", "webvtt"]

_MAP = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000"
"""Cues are on the clock of the fragmented MP4 beside them, which begins at 0."""


def webvtt(cues: Sequence[Cue]) -> str:
    """A WebVTT file of these cues."""
    return "\n".join(["WEBVTT", "", *(_block(cue) for cue in cues)])


def vtt_segment(cues: Sequence[Cue], start: Fraction, end: Fraction) -> str:
    """The segment from ``start`` to ``end``: every cue that is shown in it, with its own whole time."""
    return "\n".join(["WEBVTT", _MAP, "", *(_block(cue) for cue in overlapping(cues, start, end))])


def overlapping(cues: Sequence[Cue], start: Fraction, end: Fraction) -> tuple[Cue, ...]:
    """The cues shown at any moment from ``start`` up to ``end``."""
    return tuple(cue for cue in cues if cue.start < end and cue.end > start)


def _block(cue: Cue) -> str:
    settings = f" {cue.settings}" if cue.settings else ""
    return f"{clock(cue.start)} --> {clock(cue.end)}{settings}\n{cue.text}\n"
