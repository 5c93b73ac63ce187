"""What published manifests say, read as a player reads them: URLs, exact times, KIDs. Pure."""

import base64
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import m3u8
from lxml import etree

from packagers.dash import CLEAR_KEY_SCHEME, MP4_PROTECTION
from packagers.hls import CLEAR_KEY_FORMAT, WIDEVINE_FORMAT, attributes
from telecine.errors import PackageRejected
from telecine.protection import Kid

__all__ = ["Listing", "Multivariant", "read_dash", "read_master", "read_playlist"]

_MPD = "urn:mpeg:dash:schema:mpd:2011"
_CENC = "urn:mpeg:cenc:2013"
_PSSH = f"{{{_CENC}}}pssh"
_LAURL = "{https://dashif.org/CPS}Laurl"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)
_SECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Listing:
    """One track as a manifest lists it. Paths are relative to the package; durations are exact in DASH only."""

    init: str
    segments: tuple[str, ...]
    durations: tuple[Fraction, ...]
    kids: frozenset[Kid]


@dataclass(frozen=True, slots=True)
class Multivariant:
    """The playlists that a multivariant playlist offers, each once, and the KIDs of its session keys."""

    playlists: tuple[str, ...]
    kids: frozenset[Kid]


def read_dash(content: bytes, scheme: str) -> tuple[Listing, ...]:
    """Every representation of an MPD. Raises PackageRejected with all that a Clear Key player would stumble over."""
    try:
        root = etree.fromstring(content, _PARSER)
    except etree.XMLSyntaxError as error:
        message = f"The DASH manifest is not well-formed XML: {error}."
        raise PackageRejected(message) from None
    faults = [fault for found in _protected(root) for fault in _faults_of_set(found, scheme)]
    if root.get("type") != "static":
        faults.append(f"The DASH manifest should be static, but says '{root.get('type')}'.")
    if faults:
        raise PackageRejected(*faults)
    return tuple(_representation(one) for found in _protected(root) for one in found.iter(f"{{{_MPD}}}Representation"))


def read_master(text: str) -> Multivariant:
    """A multivariant playlist. Raises PackageRejected when it is not one, or an audio group it names is absent."""
    parsed = _parsed(text, "master playlist")
    groups = {media.group_id for media in parsed.media}
    missing = {variant.stream_info.audio for variant in parsed.playlists} - groups - {None}
    if not parsed.playlists or missing:
        wrong = f"the audio group {', '.join(missing)}" if missing else "any variant"
        message = f"The HLS master playlist does not have {wrong}."
        raise PackageRejected(message)
    offered = [media.uri for media in parsed.media if media.uri and media.type != "SUBTITLES"] + [
        variant.uri for variant in parsed.playlists
    ]
    return Multivariant(tuple(dict.fromkeys(offered)), _kids(text, "#EXT-X-SESSION-KEY:", "The HLS master playlist"))


def read_playlist(text: str, path: str) -> Listing:
    """A media playlist at ``path``. Raises PackageRejected when it is cut or has no init segment."""
    parsed = _parsed(text, path)
    maps = {found.uri for found in parsed.segment_map}
    if not parsed.is_endlist or len(maps) != 1:
        message = f"The HLS playlist {path} should end and have one init segment; it has {len(maps)}."
        raise PackageRejected(message)
    base = posixpath.dirname(path)
    return Listing(
        init=_resolved(base, maps.pop()),
        segments=tuple(_resolved(base, segment.uri) for segment in parsed.segments),
        durations=tuple(Fraction(round(segment.duration * _SECONDS), _SECONDS) for segment in parsed.segments),
        kids=_kids(text, "#EXT-X-KEY:", f"The HLS playlist {path}"),
    )


def _protected(root: etree._Element) -> list[etree._Element]:
    """Sets of picture and sound: text and thumbnails are never encrypted."""
    sets = root.iter(f"{{{_MPD}}}AdaptationSet")
    return [found for found in sets if found.get("contentType") not in {"text", "image"}]


