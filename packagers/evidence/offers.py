"""What manifests offer, in one form for DASH and HLS. Pure."""

from dataclasses import dataclass
from fractions import Fraction

from packagers.evidence.documents import Fault, TrackKind
from telecine.protection import Kid

__all__ = ["Manifest", "Named", "Offer", "Piece", "Ref", "TileGrid", "Variant"]


@dataclass(frozen=True, slots=True)
class Ref:
    """A URL, or ``span`` (first byte, length) of it."""

    url: str
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment as a manifest lists it; ``start`` in seconds of the presentation where the manifest says it."""

    ref: Ref
    duration: Fraction
    start: Fraction | None = None


@dataclass(frozen=True, slots=True)
class TileGrid:
    """How sheets of thumbnails are said to be: pixels of a whole sheet, seconds a picture where that is said."""

    columns: int
    rows: int
    width: int
    height: int
    every: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One track of one manifest.

    ``times`` says how far its times bind: ``timeline`` exactly, ``nominal`` half a segment, ``extinf`` one frame.
    ``dependent``: its samples may need one another, though it is for seeking (@codingDependency of DASH is true).
    ``index`` is where a segment index (sidx) lists the pieces of a single file, until it is read.
    """

    manifest: str
    name: str
    kind: TrackKind
    codecs: str
    init: Ref | None
    pieces: tuple[Piece, ...]
    times: str
    kids: frozenset[Kid] = frozenset()
    scheme: str | None = None
    bandwidth: int | None = None
    target: int | None = None
    media_type: str = ""
    index: Ref | None = None
    tiles: TileGrid | None = None
    dependent: bool = False

    @property
    def key(self) -> tuple[Ref | None, str]:
        """What makes two offers one track: their init segment and the first of their media."""
        return (self.init, self.pieces[0].ref.url if self.init is None and self.pieces else "")

    @property
    def ranged(self) -> bool:
        """Whether its segments are key frames within the segments of another track (RFC 8216bis, 4.4.3.6)."""
        return self.kind == "trick" and self.times == "extinf" and any(piece.ref.span for piece in self.pieces)

    @property
    def duration(self) -> Fraction:
        return sum((piece.duration for piece in self.pieces), Fraction(0))


@dataclass(frozen=True, slots=True)
class Named:
    """A media playlist as the multivariant playlist names it."""

    url: str
    kind: TrackKind
    codecs: str = ""
    height: int = 0


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of HLS: its own playlist, those of the groups it names, what it declares."""

    where: str
    playlist: str
    groups: tuple[tuple[str, ...], ...]
    peak: int | None
    average: int | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """All of one manifest. ``licence_urls`` are for Clear Key; ``playlists`` are still to be read (HLS)."""

    url: str
    offers: tuple[Offer, ...]
    faults: tuple[Fault, ...]
    variants: tuple[Variant, ...] = ()
    licence_urls: tuple[str, ...] = ()
    duration: Fraction | None = None
    min_buffer: Fraction | None = None
    encrypted_elsewhere: tuple[str, ...] = ()
