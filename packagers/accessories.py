"""Where the files of text, thumbnails and chapters go in a package, and how manifests name them. Pure."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from packagers.placing import Placed
from telecine.text import Chapter, TextTrack

__all__ = [
    "CHAPTERS_JSON_PATH",
    "CHAPTERS_PATH",
    "STORYBOARD_PATH",
    "TEXT_FOLDER",
    "TILES_FOLDER",
    "TILES_PLAYLIST_PATH",
    "Extras",
    "Grid",
    "TextStream",
    "Tiles",
    "grid_of",
]

TEXT_FOLDER = "text"
TILES_FOLDER = "thumbnails"
TILES_PLAYLIST_PATH = "thumbnails.m3u8"
STORYBOARD_PATH = "thumbnails.vtt"
CHAPTERS_PATH = "chapters.vtt"
CHAPTERS_JSON_PATH = "chapters.json"


@dataclass(frozen=True, slots=True)
class Grid:
    """The cut of text: ticks of each segment, as long as the picture's, the last one what is left."""

    timescale: int
    ticks: tuple[int, ...]

    @property
    def starts(self) -> tuple[int, ...]:
        return tuple(accumulate(self.ticks, initial=0))[:-1]

    @property
    def spans(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """Start and end of each segment, seconds."""
        return tuple(
            (Fraction(start, self.timescale), Fraction(start + ticks, self.timescale))
            for start, ticks in zip(self.starts, self.ticks, strict=True)
        )


@dataclass(frozen=True, slots=True)
class TextStream(Placed):
    """One track's place in a package; IMSC 1 in MP4 for DASH, WebVTT for HLS."""

    track: TextTrack
    grid: Grid
    peak_bps: int = 0

    @property
    def folder(self) -> str:
        return f"{TEXT_FOLDER}/{self.track.name}"

    def segment_path(self, number: int, ending: str) -> str:
        """``number`` counts from 1; ``ending`` is ``m4s`` or ``vtt``."""
        return f"{self.folder}/{number}.{ending}"

    @property
    def paths(self) -> tuple[str, ...]:
        numbers = range(1, len(self.grid.ticks) + 1)
        segments = (self.segment_path(number, ending) for ending in ("m4s", "vtt") for number in numbers)
        return (self.init_path, *segments, self.playlist_path)


@dataclass(frozen=True, slots=True)
class Tiles:
    """Sheets of small pictures, one picture every ``every_s`` seconds of the programme, row by row."""

    width: int
    height: int
    columns: int
    rows: int
    every_s: int
    duration: Fraction
    peak_bps: int = 0

    @property
    def pictures(self) -> int:
        return max(1, -(-self.duration // self.every_s))

    @property
    def sheets(self) -> int:
        return -(-self.pictures // (self.columns * self.rows))

    @property
    def sheet_s(self) -> int:
        """Seconds of programme on a whole sheet."""
        return self.every_s * self.columns * self.rows

    @property
    def template(self) -> str:
        return f"{TILES_FOLDER}/$Number$.jpg"

    @property
    def sheet_paths(self) -> tuple[str, ...]:
        return tuple(f"{TILES_FOLDER}/{number}.jpg" for number in range(1, self.sheets + 1))

    @property
    def paths(self) -> tuple[str, ...]:
        return (*self.sheet_paths, TILES_PLAYLIST_PATH, STORYBOARD_PATH)


@dataclass(frozen=True, slots=True)
class Extras:
    """Everything a package has beside its renditions."""

    texts: tuple[TextStream, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    tiles: Tiles | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        texts = (path for stream in self.texts for path in stream.paths)
        tiles = self.tiles.paths if self.tiles else ()
        return (*texts, *tiles, *((CHAPTERS_PATH, CHAPTERS_JSON_PATH) if self.chapters else ()))


def grid_of(duration: Fraction, segment: Fraction, timescale: int) -> Grid:
    """A programme of ``duration`` cut every ``segment`` seconds, which must be whole ticks."""
    total, each = round(duration * timescale), int(segment * timescale)
    whole, rest = divmod(total, each)
    return Grid(timescale, (each,) * whole + ((rest,) if rest else ()))
