"""What published manifests say, read as a player reads them: URLs, exact times, KIDs. Pure."""

import base64
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import m3u8
from lxml import etree

from packagers.dash import CLEAR_KEY_SCHEME, MP4_PROTECTION, TRICK_MODE
from packagers.hls import attributes
from packagers.pssh import kids_of, parse_pssh
from packagers.signals import CENC, CPS, PLAYREADY_XML, kids_named
from telecine.drm import CLEAR, KEY_FORMATS, SYSTEM_IDS, DrmSystem
from telecine.errors import PackageRejected
from telecine.protection import Kid

__all__ = ["Listing", "Multivariant", "read_dash", "read_master", "read_playlist", "resolved"]

_MPD = "urn:mpeg:dash:schema:mpd:2011"
_PSSH = f"{{{CENC}}}pssh"
_PRO = f"{{{PLAYREADY_XML}}}pro"
_LAURL = f"{{{CPS}}}Laurl"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)
_SECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Listing:
    """One track as a manifest lists it. Paths are relative to the package; durations are exact in DASH only.

    ``key_frames``: it is for seeking in pictures, each segment one key frame.
    """

    init: str
    segments: tuple[str, ...]
    durations: tuple[Fraction, ...]
    kids: frozenset[Kid]
    key_frames: bool = False


@dataclass(frozen=True, slots=True)
class Multivariant:
    """The playlists that a multivariant playlist offers, each once, and the KIDs of its session keys."""

    playlists: tuple[str, ...]
    kids: frozenset[Kid]


def read_dash(
    content: bytes, scheme: str, systems: Sequence[DrmSystem] | None = None, folder: str = ""
) -> tuple[Listing, ...]:
    """Every representation of an MPD. Raises PackageRejected with all that players of ``systems`` stumble over.

    ``folder``: where in the package the MPD lies, which its URLs are relative to.
    ``systems``: which DRM systems it should be signalled for, neither more nor fewer; None: those it has.
    """
    try:
        root = etree.fromstring(content, _PARSER)
    except etree.XMLSyntaxError as error:
        message = f"The DASH manifest is not well-formed XML: {error}."
        raise PackageRejected(message) from None
    faults = [fault for found in _protected(root) for fault in _faults_of_set(found, scheme, systems)]
    if root.get("type") != "static":
        faults.append(f"The DASH manifest should be static, but says '{root.get('type')}'.")
    if faults:
        raise PackageRejected(*faults)
    return tuple(
        _representation(one, folder) for found in _protected(root) for one in found.iter(f"{{{_MPD}}}Representation")
    )


def read_master(text: str, systems: Sequence[DrmSystem] | None = None, folder: str = "") -> Multivariant:
    """A multivariant playlist in ``folder`` of a package.

    Raises PackageRejected when it is not one, or an audio group it names is absent.
    """
    parsed = _parsed(text, "master playlist")
    groups = {media.group_id for media in parsed.media}
    missing = {variant.stream_info.audio for variant in parsed.playlists} - groups - {None}
    if not parsed.playlists or missing:
        wrong = f"the audio group {', '.join(missing)}" if missing else "any variant"
        message = f"The HLS master playlist does not have {wrong}."
        raise PackageRejected(message)
    offered = [media.uri for media in parsed.media if media.uri and media.type != "SUBTITLES"]
    offered += [variant.uri for variant in parsed.playlists] + [found.uri for found in parsed.iframe_playlists]
    kids = _kids(text, "#EXT-X-SESSION-KEY:", "The HLS master playlist", systems)
    return Multivariant(tuple(dict.fromkeys(resolved(folder, uri) for uri in offered)), kids)


