"""Reads any static MPD with segment templates or lists, ours or another packager's (ISO/IEC 23009-1). Pure."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from urllib.parse import urljoin

from lxml import etree

from packagers.accessories_dash import TILE_SCHEME
from packagers.dash import CLEAR_KEY_SCHEME, MP4_PROTECTION, TRICK_MODE
from packagers.evidence.clauses import Rule, fault
from packagers.evidence.documents import Fault, TrackKind
from packagers.evidence.offers import Manifest, Offer, Piece, Ref, TileGrid
from packagers.signals import CENC, CPS

__all__ = ["read_mpd"]

_MPD = "urn:mpeg:dash:schema:mpd:2011"
_LAURLS = (f"{{{CPS}}}Laurl", "{http://dashif.org/guidelines/clearKey}Laurl")
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_FIELD = re.compile(r"\$(RepresentationID|Number|Time|Bandwidth|)(?:%0(\d+)d)?\$")
_LAYOUT = re.compile(r"([1-9]\d*)x([1-9]\d*)")
_SIDECARS = {"text/vtt", "application/ttml+xml"}
_MOST_SEGMENTS = 200_000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a representation is: its manifest, its base URL, its period's start and length in seconds."""

    manifest: str
    base: str
    start: Fraction
    length: Fraction | None


def read_mpd(content: bytes, url: str) -> Manifest:
    """Every representation; breaches of the standard as faults, never as an exception."""
    try:
        root = etree.fromstring(content, _PARSER)
    except etree.XMLSyntaxError as error:
        return Manifest(url, (), (fault(Rule.DASH_XML, url, f"it is no XML: {error}."),))
    if root.tag != f"{{{_MPD}}}MPD":
        return Manifest(url, (), (fault(Rule.DASH_XML, url, f"its root is {root.tag}."),))
    faults: list[Fault] = []
    length = _seconds(root.get("mediaPresentationDuration"))
    if root.get("type", "static") != "static" or length is None:
        found = f"it is {root.get('type', 'static')} and lasts {root.get('mediaPresentationDuration')}."
        faults.append(fault(Rule.DASH_LENGTH, url, found))
    offers: list[Offer] = []
    for period, place in _periods(root, url, length):
        offers += [_offer(found, place, faults) for found in period.iter(f"{{{_MPD}}}Representation")]
        faults += _repeated_ids(period, url)
    faults += [
        broken for found in root.iter(f"{{{_MPD}}}AdaptationSet") for broken in _faults_of_protection(found, url)
    ]
    licences = [text for found in root.iter(*_LAURLS) if (text := (found.text or "").strip())]
    return Manifest(
        url=url,
        offers=tuple(offers),
        faults=tuple(faults),
        licence_urls=tuple(dict.fromkeys(licences)),
        duration=length,
        min_buffer=_seconds(root.get("minBufferTime")),
    )


def _periods(root: etree._Element, url: str, length: Fraction | None) -> Iterator[tuple[etree._Element, _Place]]:
    start = Fraction(0)
    for period in root.findall(f"{{{_MPD}}}Period"):
        start = _seconds(period.get("start")) or start
        lasts = _seconds(period.get("duration")) or (length - start if length is not None else None)
        base = _based(_based(url, root), period)
        yield period, _Place(url, base, start, lasts)
        start += lasts or 0


def _repeated_ids(period: etree._Element, url: str) -> list[Fault]:
    ids = [found.get("id", "") for found in period.iter(f"{{{_MPD}}}Representation")]
    return [
        fault(Rule.DASH_IDS, url, f"the id '{name}' is there {ids.count(name)} times.")
        for name in sorted({name for name in ids if ids.count(name) > 1})
    ]


def _offer(representation: etree._Element, place: _Place, faults: list[Fault]) -> Offer:
    adaptation_set = next(representation.iterancestors(f"{{{_MPD}}}AdaptationSet"))
    name = representation.get("id", "")
    base = _based(_based(place.base, adaptation_set), representation)
    init, pieces, times = _media(representation, adaptation_set, base, place)
    if not pieces:
        pieces = _sidecar(representation, adaptation_set, base, place)
    index = None if pieces else _index(representation, base)
    if not pieces and index is None:
        faults.append(
            fault(Rule.DASH_TIMELINE, f"{place.manifest}, representation {name}", "it lists no segment we can read.")
        )
    kids, scheme = _protection([*adaptation_set, *representation])
    bandwidth = representation.get("bandwidth", "")
    if not bandwidth.isdecimal():
        faults.append(fault(Rule.DASH_BANDWIDTH, f"{place.manifest}, representation {name}", "it has no @bandwidth."))
    return Offer(
        manifest=place.manifest,
        name=name,
        kind=_kind(representation, adaptation_set),
        codecs=_given(representation, adaptation_set, "codecs"),
        init=init or (index[0] if index else None),
        index=index[1] if index else None,
        pieces=pieces,
        times=times,
        kids=kids,
        scheme=scheme,
        bandwidth=int(bandwidth) if bandwidth.isdecimal() else None,
        media_type=_given(representation, adaptation_set, "mimeType"),
        tiles=_tiles(representation, adaptation_set),
        dependent=_given(representation, adaptation_set, "codingDependency") == "true",
    )


