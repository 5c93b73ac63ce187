"""Reads any playlist of a finished HLS title by the rules of RFC 8216bis and Apple's authoring specification. Pure."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from urllib.parse import urljoin

from packagers.evidence.clauses import Rule, fault
from packagers.evidence.documents import Fault, TrackKind
from packagers.evidence.offers import Offer, Piece, Ref, Variant
from packagers.hls import CLEAR_KEY_FORMAT, attributes

__all__ = ["Multivariant", "Named", "read_media_playlist", "read_multivariant"]

_MULTIVARIANT = ("#EXT-X-STREAM-INF:", "#EXT-X-MEDIA:", "#EXT-X-I-FRAME-STREAM-INF:")
_MEDIA = ("#EXTINF:", "#EXT-X-TARGETDURATION:", "#EXT-X-MAP:")
_ONCE = (
    "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-PLAYLIST-TYPE", "#EXT-X-ENDLIST", "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-I-FRAMES-ONLY",
)  # fmt: skip
_NAME = re.compile(r"([A-Z0-9-]+)=(?:\"[^\"]*\"|[^\",]*)")
_SECONDS = re.compile(r"\d+(\.\d+)?")
_KINDS: dict[str, TrackKind] = {"AUDIO": "audio", "SUBTITLES": "text", "VIDEO": "video"}
_TEXT_CODECS = ("stpp", "wvtt")
_FOR_RANGES, _FOR_MAPS = 4, 6
_HD_HEIGHT = 720


@dataclass(frozen=True, slots=True)
class Named:
    """A media playlist as the multivariant playlist names it."""

    url: str
    kind: TrackKind
    codecs: str = ""
    height: int = 0


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
    faults += [broken for found in media for broken in _faults_of_media(found, url)]
    faults += _faults_of_groups(media, url)
    groups: dict[tuple[str, str], list[str]] = {}
    for found in media:
        if "URI" in found:
            groups.setdefault((found.get("TYPE", ""), found.get("GROUP-ID", "")), []).append(urljoin(url, found["URI"]))
    known = {(found.get("TYPE", ""), found.get("GROUP-ID", "")) for found in media}
    variants, named = _variants(lines, url, groups, known, faults)
    named += [Named(urljoin(url, m["URI"]), _KINDS.get(m.get("TYPE", ""), "text")) for m in media if "URI" in m]
    tricks = [found for line, found in given if line.startswith("#EXT-X-I-FRAME-STREAM-INF:")]
    named += [Named(urljoin(url, found.get("URI", "")), "trick", found.get("CODECS", "")) for found in tricks]
    faults += [broken for found in tricks for broken in _faults_of_trick(found, url)]
    if any(one.kind == "video" for one in named) and not tricks:
        faults.append(fault(Rule.HLS_TRICK, url, "it has no EXT-X-I-FRAME-STREAM-INF."))
    tiles = [found for line, found in given if line.startswith("#EXT-X-IMAGE-STREAM-INF:")]
    named += [Named(urljoin(url, found.get("URI", "")), "image", found.get("CODECS", "")) for found in tiles]
    keys = [(line, found) for line, found in given if line.startswith("#EXT-X-SESSION-KEY:")]
    faults += _faults_of_session_keys(keys, url)
    return Multivariant(
        url=url,
        named=tuple({one.url: one for one in named}.values()),
        variants=tuple(variants),
        session_kids=frozenset(kid for _, found in keys for kid in _kids(found)),
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
    target = _whole(_value(lines, "#EXT-X-TARGETDURATION:"))
    faults += _faults_of_end(lines, named, target)
    faults += _faults_of_durations(built.pieces, target, url)
    keys = [attributes(line) for line in lines if line.startswith("#EXT-X-KEY:")]
    faults += [broken for found in keys for broken in _faults_of_key(found, url)]
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
    faults += _faults_of_version(lines, url)
    faults += [broken for line in lines if line.startswith("#EXT-X-") for broken in _faults_of_attributes(line, url)]
    return lines, faults


def _faults_of_version(lines: list[str], url: str) -> Iterator[Fault]:
    needed = {
        "#EXT-X-BYTERANGE:": _FOR_RANGES, "#EXT-X-I-FRAMES-ONLY": _FOR_RANGES,
        "#EXT-X-MAP:": 5 if "#EXT-X-I-FRAMES-ONLY" in lines else _FOR_MAPS,
    }  # fmt: skip
    least = max((version for tag, version in needed.items() if any(line.startswith(tag) for line in lines)), default=1)
    said = _whole(_value(lines, "#EXT-X-VERSION:")) or 1
    if said < least:
        yield fault(Rule.HLS_VERSION, url, f"it says version {said}, but its tags need {least}.")


def _faults_of_attributes(line: str, url: str) -> Iterator[Fault]:
    names = _NAME.findall(line.partition(":")[2])
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        yield fault(Rule.HLS_ATTRIBUTES, url, f"{line.partition(':')[0]} has {', '.join(repeated)} more than once.")


def _faults_of_media(found: Mapping[str, str], url: str) -> Iterator[Fault]:
    name = f"EXT-X-MEDIA '{found.get('NAME', '')}'"
    missing = [wanted for wanted in ("TYPE", "GROUP-ID", "NAME") if not found.get(wanted)]
    if missing or (found.get("TYPE") == "SUBTITLES" and "URI" not in found):
        yield fault(Rule.HLS_MEDIA, url, f"{name} lacks {', '.join(missing) or 'URI'}.")
    if found.get("DEFAULT") == "YES" and found.get("AUTOSELECT") == "NO":
        yield fault(Rule.HLS_MEDIA, url, f"{name} is the default, yet not selected by itself.")
    if found.get("TYPE") != "VIDEO" and not found.get("LANGUAGE"):
        yield fault(Rule.HLS_LANGUAGE, url, f"{name} has no LANGUAGE.")


def _faults_of_groups(media: list[dict[str, str]], url: str) -> Iterator[Fault]:
    groups: dict[tuple[str | None, str | None], list[dict[str, str]]] = {}
    for found in media:
        groups.setdefault((found.get("TYPE"), found.get("GROUP-ID")), []).append(found)
    for (_, group), members in groups.items():
        names = [found.get("NAME") for found in members]
        defaults = sum(found.get("DEFAULT") == "YES" for found in members)
        if len(set(names)) != len(names) or defaults > 1:
            yield fault(Rule.HLS_GROUP, url, f"group '{group}' has {defaults} defaults and the names {names}.")


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
            Variant(where, playlist, tuple(others), int(found["BANDWIDTH"]), _whole(found.get("AVERAGE-BANDWIDTH")))
        )
        pictured = "RESOLUTION" in found or not any(playlist in one for one in sounds)
        faults += _faults_of_variant(found, where, pictured=pictured)
        offered.append(found)
        codecs = found.get("CODECS", "")
        named.append(Named(playlist, "video" if pictured else "audio", codecs, _height(found)))
    faults += _faults_of_variants(offered, named, url)
    return variants, named


def _faults_of_variant(found: Mapping[str, str], where: str, *, pictured: bool) -> Iterator[Fault]:
    if not found.get("CODECS"):
        yield fault(Rule.HLS_CODECS, where, "it has no CODECS.")
    if "AVERAGE-BANDWIDTH" not in found:
        yield fault(Rule.HLS_HAS_AVERAGE, where, "it has no AVERAGE-BANDWIDTH.")
    if pictured and "RESOLUTION" not in found:
        yield fault(Rule.HLS_RESOLUTION, where, "it has no RESOLUTION.")
    if pictured and "FRAME-RATE" not in found:
        yield fault(Rule.HLS_FRAME_RATE, where, "it has no FRAME-RATE.")


def _faults_of_variants(offered: list[dict[str, str]], named: list[Named], url: str) -> Iterator[Fault]:
    ranges = [found.get("VIDEO-RANGE") for found in offered]
    if set(ranges) - {None, "SDR"} and None in ranges:
        yield fault(Rule.HLS_RANGE, url, f"{ranges.count(None)} of {len(ranges)} variants have no VIDEO-RANGE.")
    scored = sum("SCORE" in found for found in offered)
    if scored not in {0, len(offered)}:
        yield fault(Rule.HLS_SCORE, url, f"{scored} of {len(offered)} variants have a SCORE.")
    if len({one.url for one in named if one.kind == "video"}) == 1:
        yield fault(Rule.HLS_VARIANTS, url, "it offers one bit rate of video.")
    if not offered:
        yield fault(Rule.HLS_VARIANT, url, "it offers no variant.")


def _faults_of_trick(found: Mapping[str, str], url: str) -> Iterator[Fault]:
    missing = [name for name in ("BANDWIDTH", "URI", "CODECS", "RESOLUTION") if not found.get(name)]
    if missing:
        yield fault(Rule.HLS_IFRAMES, url, f"an EXT-X-I-FRAME-STREAM-INF lacks {', '.join(missing)}.")


def _faults_of_session_keys(keys: list[tuple[str, dict[str, str]]], url: str) -> Iterator[Fault]:
    lines = [line for line, _ in keys]
    if len(set(lines)) != len(lines):
        yield fault(Rule.HLS_SESSION_KEY, url, "it has one session key twice.")
    if any(found.get("METHOD") == "NONE" for _, found in keys):
        yield fault(Rule.HLS_SESSION_KEY, url, "it has a session key of METHOD NONE.")
    for _, found in keys:
        yield from _faults_of_key(found, url)


def _faults_of_key(found: Mapping[str, str], url: str) -> Iterator[Fault]:
    method, uri = found.get("METHOD"), found.get("URI", "")
    if not method or (method != "NONE" and not uri):
        yield fault(Rule.HLS_KEY, url, "a key line has no METHOD or no URI.")
    identity = found.get("KEYFORMAT", "identity") == "identity"
    if identity and method in {"SAMPLE-AES", "SAMPLE-AES-CTR"} and uri.startswith("data:"):
        yield fault(
            Rule.HLS_KEY, url, "an identity key line carries its key, or what players take for one, in its URI."
        )


def _faults_of_end(lines: list[str], named: Named, target: int | None) -> Iterator[Fault]:
    url = named.url
    if "#EXT-X-ENDLIST" not in lines:
        yield fault(Rule.HLS_ENDLIST, url, "it has no EXT-X-ENDLIST: it is cut short, or not finished.")
    if _value(lines, "#EXT-X-PLAYLIST-TYPE:") != "VOD":
        yield fault(Rule.HLS_TYPE, url, f"its type is {_value(lines, '#EXT-X-PLAYLIST-TYPE:') or 'not said'}.")
    if target is None:
        yield fault(Rule.HLS_TARGET, url, "it has no EXT-X-TARGETDURATION.")
    if named.kind == "trick" and "#EXT-X-I-FRAMES-ONLY" not in lines:
        yield fault(Rule.HLS_IFRAMES, url, "it has no EXT-X-I-FRAMES-ONLY.")


def _faults_of_durations(pieces: Iterable[Piece], target: int | None, url: str) -> Iterator[Fault]:
    for number, piece in enumerate(pieces, start=1):
        if target is not None and int(piece.duration + Fraction(1, 2)) > target:
            found = f"segment {number} lasts {float(piece.duration):.3f} s, over the target of {target} s."
            yield fault(Rule.HLS_TARGET, url, found)


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


def _kids(found: Mapping[str, str]) -> Iterator[str]:
    if found.get("KEYID"):
        yield found["KEYID"].removeprefix("0x").removeprefix("0X").lower()
    if found.get("KEYFORMAT") == CLEAR_KEY_FORMAT:
        try:
            yield base64.b64decode(found.get("URI", "").partition(",")[2], validate=True).hex()
        except binascii.Error:
            return


def _scheme(keys: Iterable[Mapping[str, str]]) -> str | None:
    methods = {found.get("METHOD") for found in keys}
    return (
        {"SAMPLE-AES": "cbcs", "SAMPLE-AES-CTR": "cenc"}.get(next(iter(methods)) or "") if len(methods) == 1 else None
    )


def _value(lines: list[str], tag: str) -> str:
    return next((line.removeprefix(tag) for line in lines if line.startswith(tag)), "")


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _height(found: Mapping[str, str]) -> int:
    return _whole(found.get("RESOLUTION", "").partition("x")[2]) or 0