def read_playlist(text: str, path: str, systems: Sequence[DrmSystem] | None = None) -> Listing:
    """A media playlist at ``path``. Raises PackageRejected when it is cut or has no init segment."""
    parsed = _parsed(text, path)
    maps = {found.uri for found in parsed.segment_map}
    if not parsed.is_endlist or len(maps) != 1:
        message = f"The HLS playlist {path} should end and have one init segment; it has {len(maps)}."
        raise PackageRejected(message)
    base = posixpath.dirname(path)
    return Listing(
        init=resolved(base, maps.pop()),
        segments=tuple(resolved(base, segment.uri) for segment in parsed.segments),
        durations=tuple(Fraction(round(segment.duration * _SECONDS), _SECONDS) for segment in parsed.segments),
        kids=_kids(text, "#EXT-X-KEY:", f"The HLS playlist {path}", systems),
        key_frames=bool(parsed.is_i_frames_only),
    )


def _protected(root: etree._Element) -> list[etree._Element]:
    """Sets of picture and sound: text and thumbnails are never encrypted."""
    sets = root.iter(f"{{{_MPD}}}AdaptationSet")
    return [found for found in sets if found.get("contentType") not in {"text", "image"}]


def _faults_of_set(adaptation_set: etree._Element, scheme: str, systems: Sequence[DrmSystem] | None) -> Iterator[str]:
    name = f"Adaptation set {adaptation_set.get('id')} of the DASH manifest"
    written = list(adaptation_set.iter(f"{{{_MPD}}}ContentProtection"))
    if scheme == CLEAR:
        if written:
            yield f"{name} should be in the clear, but has {len(written)} ContentProtection descriptors."
        return
    found = {one.get("schemeIdUri", ""): one for one in written}
    common, clear_key = found.get(MP4_PROTECTION), found.get(CLEAR_KEY_SCHEME)
    if common is None or common.get("value") != scheme or not common.get(f"{{{CENC}}}default_KID"):
        yield f"{name} does not say scheme {scheme} and a default KID."
    if clear_key is not None and (not clear_key.findtext(_LAURL) or clear_key.find(_PSSH) is not None):
        yield f"{name} should have a Clear Key descriptor with a licence URL and no pssh."
    expected = set(found) - {MP4_PROTECTION}
    if systems is not None:
        expected = {f"urn:uuid:{SYSTEM_IDS[system]}" for system in systems if system != "fairplay"}
    if set(found) - {MP4_PROTECTION} != expected or len(written) != len(found):
        yield f"{name} should have one descriptor each of {sorted(expected)}, but has {sorted(found)}."
    kid = (common.get(f"{{{CENC}}}default_KID", "") if common is not None else "").replace("-", "")
    for system in ("widevine", "playready"):
        yield from _faults_of_descriptor(name, system, kid, found.get(f"urn:uuid:{SYSTEM_IDS[system]}"))


def _faults_of_descriptor(
    name: str, system: Literal["widevine", "playready"], kid: Kid, descriptor: etree._Element | None
) -> Iterator[str]:
    """A box of the system that lists the set's KID (a vendor's may list none); PlayReady's object is the box's."""
    if descriptor is None:
        return
    try:
        box = parse_pssh(base64.b64decode(descriptor.findtext(_PSSH) or ""))
        listed = kids_of(box)
    except (PackageRejected, ValueError) as error:
        yield f"{name} has no {system} pssh that can be read: {error}"
        return
    if box.system != SYSTEM_IDS[system] or (listed and kid not in listed):
        yield f"{name} should have a {system} pssh for KID {kid}, but it is of {box.system} for {', '.join(listed)}."
    if system == "playready" and base64.b64decode(descriptor.findtext(_PRO) or "") != box.payload:
        yield f"{name} should have the PlayReady Object of its pssh as mspr:pro, but has another."


