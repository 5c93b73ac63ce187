"""Thumbnails of a rendition: the command that makes their sheets, and the storyboard that says where each is. Pure."""

from fractions import Fraction

from packagers.accessories import TILES_FOLDER, Tiles
from packagers.cues import clock
from profiles.models import ThumbnailPolicy
from telecine.process import Command
from telecine.rendition import Rendition

__all__ = ["storyboard", "thumbnail_command", "tiles_of"]

_QUALITY = "5"  # of 2 to 31; about 400 kB a sheet of a hundred
_SECONDS_BEFORE_GIVING_UP = 600


def tiles_of(policy: ThumbnailPolicy, rendition: Rendition, duration: Fraction) -> Tiles:
    """Sheets for a programme, pictures as high as the rendition's shape asks; a last row that is not needed goes."""
    width, height = rendition.width or policy.width, rendition.height or policy.width
    pictures = max(1, -(-duration // policy.every_s))
    columns = min(policy.columns, pictures)
    return Tiles(
        width=policy.width,
        height=max(2, round(Fraction(policy.width * height, width) / 2) * 2),
        columns=columns,
        rows=min(policy.rows, -(-pictures // columns)),
        every_s=policy.every_s,
        duration=duration,
    )


def thumbnail_command(source: str, target: str, tiles: Tiles) -> Command:
    """``target`` is a pattern with ``%d``, from 1. Only key frames are decoded, and one sheet is held at a time.

    Each picture is the last key frame at or before its time.
    """
    filters = (
        f"fps=1/{tiles.every_s}:start_time=0:round=up",  # round=up: the last frame not after its time
        f"tpad=stop=-1:stop_mode=clone,trim=end_frame={tiles.pictures}",
        f"scale={tiles.width}:{tiles.height}",
        f"tile={tiles.columns}x{tiles.rows}",
    )
    return Command(
        (
            "ffmpeg",
            "-hide_banner",
            "-nostdin",
            "-v",
            "error",
            *("-threads", "1", "-skip_frame", "nokey", "-i", source),
            *("-map", "0:v:0", "-vf", ",".join(filters), "-pix_fmt", "yuvj420p"),
            *("-fps_mode", "passthrough", "-frames:v", str(tiles.sheets), "-q:v", _QUALITY),
            *("-bitexact", "-f", "image2", "-start_number", "1", target),
        ),
        timeout_s=_SECONDS_BEFORE_GIVING_UP + float(tiles.duration),
    )


def storyboard(tiles: Tiles) -> str:
    """A WebVTT file whose cues name the sheet and the part of it (Media Fragments URI 1.0, 4.2.2)."""
    cues = [_cue(tiles, number) for number in range(tiles.pictures)]
    return "\n".join(["WEBVTT", "", *cues])


def _cue(tiles: Tiles, number: int) -> str:
    sheet, place = divmod(number, tiles.columns * tiles.rows)
    row, column = divmod(place, tiles.columns)
    start = Fraction(number * tiles.every_s)
    end = min(start + tiles.every_s, tiles.duration)
    box = f"{column * tiles.width},{row * tiles.height},{tiles.width},{tiles.height}"
    return f"{clock(start)} --> {clock(end)}\n{TILES_FOLDER}/{sheet + 1}.jpg#xywh={box}\n"
