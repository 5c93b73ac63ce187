"""Reads any playlist of a finished HLS title by the rules of RFC 8216bis and Apple's authoring specification. Pure."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from urllib.parse import urljoin

from packagers.evidence.clauses import Rule, fault
from packagers.evidence.documents import Fault, TrackKind
from packagers.evidence.offers import Named, Offer, Piece, Ref, TileGrid, Variant
from packagers.evidence.playlist_rules import (
    faults_of_attributes,
    faults_of_durations,
    faults_of_end,
    faults_of_groups,
    faults_of_key,
    faults_of_media,
    faults_of_session_keys,
    faults_of_trick,
    faults_of_variant,
    faults_of_variants,
    faults_of_version,
    tag_value,
    whole_number,
)
from packagers.hls import attributes
from packagers.signals import kids_named
from telecine.drm import KEY_FORMATS
from telecine.errors import PackageRejected
from telecine.protection import Kid

__all__ = ["Multivariant", "read_media_playlist", "read_multivariant"]

_MULTIVARIANT = ("#EXT-X-STREAM-INF:", "#EXT-X-MEDIA:", "#EXT-X-I-FRAME-STREAM-INF:")
_MEDIA = ("#EXTINF:", "#EXT-X-TARGETDURATION:", "#EXT-X-MAP:")
_ONCE = (
    "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-PLAYLIST-TYPE", "#EXT-X-ENDLIST", "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-I-FRAMES-ONLY",
)  # fmt: skip
_SECONDS = re.compile(r"\d+(\.\d+)?")
_PAIR = re.compile(r"([1-9]\d*)x([1-9]\d*)")
_KINDS: dict[str, TrackKind] = {"AUDIO": "audio", "SUBTITLES": "text", "VIDEO": "video"}


@dataclass(frozen=True, slots=True)
class Multivariant:
    """A multivariant playlist: every playlist it names, once; its variants; KIDs of session keys."""

    url: str
    named: tuple[Named, ...]
    variants: tuple[Variant, ...]
    session_kids: frozenset[str]
    independent: bool
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class _Segments:
    """What the lines of a media playlist build up."""

    base: str
    where: str
    pieces: list[Piece] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    maps: list[Ref] = field(default_factory=list)
    duration: Fraction | None = None
    span: tuple[int, int] | None = None
    next_byte: dict[str, int] = field(default_factory=dict)


def read_multivariant(content: bytes, url: str) -> Multivariant:
    """A multivariant playlist; breaches of the standards as faults, never as an exception."""
    lines, faults = _lines(content, url)
    given = [(line, attributes(line)) for line in lines if line.startswith("#")]
    media = [found for line, found in given if line.startswith("#EXT-X-MEDIA:")]
    faults += [broken for found in media for broken in faults_of_media(found, url)]
    faults += faults_of_groups(media, url)
    groups: dict[tuple[str, str], list[str]] = {}
    for found in media:
        if "URI" in found:
            groups.setdefault((found.get("TYPE", ""), found.get("GROUP-ID", "")), []).append(urljoin(url, found["URI"]))
    known = {(found.get("TYPE", ""), found.get("GROUP-ID", "")) for found in media}
    variants, named = _variants(lines, url, groups, known, faults)
    named += [Named(urljoin(url, m["URI"]), _KINDS.get(m.get("TYPE", ""), "text")) for m in media if "URI" in m]
    tricks = [found for line, found in given if line.startswith("#EXT-X-I-FRAME-STREAM-INF:")]
    named += [Named(urljoin(url, found.get("URI", "")), "trick", found.get("CODECS", "")) for found in tricks]
    faults += [broken for found in tricks for broken in faults_of_trick(found, url)]
    if any(one.kind == "video" for one in named) and not tricks:
        faults.append(fault(Rule.HLS_TRICK, url, "it has no EXT-X-I-FRAME-STREAM-INF."))
    tiles = [found for line, found in given if line.startswith("#EXT-X-IMAGE-STREAM-INF:")]
    named += [Named(urljoin(url, found.get("URI", "")), "image", found.get("CODECS", "")) for found in tiles]
    keys = [(line, found) for line, found in given if line.startswith("#EXT-X-SESSION-KEY:")]
    faults += faults_of_session_keys(keys, url)
    return Multivariant(
        url=url,
        named=tuple({one.url: one for one in named}.values()),
        variants=tuple(variants),
        session_kids=frozenset(kid for _, found in keys for kid in _kids(found, session=True)),
        independent="#EXT-X-INDEPENDENT-SEGMENTS" in lines,
        faults=tuple(faults),
    )


def read_media_playlist(content: bytes, named: Named) -> tuple[Offer, tuple[Fault, ...]]:
    """A media playlist as an offer, and its breaches. What cannot be read of it is left out, with a fault."""
    url = named.url
    lines, faults = _lines(content, url)
    built = _Segments(base=url, where=url, faults=faults)
    for line in lines:
        _read_line(built, line)
    if built.duration is not None:
        faults.append(fault(Rule.HLS_EXTINF, url, "its last EXTINF has no URI: it is cut short."))
    target = whole_number(tag_value(lines, "#EXT-X-TARGETDURATION:"))
    faults += faults_of_end(lines, named, target)
    faults += faults_of_durations(built.pieces, target, url)
    keys = [attributes(line) for line in lines if line.startswith("#EXT-X-KEY:")]
    faults += [broken for found in keys for broken in faults_of_key(found, url)]
    encrypted = [found for found in keys if found.get("METHOD") != "NONE"]
    fragmented = any(
        piece.ref.url.partition("?")[0].endswith((".m4s", ".mp4", ".cmfv", ".cmfa")) for piece in built.pieces
    )
    if fragmented and len(set(built.maps)) != 1:
        faults.append(fault(Rule.HLS_MAP, url, f"it has {len(set(built.maps))} init segments where 1 was expected."))
    offer = Offer(
        manifest=url,
        name=url.rpartition("/")[2].partition(".")[0],
        kind=named.kind,
        codecs=named.codecs,
        init=built.maps[0] if built.maps else None,
        pieces=tuple(built.pieces),
        times="extinf",
        kids=frozenset(kid for found in encrypted for kid in _kids(found)),
        scheme=_scheme(encrypted),
        target=target,
        tiles=_tiles(tag_value(lines, "#EXT-X-TILES:")),
    )
    return offer, tuple(faults)


def _lines(content: bytes, url: str) -> tuple[list[str], list[Fault]]:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return [], [fault(Rule.HLS_EXTM3U, url, "it is not UTF-8.")]
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    faults = []
    if not lines or lines[0] != "#EXTM3U":
        faults.append(fault(Rule.HLS_EXTM3U, url, f"it begins with '{lines[0][:40] if lines else ''}'."))
    kinds = [any(line.startswith(tags) for line in lines) for tags in (_MULTIVARIANT, _MEDIA)]
    if kinds[0] == kinds[1]:
        found = "it has tags of both kinds." if kinds[0] else "it has tags of neither kind."
        faults.append(fault(Rule.HLS_TAGS, url, found))
    for tag in _ONCE:
        count = sum(line.partition(":")[0] == tag for line in lines)
        if count > 1:
            faults.append(
                fault(Rule.HLS_VERSION if "VERSION" in tag else Rule.HLS_TAGS, url, f"{tag} is there {count} times.")
            )
    faults += faults_of_version(lines, url)
    faults += [broken for line in lines if line.startswith("#EXT-X-") for broken in faults_of_attributes(line, url)]
    return lines, faults


def _variants(
    lines: list[str],
    url: str,
    groups: Mapping[tuple[str, str], list[str]],
    known: set[tuple[str, str]],
    faults: list[Fault],
) -> tuple[list[Variant], list[Named]]:
    variants: list[Variant] = []
    named: list[Named] = []
    offered: list[dict[str, str]] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith("#EXT-X-STREAM-INF:"):
            continue
        found = attributes(line)
        where = f"{url}, variant {following}"
        playlist = urljoin(url, following)
        used = [(kind, found[kind]) for kind in ("AUDIO", "SUBTITLES", "VIDEO") if kind in found]
        if not following or following.startswith("#") or not found.get("BANDWIDTH", "").isdecimal():
            faults.append(fault(Rule.HLS_VARIANT, where, "it has no URI or no BANDWIDTH."))
            continue
        absent = [name for kind, name in used if (kind, name) not in known]
        if absent:
            faults.append(fault(Rule.HLS_VARIANT, where, f"it names the group {', '.join(absent)}, which is absent."))
        sounds = [tuple(groups.get((kind, name), ())) for kind, name in used if kind == "AUDIO"]
        others = [one for one in sounds if one and playlist not in one]
        variants.append(
            Variant(
                where, playlist, tuple(others), int(found["BANDWIDTH"]), whole_number(found.get("AVERAGE-BANDWIDTH"))
            )
        )
        pictured = "RESOLUTION" in found or not any(playlist in one for one in sounds)
        faults += faults_of_variant(found, where, pictured=pictured)
        offered.append(found)
        codecs = found.get("CODECS", "")
        named.append(Named(playlist, "video" if pictured else "audio", codecs, _height(found)))
    faults += faults_of_variants(offered, named, url)
    return variants, named


def _read_line(built: _Segments, line: str) -> None:
    if line.startswith("#EXTINF:"):
        text = line.partition(":")[2].partition(",")[0]
        if built.duration is not None or not _SECONDS.fullmatch(text):
            built.faults.append(fault(Rule.HLS_EXTINF, built.where, f"'{line[:40]}' is no duration, or has no URI."))
        built.duration = Fraction(text) if _SECONDS.fullmatch(text) else None
    elif line.startswith("#EXT-X-BYTERANGE:"):
        size, _, first = line.partition(":")[2].partition("@")
        built.span = (int(first) if first else -1, int(size))
    elif line.startswith("#EXT-X-MAP:"):
        found = attributes(line)
        size, _, first = found.get("BYTERANGE", "").partition("@")
        built.maps.append(
            Ref(urljoin(built.base, found.get("URI", "")), (int(first or 0), int(size)) if size else None)
        )
    elif not line.startswith("#"):
        _read_uri(built, line)


def _read_uri(built: _Segments, line: str) -> None:
    url = urljoin(built.base, line)
    if built.duration is None:
        built.faults.append(fault(Rule.HLS_EXTINF, built.where, f"{line} has no EXTINF."))
        return
    span = built.span
    if span is not None:
        first = built.next_byte.get(url, 0) if span[0] < 0 else span[0]
        span = (first, span[1])
        built.next_byte[url] = first + span[1]
    built.pieces.append(Piece(Ref(url, span), built.duration))
    built.duration = built.span = None


def _kids(found: Mapping[str, str], *, session: bool = False) -> Iterator[Kid]:
    """KIDs a key line names; none where its key system is not known here, or its vendor hides them.

    A Widevine line with a KEYID is of that key; as a session key it stands for all keys of its box.
    """
    key_format = found.get("KEYFORMAT", "")
    told = [found["KEYID"].removeprefix("0x").removeprefix("0X").lower()] if found.get("KEYID") else []
    yield from told
    if told and key_format == KEY_FORMATS["widevine"] and not session:
        return
    with contextlib.suppress(PackageRejected, ValueError):
        yield from kids_named(key_format, found.get("URI", ""))


def _scheme(keys: Iterable[Mapping[str, str]]) -> str | None:
    methods = {found.get("METHOD") for found in keys}
    return (
        {"SAMPLE-AES": "cbcs", "SAMPLE-AES-CTR": "cenc"}.get(next(iter(methods)) or "") if len(methods) == 1 else None
    )


def _tiles(said: str) -> TileGrid | None:
    """How a sheet of thumbnails is laid out; RESOLUTION is of one picture on it."""
    found = attributes(f"#EXT-X-TILES:{said}") if said else {}
    size, layout = (_PAIR.fullmatch(found.get(name, "")) for name in ("RESOLUTION", "LAYOUT"))
    if size is None or layout is None:
        return None
    columns, rows = int(layout[1]), int(layout[2])
    every = found.get("DURATION", "")
    seconds = Fraction(every) if _SECONDS.fullmatch(every) else None
    return TileGrid(columns, rows, int(size[1]) * columns, int(size[2]) * rows, seconds)


def _height(found: Mapping[str, str]) -> int:
    return whole_number(found.get("RESOLUTION", "").partition("x")[2]) or 0
