"""Static HDR metadata as ffprobe says it, and as encoders want to be told. Pure.

It is told to each encoder by itself: behind a split, FFmpeg hands what it found in the source to the first branch only,
so that of several HDR rungs one would carry it, and an SDR rung encoded alone would too.
"""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

from telecine.media import ContentLight, MasteringDisplay, VideoTrack

__all__ = ["hevc_light", "read_light"]


def read_light(
    side_data: Iterable[Mapping[str, Any]],
) -> tuple[MasteringDisplay | None, ContentLight | None]:
    """The mastering display and light levels among ffprobe's side data of a stream or a frame."""
    by_type = {str(side.get("side_data_type")): side for side in side_data}
    return _mastering(by_type.get("Mastering display metadata", {})), _light(
        by_type.get("Content light level metadata", {})
    )


def hevc_light(track: VideoTrack) -> dict[str, str]:
    """Parameters of x265, in the units of ITU-T H.265, D.3.28: 0.00002 of chromaticity, 0.0001 cd/m2."""
    found = {}
    if track.mastering:
        found["master-display"] = _display(
            track.mastering, lambda x: str(round(x * 50_000)), lambda nits: str(round(nits * 10_000))
        )
    return found | ({"max-cll": _levels(track.light)} if track.light else {})


def _display(shown: MasteringDisplay, point: Callable[[Fraction], str], level: Callable[[Fraction], str]) -> str:
    points = {"G": shown.green, "B": shown.blue, "R": shown.red, "WP": shown.white}
    spelled = "".join(f"{name}({point(x)},{point(y)})" for name, (x, y) in points.items())
    return f"{spelled}L({level(shown.max_luminance)},{level(shown.min_luminance)})"


def _levels(light: ContentLight) -> str:
    return f"{light.max_cll},{light.max_fall}"


def _mastering(said: Mapping[str, Any]) -> MasteringDisplay | None:
    names = [f"{point}_{axis}" for point in ("red", "green", "blue", "white_point") for axis in "xy"]
    values = [_ratio(said.get(name)) for name in (*names, "max_luminance", "min_luminance")]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        return None
    red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y, brightest, darkest = numbers
    return MasteringDisplay(
        red=(red_x, red_y),
        green=(green_x, green_y),
        blue=(blue_x, blue_y),
        white=(white_x, white_y),
        max_luminance=brightest,
        min_luminance=darkest,
    )


def _light(said: Mapping[str, Any]) -> ContentLight | None:
    if not said.get("max_content") and not said.get("max_average"):
        return None
    return ContentLight(max_cll=int(said.get("max_content", 0)), max_fall=int(said.get("max_average", 0)))


def _ratio(said: object) -> Fraction | None:
    above, _, below = str(said).partition("/")
    if not above.isdecimal() or not below.isdecimal() or not int(below):
        return None
    return Fraction(int(above), int(below))