def _faults_of_set(adaptation_set: etree._Element, scheme: str) -> Iterator[str]:
    name = f"Adaptation set {adaptation_set.get('id')} of the DASH manifest"
    descriptors = {found.get("schemeIdUri"): found for found in adaptation_set.iter(f"{{{_MPD}}}ContentProtection")}
    common, clear_key = descriptors.get(MP4_PROTECTION), descriptors.get(CLEAR_KEY_SCHEME)
    if common is None or common.get("value") != scheme or not common.get(f"{{{_CENC}}}default_KID"):
        yield f"{name} does not say scheme {scheme} and a default KID."
    if clear_key is None or not clear_key.findtext(_LAURL) or clear_key.find(_PSSH) is not None:
        yield f"{name} should have a Clear Key descriptor with a licence URL and no pssh."


def _representation(found: etree._Element) -> Listing:
    template = found.find(f"{{{_MPD}}}SegmentTemplate")
    if template is None:
        message = f"Representation {found.get('id')} of the DASH manifest has no SegmentTemplate."
        raise PackageRejected(message)
    protection = next(found.iterancestors(f"{{{_MPD}}}AdaptationSet")).iter(f"{{{_MPD}}}ContentProtection")
    kids = {one.get(f"{{{_CENC}}}default_KID", "").replace("-", "") for one in protection}
    first, timescale = int(template.get("startNumber", "1")), int(template.get("timescale", "1"))
    durations = tuple(
        Fraction(int(entry.get("d", "0")), timescale)
        for entry in template.iter(f"{{{_MPD}}}S")
        for _ in range(int(entry.get("r", "0")) + 1)
    )
    media = template.get("media", "")
    return Listing(
        init=_resolved("", template.get("initialization", "")),
        segments=tuple(_resolved("", media.replace("$Number$", str(first + n))) for n in range(len(durations))),
        durations=durations,
        kids=frozenset(kids - {""}),
    )


def _kids(text: str, tag: str, name: str) -> frozenset[Kid]:
    """KIDs that the Clear Key and the Widevine lines of a playlist agree on; an identity line would hand out a key."""
    lines = [line for line in text.splitlines() if line.startswith(tag)]
    given = [attributes(line) for line in lines]
    formats = [found.get("KEYFORMAT", "identity") for found in given]
    if "identity" in formats or len(set(lines)) != len(lines):
        message = f"{name} has an identity key line, or one line twice."
        raise PackageRejected(message)
    clear_key = {
        base64.b64decode(found["URI"].partition(",")[2]).hex()
        for found in given
        if found.get("KEYFORMAT") == CLEAR_KEY_FORMAT
    }
    mapped = {
        found.get("KEYID", "").removeprefix("0x").lower()
        for found in given
        if found.get("KEYFORMAT") == WIDEVINE_FORMAT
    }
    if not mapped or not mapped <= clear_key:
        message = f"{name} names KIDs {sorted(clear_key)} for Clear Key, but {sorted(mapped)} for players that map it."
        raise PackageRejected(message)
    return frozenset(clear_key)


def _parsed(text: str, name: str) -> m3u8.M3U8:
    try:
        return m3u8.M3U8(text.replace(",FORMAT=RAW", ""), strict=True)  # of RFC 8216bis, which it does not know
    except Exception as error:  # noqa: BLE001 - its strict mode raises bare exceptions of several kinds
        message = f"The HLS {name} breaks RFC 8216: {error}."
        raise PackageRejected(message) from None


def _resolved(base: str, url: str) -> str:
    """A URL as a path inside the package. Raises PackageRejected when it leaves it."""
    path = posixpath.normpath(posixpath.join(base, url))
    if not url or "://" in url or path.startswith(("/", "..")):
        message = f"A manifest names '{url}', which is no relative URL inside the package."
        raise PackageRejected(message)
    return path
