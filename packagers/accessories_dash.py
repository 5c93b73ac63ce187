"""Adaptation sets of text and thumbnails (ISO/IEC 23009-1; DASH-IF IOP, part 5, 6.2.6). Pure."""

from itertools import groupby

from lxml import etree

from packagers.accessories import Extras, TextStream, Tiles
from packagers.stpp import CODECS

__all__ = ["TILE_SCHEME", "with_dash_accessories"]

TILE_SCHEME = "http://dashif.org/guidelines/thumbnail_tile"

_MPD = "urn:mpeg:dash:schema:mpd:2011"
_ROLE = "urn:mpeg:dash:role:2011"
_ROLES = {"subtitles": "subtitle", "captions": "caption", "forced": "forced-subtitle"}
_PURPOSE = "urn:tva:metadata:cs:AudioPurposeCS:2007"
_HARD_OF_HEARING = "2"
_PARSER = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True)


def with_dash_accessories(mpd: bytes, extras: Extras, base: str = "") -> bytes:
    """The MPD with a set for each track of text and for the thumbnails; as it is where there is neither.

    ``base`` leads from the MPD's folder to theirs.
    """
    if not extras.texts and extras.tiles is None:
        return mpd
    root = etree.fromstring(mpd, _PARSER)
    period = root.find(f"{{{_MPD}}}Period")
    if period is None:
        message = "The MPD to which text was to be added has no period."
        raise ValueError(message)
    number = len(period.findall(f"{{{_MPD}}}AdaptationSet"))
    sets = [_text(stream, base) for stream in extras.texts] + ([_tiles(extras.tiles, base)] if extras.tiles else [])
    for made in sets:
        number += 1
        made.set("id", str(number))
        period.append(made)
    etree.indent(root, "  ")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


def _text(stream: TextStream, base: str) -> etree._Element:
    track = stream.track
    made = etree.Element(f"{{{_MPD}}}AdaptationSet", contentType="text", lang=track.language, segmentAlignment="true")
    if track.kind == "captions":
        etree.SubElement(made, f"{{{_MPD}}}Accessibility", schemeIdUri=_PURPOSE, value=_HARD_OF_HEARING)
    etree.SubElement(made, f"{{{_MPD}}}Role", schemeIdUri=_ROLE, value=_ROLES[track.kind])
    etree.SubElement(made, f"{{{_MPD}}}Label").text = track.title
    made[:] = sorted(made, key=lambda child: etree.QName(child).localname != "Label")  # labels come first
    template = etree.SubElement(
        made,
        f"{{{_MPD}}}SegmentTemplate",
        timescale=str(stream.grid.timescale),
        initialization=base + stream.init_path,
        media=base + stream.segment_template,
        startNumber="1",
    )
    timeline = etree.SubElement(template, f"{{{_MPD}}}SegmentTimeline")
    for index, (ticks, same) in enumerate(groupby(stream.grid.ticks)):
        times = {"d": str(ticks)} if index else {"t": "0", "d": str(ticks)}
        entry = etree.SubElement(timeline, f"{{{_MPD}}}S", times)
        if (repeats := len(list(same)) - 1) > 0:
            entry.set("r", str(repeats))
    etree.SubElement(
        made,
        f"{{{_MPD}}}Representation",
        id=f"text-{track.name}",
        bandwidth=str(stream.peak_bps),
        codecs=CODECS,
        mimeType="application/mp4",
    )
    return made


def _tiles(tiles: Tiles, base: str) -> etree._Element:
    made = etree.Element(f"{{{_MPD}}}AdaptationSet", contentType="image", mimeType="image/jpeg")
    etree.SubElement(
        made, f"{{{_MPD}}}SegmentTemplate", media=base + tiles.template, duration=str(tiles.sheet_s), startNumber="1"
    )
    shown = etree.SubElement(
        made,
        f"{{{_MPD}}}Representation",
        id="thumbnails",
        bandwidth=str(tiles.peak_bps),
        width=str(tiles.width * tiles.columns),
        height=str(tiles.height * tiles.rows),
    )
    layout = f"{tiles.columns}x{tiles.rows}"
    etree.SubElement(shown, f"{{{_MPD}}}EssentialProperty", schemeIdUri=TILE_SCHEME, value=layout)
    return made
