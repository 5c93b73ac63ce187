"""What RFC 8216bis and Apple's authoring specification ask of the lines of a playlist. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from packagers.evidence.clauses import Rule, fault
from packagers.evidence.documents import Fault
from packagers.evidence.offers import Named, Piece

__all__ = [
    "faults_of_attributes",
    "faults_of_durations",
    "faults_of_end",
    "faults_of_groups",
    "faults_of_key",
    "faults_of_media",
    "faults_of_session_keys",
    "faults_of_trick",
    "faults_of_variant",
    "faults_of_variants",
    "faults_of_version",
    "tag_value",
    "whole_number",
]

_NAME = re.compile(r"([A-Z0-9-]+)=(?:\"[^\"]*\"|[^\",]*)")
_FOR_RANGES, _FOR_MAPS = 4, 6


def faults_of_version(lines: list[str], url: str) -> Iterator[Fault]:
    needed = {
        "#EXT-X-BYTERANGE:": _FOR_RANGES, "#EXT-X-I-FRAMES-ONLY": _FOR_RANGES,
        "#EXT-X-MAP:": 5 if "#EXT-X-I-FRAMES-ONLY" in lines else _FOR_MAPS,
    }  # fmt: skip
    least = max((version for tag, version in needed.items() if any(line.startswith(tag) for line in lines)), default=1)
    said = whole_number(tag_value(lines, "#EXT-X-VERSION:")) or 1
    if said < least:
        yield fault(Rule.HLS_VERSION, url, f"it says version {said}, but its tags need {least}.")


def faults_of_attributes(line: str, url: str) -> Iterator[Fault]:
    names = _NAME.findall(line.partition(":")[2])
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        yield fault(Rule.HLS_ATTRIBUTES, url, f"{line.partition(':')[0]} has {', '.join(repeated)} more than once.")


def faults_of_media(found: Mapping[str, str], url: str) -> Iterator[Fault]:
    name = f"EXT-X-MEDIA '{found.get('NAME', '')}'"
    missing = [wanted for wanted in ("TYPE", "GROUP-ID", "NAME") if not found.get(wanted)]
    if missing or (found.get("TYPE") == "SUBTITLES" and "URI" not in found):
        yield fault(Rule.HLS_MEDIA, url, f"{name} lacks {', '.join(missing) or 'URI'}.")
    if found.get("DEFAULT") == "YES" and found.get("AUTOSELECT") == "NO":
        yield fault(Rule.HLS_MEDIA, url, f"{name} is the default, yet not selected by itself.")
    if found.get("TYPE") != "VIDEO" and not found.get("LANGUAGE"):
        yield fault(Rule.HLS_LANGUAGE, url, f"{name} has no LANGUAGE.")


def faults_of_groups(media: list[dict[str, str]], url: str) -> Iterator[Fault]:
    groups: dict[tuple[str | None, str | None], list[dict[str, str]]] = {}
    for found in media:
        groups.setdefault((found.get("TYPE"), found.get("GROUP-ID")), []).append(found)
    for (_, group), members in groups.items():
        names = [found.get("NAME") for found in members]
        defaults = sum(found.get("DEFAULT") == "YES" for found in members)
        if len(set(names)) != len(names) or defaults > 1:
            yield fault(Rule.HLS_GROUP, url, f"group '{group}' has {defaults} defaults and the names {names}.")


def faults_of_variant(found: Mapping[str, str], where: str, *, pictured: bool) -> Iterator[Fault]:
    if not found.get("CODECS"):
        yield fault(Rule.HLS_CODECS, where, "it has no CODECS.")
    if "AVERAGE-BANDWIDTH" not in found:
        yield fault(Rule.HLS_HAS_AVERAGE, where, "it has no AVERAGE-BANDWIDTH.")
    if pictured and "RESOLUTION" not in found:
        yield fault(Rule.HLS_RESOLUTION, where, "it has no RESOLUTION.")
    if pictured and "FRAME-RATE" not in found:
        yield fault(Rule.HLS_FRAME_RATE, where, "it has no FRAME-RATE.")


def faults_of_variants(offered: list[dict[str, str]], named: list[Named], url: str) -> Iterator[Fault]:
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


def faults_of_trick(found: Mapping[str, str], url: str) -> Iterator[Fault]:
    missing = [name for name in ("BANDWIDTH", "URI", "CODECS", "RESOLUTION") if not found.get(name)]
    if missing:
        yield fault(Rule.HLS_IFRAMES, url, f"an EXT-X-I-FRAME-STREAM-INF lacks {', '.join(missing)}.")


def faults_of_session_keys(keys: list[tuple[str, dict[str, str]]], url: str) -> Iterator[Fault]:
    lines = [line for line, _ in keys]
    if len(set(lines)) != len(lines):
        yield fault(Rule.HLS_SESSION_KEY, url, "it has one session key twice.")
    if any(found.get("METHOD") == "NONE" for _, found in keys):
        yield fault(Rule.HLS_SESSION_KEY, url, "it has a session key of METHOD NONE.")
    for _, found in keys:
        yield from faults_of_key(found, url)


def faults_of_key(found: Mapping[str, str], url: str) -> Iterator[Fault]:
    method, uri = found.get("METHOD"), found.get("URI", "")
    if not method or (method != "NONE" and not uri):
        yield fault(Rule.HLS_KEY, url, "a key line has no METHOD or no URI.")
    identity = found.get("KEYFORMAT", "identity") == "identity"
    if identity and method in {"SAMPLE-AES", "SAMPLE-AES-CTR"} and uri.startswith("data:"):
        yield fault(
            Rule.HLS_KEY, url, "an identity key line carries its key, or what players take for one, in its URI."
        )


def faults_of_end(lines: list[str], named: Named, target: int | None) -> Iterator[Fault]:
    url = named.url
    if "#EXT-X-ENDLIST" not in lines:
        yield fault(Rule.HLS_ENDLIST, url, "it has no EXT-X-ENDLIST: it is cut short, or not finished.")
    if tag_value(lines, "#EXT-X-PLAYLIST-TYPE:") != "VOD":
        yield fault(Rule.HLS_TYPE, url, f"its type is {tag_value(lines, '#EXT-X-PLAYLIST-TYPE:') or 'not said'}.")
    if target is None:
        yield fault(Rule.HLS_TARGET, url, "it has no EXT-X-TARGETDURATION.")
    if named.kind == "trick" and "#EXT-X-I-FRAMES-ONLY" not in lines:
        yield fault(Rule.HLS_IFRAMES, url, "it has no EXT-X-I-FRAMES-ONLY.")


def faults_of_durations(pieces: Iterable[Piece], target: int | None, url: str) -> Iterator[Fault]:
    for number, piece in enumerate(pieces, start=1):
        if target is not None and int(piece.duration + Fraction(1, 2)) > target:
            found = f"segment {number} lasts {float(piece.duration):.3f} s, over the target of {target} s."
            yield fault(Rule.HLS_TARGET, url, found)


def tag_value(lines: list[str], tag: str) -> str:
    return next((line.removeprefix(tag) for line in lines if line.startswith(tag)), "")


def whole_number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
