"""Which pictures a command is about, and how renditions of them are looked at. Pure."""

from dataclasses import dataclass
from fractions import Fraction

from telecine.media import FrameRate, VideoTrack

__all__ = ["WHOLE", "Look", "Span"]


@dataclass(frozen=True, slots=True)
class Span:
    """Output frames [start, end) of a track on the absolute grid of ``rate``; ``cover``: as rungs of that fit show."""

    track: VideoTrack
    rate: FrameRate
    start: int
    end: int
    cover: bool = False
    hold_last: bool = False  # for what does not decode at the end of the span


@dataclass(frozen=True, slots=True)
class Look:
    """How renditions are looked at: by which model of libvmaf, and where in them the span is.

    ``first_frame`` is the grid's number of their first picture, None where the span starts with it; ``preroll_s`` how
    far ahead of the span the source is opened, None for its start; ``shape`` the size of a rendition that covers.
    """

    model: str = "version=vmaf_v0.6.1"
    first_frame: int | None = None
    preroll_s: Fraction | None = None
    shape: tuple[int, int] | None = None


WHOLE = Look()
"""From the first picture of both."""
