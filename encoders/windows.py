"""What a few short windows of a picture track show: fields or whole frames, film in fields, bars. Pure.

Containers and even coded pictures lie about interlacing, so FFmpeg's ``idet`` looks at the samples themselves;
``cropdetect`` finds where image begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from telecine.media import Crop, VideoTrack

__all__ = [
    "FieldOrder",
    "Looked",
    "Scan",
    "active_image",
    "field_order",
    "may_be_interlaced",
    "read_window",
    "scan_of",
    "window_command",
]

PICTURES = 25
"""Pictures of a window in which fields are looked for: five cycles of 3:2 pulldown."""

_NEVER_INTERLACED = {"vp8", "vp9", "av1", "theora", "png", "gif"}
_MOST_LINES = 1088
_RATES = (Fraction(49, 2), Fraction(61, 2))
_MOVING, _ENOUGH = 0.4, 20
_REPEATED, _UNREPEATED, _CLEARLY = 0.12, 0.04, 0.55
_PROGRESSIVE, _STRAY = 0.9, 0.02


FieldOrder = Literal["tff", "bff"]


@dataclass(frozen=True, slots=True)
class Looked:
    """Counts over the pictures of one window; ``image`` is (left, top, right, bottom) of all that was not black."""

    pictures: int
    tff: int
    bff: int
    progressive: int
    repeated_top: int
    repeated_bottom: int
    clearly_combed: int
    image: tuple[int, int, int, int] | None

    @property
    def moving(self) -> bool:
        """Whether enough pictures differ from their neighbours for fields to show."""
        return self.tff + self.bff + self.progressive >= _MOVING * self.pictures > 0

    @property
    def combed(self) -> bool:
        return self.tff + self.bff > self.progressive

    def is_combed_in(self, order: FieldOrder) -> bool:
        """Whether fields of this order show: what is left of video when fields were matched as of film."""
        return (self.tff if order == "tff" else self.bff) > self.progressive

    @property
    def pulled_down(self) -> bool:
        """3:2 pulldown repeats one top and one bottom field in every five pictures; nothing else does."""
        return min(self.repeated_top, self.repeated_bottom) >= _REPEATED * self.pictures

    @property
    def is_video(self) -> bool:
        """Fields in motion all through and none repeated. Slow motion under coding noise hides repeats: no verdict."""
        repeated = self.repeated_top + self.repeated_bottom
        return self.clearly_combed > _CLEARLY * self.pictures and repeated < _UNREPEATED * self.pictures


@dataclass(frozen=True, slots=True)
class Scan:
    """What the pictures are, whatever the flags say."""

    kind: Literal["progressive", "interlaced", "telecined"]
    field_order: FieldOrder | None


def may_be_interlaced(track: VideoTrack) -> bool:
    """Whether fields are worth looking for: the codec and the size can carry them, and flags or the rate suggest it."""
    if track.codec in _NEVER_INTERLACED or track.height > _MOST_LINES:
        return False
    return track.interlaced or _RATES[0] < track.frame_rate.fraction < _RATES[1]


def window_command(
    path: Path, index: int, at: Fraction | None, pictures: int, matched: FieldOrder | None = None
) -> tuple[str, ...]:
    """Look at ``pictures`` from the first key frame at ``at`` seconds on (None: the start); results go to stdout.

    With ``matched`` fields of that order are first put together as film would be.
    """
    seek = () if at is None else ("-seek_timestamp", "1", "-noaccurate_seek", "-ss", f"{float(at):.3f}")
    if pictures == 1:
        seek = (*seek, "-skip_frame", "nokey")
    # behind a seek a decoder may show pictures whose references it has not seen: an intra picture is whole
    whole = "select='st(0,ld(0)+eq(pict_type,I))'"
    whole += f",fieldmatch=order={matched}:combmatch=none" if matched else ""
    return (
        *("ffmpeg", "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe", "-copyts", "-threads", "1"),
        *(*seek, "-i", f"file:{path}", "-filter_complex_threads", "1", "-filter_complex"),
        f"[0:{index}]{whole},idet,cropdetect=round=2:reset=0:skip=0,metadata=mode=print:file=-",
        *("-fps_mode", "passthrough", "-frames:v", str(pictures), "-f", "null", "-"),
    )


def read_window(printed: str) -> Looked:
    """The last value of each counter that ``window_command`` printed."""
    said, pictures = dict[str, str](), 0
    for line in printed.splitlines():
        name, _, value = line.partition("=")
        pictures += line.startswith("frame:")
        said[name.strip()] = value.strip()

    def count(name: str) -> int:
        return round(float(said.get(f"lavfi.idet.{name}", "0")))

    edges = [said.get(f"lavfi.cropdetect.{name}", "") for name in ("x1", "y1", "x2", "y2")]
    image = tuple(int(edge) for edge in edges) if all(edge.isdecimal() for edge in edges) else None
    return Looked(
        pictures,
        tff=count("multiple.tff"),
        bff=count("multiple.bff"),
        progressive=count("multiple.progressive"),
        repeated_top=count("repeated.top"),
        repeated_bottom=count("repeated.bottom"),
        clearly_combed=count("single.tff") + count("single.bff"),
        image=image if image and image[0] < image[2] and image[1] < image[3] else None,  # type: ignore[arg-type]  # four
    )


def scan_of(track: VideoTrack, windows: Sequence[Looked]) -> Scan | None:
    """What the windows agree on; None where too little moves to overrule flags, or where windows disagree."""
    moving = [window for window in windows if window.moving]
    top, bottom = sum(window.tff for window in moving), sum(window.bff for window in moving)
    whole = sum(window.progressive for window in moving)
    if top + bottom + whole < _ENOUGH:
        return None
    order = field_order(moving)
    if _is_film(track, moving):
        return Scan("telecined", order)
    if top + bottom > whole and sum(window.combed for window in moving) * 2 > len(moving):
        return Scan("interlaced", order)
    if whole >= _PROGRESSIVE * (top + bottom + whole) and top + bottom <= _STRAY * whole:
        return Scan("progressive", None)
    return None


def field_order(windows: Sequence[Looked]) -> FieldOrder:
    """The order most pictures agree on."""
    return "tff" if sum(window.tff for window in windows) >= sum(window.bff for window in windows) else "bff"


def _is_film(track: VideoTrack, moving: Sequence[Looked]) -> bool:
    """Film in fields somewhere and video nowhere: dropping pictures of video would judder."""
    near_30 = _RATES[0] + 4 < track.frame_rate.fraction < _RATES[1]
    pulled = sum(window.pulled_down for window in moving)
    video = any(window.is_video for window in moving)
    return near_30 and not track.variable_frame_rate and not video and pulled * 4 >= len(moving)


def active_image(windows: Sequence[Looked], width: int, height: int) -> Crop | None:
    """Image inside black bars of equal size at top and bottom, or left and right; None without bars worth a cut.

    Every window's image is held: what is bright in one of them is no bar. Sizes are even, for 4:2:0.
    """
    images = [window.image for window in windows if window.image]
    if not images:
        return None
    left, top = min(image[0] for image in images), min(image[1] for image in images)
    right, bottom = width - 1 - max(image[2] for image in images), height - 1 - max(image[3] for image in images)
    x, y = _bar(left, right, width), _bar(top, bottom, height)
    return Crop(x=x, y=y, width=width - 2 * x, height=height - 2 * y) if x or y else None


def _bar(one: int, other: int, length: int) -> int:
    """The bar on each side, even; 0 where the two differ, as a dark scene's do, or are a line or two of blanking."""
    least = max(4, length // 100)
    if min(one, other) < least or abs(one - other) > least or one + other > length // 2:
        return 0
    return min(one, other) // 2 * 2
