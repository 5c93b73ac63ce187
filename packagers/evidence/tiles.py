"""Sheets of thumbnails: as large as manifests say, and enough for the programme. Pure.

DASH-IF IOP, part 5, 6.2.6; in HLS the image playlists of Roku with EXT-X-TILES.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from packagers.evidence.clauses import Rule, fault
from packagers.evidence.documents import Fault
from packagers.evidence.measures import Media, programme_of
from packagers.evidence.offers import Offer, TileGrid

__all__ = ["faults_of_tiles"]


def faults_of_tiles(tracks: Sequence[Media]) -> Iterator[Fault]:
    """Of each track of pictures against what every manifest says of it."""
    programme = programme_of(tracks)
    lasts = programme[1] - programme[0] if programme else None
    for media in tracks:
        for offer in media.offers if media.kind == "image" else ():
            rule = Rule.HLS_TILES if offer.times == "extinf" else Rule.DASH_TILES
            if offer.tiles is None:
                yield fault(rule, offer.manifest, f"'{offer.name}' does not say how its sheets are laid out.")
                continue
            yield from _faults_of_sizes(media, offer, offer.tiles, rule)
            if lasts is not None:
                yield from _faults_of_length(offer, offer.tiles, lasts)


def _faults_of_sizes(media: Media, offer: Offer, tiles: TileGrid, rule: Rule) -> Iterator[Fault]:
    said = f"{offer.manifest} says {tiles.columns}x{tiles.rows} pictures on {tiles.width}x{tiles.height}"
    if tiles.width % tiles.columns or tiles.height % tiles.rows:
        yield fault(rule, f"'{offer.name}'", f"{said}, which is no whole number of pixels for each.")
    for picture in media.pictures:
        if (picture.width, picture.height) != (tiles.width, tiles.height):
            yield fault(rule, picture.ref.url, f"it has {picture.width}x{picture.height} pixels, but {said}.")


def _faults_of_length(offer: Offer, tiles: TileGrid, lasts: Fraction) -> Iterator[Fault]:
    """Every moment of the programme has its picture; the last may be left out when it would begin near the end."""
    each = tiles.columns * tiles.rows
    if tiles.every is None:
        every = max((piece.duration for piece in offer.pieces), default=Fraction(0)) / each
    else:
        every = tiles.every
    covered = sum((min(piece.duration, every * each) for piece in offer.pieces), Fraction(0))
    if lasts - covered >= every or not offer.pieces:
        told = f"{offer.manifest} offers {len(offer.pieces)} sheets of {each} pictures, one each {float(every):g} s: "
        told += f"{float(covered):.3f} s of the programme's {float(lasts):.3f} s."
        yield fault(Rule.THUMBNAILS, f"'{offer.name}'", told)
