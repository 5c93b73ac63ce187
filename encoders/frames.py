"""Coded sound laid on a programme without touching it: whole AC-3 and E-AC-3 frames of 1536 samples. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["FRAME_SAMPLES", "Laid", "lay_frames"]

FRAME_SAMPLES = 1536
"""Samples a frame brings a decoder: six blocks of 256 (ETSI TS 102 366). E-AC-3 frames of fewer come by six blocks."""


@dataclass(frozen=True, slots=True)
class Laid:
    """``slots`` are the frames to play in order, by their number in the source; None is a frame of silence.

    The first begins ``lead`` seconds before the programme, less than one frame: what an edit list cuts off again, so
    that sound and picture keep their offset to the sample. The last may reach past the end by less than a frame.
    """

    lead: Fraction
    slots: tuple[int | None, ...]


def lay_frames(times: Sequence[Fraction], frame: Fraction, start: Fraction, duration: Fraction) -> Laid:
    """Frames that begin at ``times`` (seconds, rising) laid over a programme of ``duration`` from ``start``.

    The grid goes through the first frame. What lies before or after the programme is cut, a late start, a gap and an
    early end are filled with silence, and of two frames at one place the first is kept.
    """
    lead = (start - times[0]) % frame
    slots: list[int | None] = [None] * max(1, -(-(duration + lead) // frame))
    for number, time in enumerate(times):
        place = round((time - start + lead) / frame)
        if 0 <= place < len(slots) and slots[place] is None:
            slots[place] = number
    return Laid(lead, tuple(slots))