def _kind(representation: etree._Element, adaptation_set: etree._Element) -> TrackKind:
    mime = _given(representation, adaptation_set, "mimeType")
    codecs = _given(representation, adaptation_set, "codecs")
    said = {found.get("schemeIdUri") for found in [*adaptation_set, *representation]}
    if TRICK_MODE in said:
        return "trick"
    if mime.startswith("image/") or TILE_SCHEME in said:
        return "image"
    content = adaptation_set.get("contentType") or mime.partition("/")[0]
    if content == "text" or codecs.startswith(("stpp", "wvtt")) or mime in {"application/ttml+xml", "text/vtt"}:
        return "text"
    return "audio" if content == "audio" else "video"


def _given(representation: etree._Element, adaptation_set: etree._Element, name: str) -> str:
    """An attribute that a representation has from its set unless it has its own."""
    return representation.get(name) or adaptation_set.get(name) or ""


def _protection(children: list[etree._Element]) -> tuple[frozenset[str], str | None]:
    """KIDs and scheme that the descriptors of a set or representation name."""
    found = [child for child in children if child.tag == f"{{{_MPD}}}ContentProtection"]
    kids = {one.get(f"{{{CENC}}}default_KID", "").replace("-", "").lower() for one in found}
    scheme = next((one.get("value") for one in found if one.get("schemeIdUri") == MP4_PROTECTION), None)
    return frozenset(kids - {""}), scheme


def _faults_of_protection(adaptation_set: etree._Element, url: str) -> Iterator[Fault]:
    where = f"{url}, adaptation set {adaptation_set.get('id', '')}".rstrip()
    descriptors = list(adaptation_set.iter(f"{{{_MPD}}}ContentProtection"))
    common = [one for one in descriptors if one.get("schemeIdUri") == MP4_PROTECTION]
    if descriptors and not any(one.get("value") and one.get(f"{{{CENC}}}default_KID") for one in common):
        yield fault(Rule.DASH_PROTECTION, where, "it has descriptors, but none of mp4protection with a scheme and KID.")
    for one in descriptors:
        if (one.get("schemeIdUri") or "").lower() == CLEAR_KEY_SCHEME:
            licensed = any(one.findtext(name) for name in _LAURLS)
            if not licensed or one.find(f"{{{CENC}}}pssh") is not None:
                yield fault(Rule.DASH_CLEAR_KEY, where, "its Clear Key descriptor has no licence URL, or a pssh.")


def _media(
    representation: etree._Element, adaptation_set: etree._Element, base: str, place: _Place
) -> tuple[Ref | None, tuple[Piece, ...], str]:
    """Init segment, segments, and how far their times bind."""
    period = next(adaptation_set.iterancestors(f"{{{_MPD}}}Period"))
    levels = [
        found
        for level in (period, adaptation_set, representation)
        if (found := level.find(f"{{{_MPD}}}SegmentTemplate")) is not None
    ]
    if not levels:
        return _listed(representation, base)
    given = {str(name): str(value) for level in levels for name, value in level.attrib.items()}
    timeline = next(
        (found for level in reversed(levels) if (found := level.find(f"{{{_MPD}}}SegmentTimeline")) is not None), None
    )
    fields = {"RepresentationID": representation.get("id", ""), "Bandwidth": representation.get("bandwidth", "0")}
    opening = given.get("initialization")
    init = Ref(urljoin(base, _filled(opening, fields))) if opening else None
    pieces = tuple(_templated(given, timeline, fields, base, place))
    return init, pieces, "timeline" if timeline is not None else "nominal"


def _templated(
    given: Mapping[str, str], timeline: etree._Element | None, fields: Mapping[str, str], base: str, place: _Place
) -> Iterator[Piece]:
    timescale, number = int(given.get("timescale", "1")), int(given.get("startNumber", "1"))
    offset = int(given.get("presentationTimeOffset", "0"))
    for at, ticks in _times(given, timeline, timescale, place.length):
        named = {**fields, "Number": str(number), "Time": str(at)}
        url = urljoin(base, _filled(given.get("media", ""), named))
        yield Piece(Ref(url), Fraction(ticks, timescale), place.start + Fraction(at - offset, timescale))
        number += 1


