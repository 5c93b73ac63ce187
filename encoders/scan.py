"""Filters that make progressive pictures of fields, and film of 3:2 pulldown: names and options of FFmpeg's. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from telecine.media import VideoTrack

__all__ = ["Filter", "deinterlacing", "film"]

_CYCLE, _KEPT = 5, 4
_FAR = 1_000_000
_AHEAD_CYCLES = 2
"""Matching looks one picture back and decimation one cycle: from the third cycle on nothing depends on the start."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter: ``name`` and its options in order."""

    name: str
    options: tuple[tuple[str, str | int], ...]


def deinterlacing(track: VideoTrack) -> tuple[Filter, ...]:
    """Nothing for progressive tracks. The field order is told where the pictures were asked, else flags decide."""
    if not track.interlaced or track.telecined:
        return ()
    mode = "send_field" if track.deinterlace == "fields" else "send_frame"
    return (Filter("bwdif", (("mode", mode), *_parity(track))),)


def film(track: VideoTrack, start: int, end: int) -> Iterator[Filter]:
    """Frames [start, end) of the film inside a telecined track, on the film's grid with ``start`` at 0.

    Fields are matched to whole pictures and of every five one is dropped. Cycles of five are counted from the track's
    first picture, wherever decoding starts, so chunks cut anywhere give the frames of one pass over the whole track.
    """
    rate = track.frame_rate.fraction
    first_picture, first_frame = round(track.start * rate), round(track.start * rate * _KEPT / _CYCLE)
    from_cycle = max(0, (start - first_frame) // _KEPT - _AHEAD_CYCLES)
    to_cycle = -((first_frame - end) // _KEPT) + 1
    begin, stop = first_picture + _CYCLE * from_cycle, first_picture + _CYCLE * to_cycle
    missing = max(0, stop - first_picture - track.packets)
    yield from (_on_grid(rate), Filter("trim", (("start_pts", begin), ("end_pts", stop))))
    # a seek that landed inside the first cycle would shift all cycles: then no frame may pass, and the count tells
    yield Filter("setpts", (("expr", f"PTS-({begin})+(STARTPTS-({begin}))*{_FAR}"),))
    yield Filter("fieldmatch", (("order", track.field_order or "auto"), ("combmatch", "full")))
    # what no neighbour completes (a cut inside a cycle, video between the film) is deinterlaced
    yield Filter("bwdif", (("mode", "send_frame"), *_parity(track), ("deint", "interlaced")))
    if missing:
        yield Filter("tpad", (("stop", min(missing, 2 * _CYCLE)), ("stop_mode", "clone")))
    yield from (Filter("decimate", (("cycle", _CYCLE),)), Filter("settb", (("expr", str(_CYCLE / (rate * _KEPT))),)))
    # where the first picture is the one dropped, the second's time is where counting starts: one too late
    yield Filter("setpts", (("expr", "PTS-eq(STARTPTS,1)"),))
    offset = first_frame + _KEPT * from_cycle
    yield Filter("trim", (("start_pts", start - offset), ("end_pts", end - offset)))
    yield Filter("setpts", (("expr", f"PTS-({start - offset})"),))


def _on_grid(rate: Fraction) -> Filter:
    return Filter("fps", (("fps", str(rate)),))


def _parity(track: VideoTrack) -> tuple[tuple[str, str], ...]:
    return (("parity", track.field_order),) if track.field_order else ()
