"""Looks at a few short windows of a master, so that flags need not be believed."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

from encoders.tooling import run_tool
from encoders.windows import (
    PICTURES,
    FieldOrder,
    Looked,
    Scan,
    active_image,
    field_order,
    may_be_interlaced,
    read_window,
    scan_of,
    window_command,
)
from telecine.errors import ToolFailed
from telecine.log import get_logger
from telecine.media import VideoTrack

__all__ = ["looked_at"]

log = get_logger(__name__)

_PLACES = tuple(Fraction(place, 100) for place in (12, 38, 63, 88))
_FURTHER_PLACES = tuple(Fraction(place, 100) for place in (5, 20, 30, 45, 55, 70, 80, 95))
_SHORT_S = 3
_TIMEOUT_S = 120
_AT_ONCE = 2
"""Windows looked at side by side: a person waits for inspection, and two decoders of UHD fit anywhere."""


def looked_at(track: VideoTrack, path: Path) -> VideoTrack:
    """The track with what its pictures show: interlaced or film in fields, whatever flags say, and image inside bars.

    Costs four short windows; eight more key frames where these show bars.
    """
    if track.packets <= 0 or track.width <= 0 or track.height <= 0:
        return track
    fields = may_be_interlaced(track)
    seen = _look(track, path, _PLACES, PICTURES if fields else 1)
    windows = list(seen.values())
    turned = bool(track.rotation % 180)
    size = (track.height, track.width) if turned else (track.width, track.height)
    active = active_image(windows, *size)
    if active:
        active = active_image([*windows, *_look(track, path, _FURTHER_PLACES, 1).values()], *size)
    found = scan_of(track, _doubts_removed(track, path, seen)) if fields else None
    return _told(track, found).model_copy(update={"active": active})


def _doubts_removed(track: VideoTrack, path: Path, seen: Mapping[Fraction, Looked]) -> list[Looked]:
    """Beside windows of film, those like video are looked at again with fields matched: film is whole then, video not.

    Slow motion under coding noise hides repeated fields; what is still no picture then tells nothing.
    """
    windows = list(seen.values())
    doubted = [place for place, window in seen.items() if window.is_video]
    if not doubted or not any(window.pulled_down for window in windows):
        return windows
    order = field_order(windows)
    matched = _look(track, path, doubted, PICTURES, order)
    return [window for place, window in seen.items() if place not in matched or matched[place].is_combed_in(order)]


def _look(
    track: VideoTrack, path: Path, places: Sequence[Fraction], pictures: int, matched: FieldOrder | None = None
) -> dict[Fraction, Looked]:
    if track.duration < _SHORT_S:
        places, pictures = places[:1], max(pictures, PICTURES)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looks = pool.map(lambda place: _look_at(track, path, place, pictures, matched), places)
        return {place: window for place, window in zip(places, looks, strict=True) if window}


def _look_at(
    track: VideoTrack, path: Path, place: Fraction, pictures: int, matched: FieldOrder | None
) -> Looked | None:
    at = None if track.duration < _SHORT_S else track.start + track.duration * place
    try:
        done = run_tool(window_command(path, track.index, at, pictures, matched), timeout_s=_TIMEOUT_S)
    except ToolFailed as error:  # damage is for others to judge: here there is only nothing to see
        log.info("window.not_seen", at=str(at), problem=error.stderr_tail[-200:])
        return None
    return read_window(done.stdout.decode(errors="replace"))


def _told(track: VideoTrack, found: Scan | None) -> VideoTrack:
    if found is None:
        return track
    shown = found.kind != "progressive"
    flag = None if shown == track.interlaced else ("interlaced" if track.interlaced else "progressive")
    return track.model_copy(
        update={
            "interlaced": shown,
            "telecined": found.kind == "telecined",
            "field_order": found.field_order,
            "scan_flag": flag,
        }
    )