def _times(
    given: Mapping[str, str], timeline: etree._Element | None, timescale: int, length: Fraction | None
) -> Iterator[tuple[int, int]]:
    """Start and ticks of each segment."""
    if timeline is None:
        ticks = int(given.get("duration", "0"))
        count = math.ceil((length or 0) * timescale / ticks) if ticks else 0
        for position in range(min(count, _MOST_SEGMENTS)):
            whole = int((length or 0) * timescale)
            yield position * ticks, min(ticks, whole - position * ticks)
        return
    at, end = 0, int(length * timescale) if length is not None else 0
    entries = timeline.findall(f"{{{_MPD}}}S")
    for entry in entries:
        at, ticks, repeats = int(entry.get("t", at)), int(entry.get("d", "0")), int(entry.get("r", "0"))
        if repeats < 0:
            repeats = math.ceil(Fraction(end - at, ticks)) - 1 if ticks else 0
        for _ in range(min(repeats + 1, _MOST_SEGMENTS)):
            yield at, ticks
            at += ticks


def _listed(representation: etree._Element, base: str) -> tuple[Ref | None, tuple[Piece, ...], str]:
    """A SegmentList; a SegmentBase has its index in the media."""
    found = representation.find(f"{{{_MPD}}}SegmentList")
    if found is None:
        return None, (), "nominal"
    opening = found.find(f"{{{_MPD}}}Initialization")
    init = None
    if opening is not None:
        init = Ref(urljoin(base, opening.get("sourceURL", "")), _span(opening.get("range")))
    ticks, timescale = int(found.get("duration", "0")), int(found.get("timescale", "1"))
    pieces = tuple(
        Piece(Ref(urljoin(base, one.get("media", "")), _span(one.get("mediaRange"))), Fraction(ticks, timescale))
        for one in found.findall(f"{{{_MPD}}}SegmentURL")
    )
    return init, pieces, "nominal"


def _sidecar(
    representation: etree._Element, adaptation_set: etree._Element, base: str, place: _Place
) -> tuple[Piece, ...]:
    """Text that is one file for the whole period, named by a BaseURL alone (ISO/IEC 23009-1, 5.3.9.1)."""
    told = _given(representation, adaptation_set, "mimeType") in _SIDECARS
    if not told or representation.find(f"{{{_MPD}}}BaseURL") is None:
        return ()
    return (Piece(Ref(base), place.length or Fraction(0), place.start),)


def _tiles(representation: etree._Element, adaptation_set: etree._Element) -> TileGrid | None:
    """How a sheet of thumbnails is laid out, where a descriptor says it whole."""
    said = (one for one in [*representation, *adaptation_set] if one.get("schemeIdUri") == TILE_SCHEME)
    layout = _LAYOUT.fullmatch(next((one.get("value", "") for one in said), ""))
    width, height = (_given(representation, adaptation_set, name) for name in ("width", "height"))
    if layout is None or not width.isdecimal() or not height.isdecimal():
        return None
    return TileGrid(int(layout[1]), int(layout[2]), int(width), int(height))


def _index(representation: etree._Element, base: str) -> tuple[Ref, Ref] | None:
    """Of a SegmentBase: init segment and index of its one file (ISO/IEC 23009-1, 5.3.9.2)."""
    found = representation.find(f"{{{_MPD}}}SegmentBase")
    if found is None:
        return None
    opening, index = found.find(f"{{{_MPD}}}Initialization"), _span(found.get("indexRange"))
    if opening is None or index is None:
        return None
    init = Ref(urljoin(base, opening.get("sourceURL") or base), _span(opening.get("range")))
    return init, Ref(base, index)


def _span(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    first, _, last = text.partition("-")
    return int(first), int(last) - int(first) + 1


def _filled(template: str, fields: Mapping[str, str]) -> str:
    """A URL of a template (ISO/IEC 23009-1, 5.3.9.4.4)."""

    def value(match: re.Match[str]) -> str:
        name, width = match.group(1), match.group(2)
        if not name:
            return "$"
        found = fields.get(name, "")
        return found.zfill(int(width)) if width else found

    return _FIELD.sub(value, template)


def _based(base: str, element: etree._Element) -> str:
    found = element.findtext(f"{{{_MPD}}}BaseURL")
    return urljoin(base, found.strip()) if found else base


def _seconds(text: str | None) -> Fraction | None:
    """An xs:duration without years and months."""
    match = _DURATION.fullmatch(text or "")
    if not text or match is None:
        return None
    days, hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