def _representation(found: etree._Element, folder: str) -> Listing:
    template = found.find(f"{{{_MPD}}}SegmentTemplate")
    if template is None:
        message = f"Representation {found.get('id')} of the DASH manifest has no SegmentTemplate."
        raise PackageRejected(message)
    within = next(found.iterancestors(f"{{{_MPD}}}AdaptationSet"))
    protection = within.iter(f"{{{_MPD}}}ContentProtection")
    essential = {one.get("schemeIdUri") for one in within.iter(f"{{{_MPD}}}EssentialProperty")}
    kids = {one.get(f"{{{CENC}}}default_KID", "").replace("-", "") for one in protection}
    first, timescale = int(template.get("startNumber", "1")), int(template.get("timescale", "1"))
    durations = tuple(
        Fraction(int(entry.get("d", "0")), timescale)
        for entry in template.iter(f"{{{_MPD}}}S")
        for _ in range(int(entry.get("r", "0")) + 1)
    )
    media = template.get("media", "")
    return Listing(
        init=resolved(folder, template.get("initialization", "")),
        segments=tuple(resolved(folder, media.replace("$Number$", str(first + n))) for n in range(len(durations))),
        durations=durations,
        kids=frozenset(kids - {""}),
        key_frames=TRICK_MODE in essential,
    )


def _kids(text: str, tag: str, name: str, systems: Sequence[DrmSystem] | None) -> frozenset[Kid]:
    """KIDs that the key lines of all systems agree on; an identity line would hand out a key.

    Where there should be no system, as in the clear, there may be no line.
    """
    lines = [line for line in text.splitlines() if line.startswith(tag)]
    given = [attributes(line) for line in lines]
    formats = {found.get("KEYFORMAT", "identity") for found in given}
    if "identity" in formats or len(set(lines)) != len(lines):
        message = f"{name} has an identity key line, or one line twice."
        raise PackageRejected(message)
    wanted = set(systems or ())
    if "clearkey" in wanted:
        wanted.add("widevine")  # the page of shaka-player maps it
    expected = {KEY_FORMATS[system] for system in wanted} if systems is not None else formats & {*KEY_FORMATS.values()}
    if systems is not None and not systems and not lines:
        return frozenset()
    if formats != expected or not formats:
        message = f"{name} should have key lines of {sorted(expected)}, but has {sorted(formats)}."
        raise PackageRejected(message)
    named: dict[str, set[Kid]] = {found: set() for found in sorted(formats)}
    for found in given:
        named[found["KEYFORMAT"]] |= _named_kids(found, name, session=tag.startswith("#EXT-X-SESSION"))
    told = [(key_format, kids) for key_format, kids in named.items() if kids]
    wrong = [one for one in told if one[1] != told[0][1]]
    if wrong or not told:
        message = f"{name} names different KIDs: " + "; ".join(f"{sorted(kids)} for {one}" for one, kids in told)
        raise PackageRejected(f"{message}.")
    return frozenset(told[0][1])


def _named_kids(line: Mapping[str, str], name: str, *, session: bool) -> set[Kid]:
    """KIDs of one key line; none where its vendor hides them.

    A session key of Widevine stands for all KIDs of its box, as keys with one box are written once there.
    """
    key_format = line["KEYFORMAT"]
    try:
        named = set(kids_named(key_format, line.get("URI", "")))
    except (PackageRejected, ValueError) as error:
        message = f"{name} has a key line of {key_format} that cannot be read: {error}."
        raise PackageRejected(message) from None
    if key_format != KEY_FORMATS["widevine"]:
        return named
    said = {line.get("KEYID", "").removeprefix("0x").lower()} - {""}
    if named and not said <= named:
        message = f"{name} names KID {', '.join(said)} for a Widevine box of {sorted(named)}."
        raise PackageRejected(message)
    return named if session and named else said or named


def _parsed(text: str, name: str) -> m3u8.M3U8:
    try:
        return m3u8.M3U8(text.replace(",FORMAT=RAW", ""), strict=True)  # of RFC 8216bis, which it does not know
    except Exception as error:  # noqa: BLE001 - its strict mode raises bare exceptions of several kinds
        message = f"The HLS {name} breaks RFC 8216: {error}."
        raise PackageRejected(message) from None


def resolved(base: str, url: str) -> str:
    """A URL in a file of the folder ``base`` as a path inside the package. Raises PackageRejected when it leaves it."""
    path = posixpath.normpath(posixpath.join(base, url))
    if not url or "://" in url or path.startswith(("/", "..")):
        message = f"A manifest names '{url}', which is no relative URL inside the package."
        raise PackageRejected(message)
    return path
