"""Reads the packager's MPD and rewrites it so that players find their keys and equal runs give equal bytes. Pure.

ISO/IEC 23009-1; DASH-IF IOP part 6 for content protection.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction

from lxml import etree

from packagers.plan import PackagePlan, Stream, look_of, sound_kind
from packagers.signals import CPS, PLAYREADY_XML, descriptors
from telecine.drm import SYSTEM_IDS
from telecine.errors import PackageRejected
from telecine.protection import Kid

__all__ = ["CLEAR_KEY_SCHEME", "MP4_PROTECTION", "TRICK_MODE", "Track", "read_tracks", "rewrite_dash"]

CLEAR_KEY_SCHEME = f"urn:uuid:{SYSTEM_IDS['clearkey']}"
MP4_PROTECTION = "urn:mpeg:dash:mp4protection:2011"

TRICK_MODE = "http://dashif.org/guidelines/trickmode"
"""Essential property of a set that players leave out unless they seek in pictures (DASH-IF IOP part 5, 4.4)."""

_MPD = "urn:mpeg:dash:schema:mpd:2011"
_SCTE214 = "urn:scte:dash:scte214-extensions"
_ROLE = "urn:mpeg:dash:role:2011"
_CICP = "urn:mpeg:mpegB:cicp:"
_HDR_TRANSFERS = {"PQ": "16", "HLG": "18"}
_SWITCHING = "urn:mpeg:dash:adaptation-set-switching:2016"
_ROLES = {
    "main": "main",
    "commentary": "commentary",
    "descriptive": "description",
    "clear-speech": "enhanced-audio-intelligibility",
}
"""Our roles as ISO/IEC 23009-1 (5.8.5.5) names them."""

_PURPOSE = "urn:tva:metadata:cs:AudioPurposeCS:2007"
_PURPOSES = {"descriptive": "1", "clear-speech": "2"}
"""For those who do not see, for those who hear little (ETSI TS 102 822-3-1)."""

JOC_TYPE = "tag:dolby.com,2018:dash:EC3_ExtensionType:2018"
JOC_COMPLEXITY = "tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018"
"""Properties of Dolby Atmos in E-AC-3 (ETSI TS 103 420, annex D)."""

_ELSEWHERE = 4
_SCHEMA_ORDER = {
    "AudioChannelConfiguration": 0,
    "ContentProtection": 1,
    "EssentialProperty": 2,
    "SupplementalProperty": 3,
    "Accessibility": 5,
    "Role": 6,
    "SegmentTemplate": 7,
    "Representation": 8,
}
"""Children of an adaptation set as ISO/IEC 23009-1 orders them; ``_ELSEWHERE`` is the place of what is not named."""

_PARSER = etree.XMLParser(remove_blank_text=True, remove_comments=True, resolve_entities=False, no_network=True)


@dataclass(frozen=True, slots=True)
class Track:
    """What the packager measured of one stream: exact seconds of each segment, the largest rate of any.

    ``language`` is the shortest tag (``en`` for ``eng``), None where the language is not known; ``supplemental`` what
    the codec is to a device that knows more, such as ``dvh1.08.06/db1p`` (RFC 8216bis, SUPPLEMENTAL-CODECS).
    ``joc_complexity`` is the number of objects of Dolby Atmos (ETSI TS 103 420), None where there are none.
    """

    stream: Stream
    codecs: str
    language: str | None
    peak_bps: int
    segments: tuple[Fraction, ...]
    joc_complexity: str | None = None
    supplemental: str | None = None

    @property
    def segment_paths(self) -> tuple[str, ...]:
        """Paths of the segments, in order."""
        template = self.stream.segment_template
        return tuple(template.replace("$Number$", str(number)) for number in range(1, len(self.segments) + 1))


def read_tracks(mpd: bytes, plan: PackagePlan, trick_mpd: bytes | None = None) -> tuple[Track, ...]:
    """Every stream as the packager's own MPDs describe it, in the plan's order. Raises PackageRejected."""
    found = _representations(mpd, trick_mpd)
    missing = [stream.name for stream in plan.streams if stream.init_path not in found]
    if missing:
        message = f"The packager made no {', '.join(missing)} for title {plan.request.title_id}."
        raise PackageRejected(message)
    return tuple(_track(stream, found[stream.init_path]) for stream in plan.streams)


def rewrite_dash(mpd: bytes, plan: PackagePlan, trick_mpd: bytes | None = None) -> bytes:
    """The published MPD.

    One adaptation set for each video codec, range and label and for each audio rendition, numbered in the plan's order,
    then the sets of key frames; representations are named as their renditions; the key systems of the plan, Clear Key
    first, take the place of the packager's.
    """
    root = etree.fromstring(mpd, _PARSER)
    period = _child(root, "Period")
    found = _representations(mpd, trick_mpd)
    groups = _groups(plan)
    sets = [_adaptation_set(group, found, plan) for group in groups]
    for old in period.findall(f"{{{_MPD}}}AdaptationSet"):
        period.remove(old)
    period.extend(sets)
    _number(sets, [_look(group) for group in groups], [group[0].trick for group in groups])
    prefixes = {"dashif": CPS, "mspr": PLAYREADY_XML}
    etree.cleanup_namespaces(root, top_nsmap=prefixes, keep_ns_prefixes=["cenc", "dashif", "xsi"])
    etree.indent(root, "  ")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


def _groups(plan: PackagePlan) -> list[list[Stream]]:
    """Streams a player may switch between: video of one codec, range and key; sound of one kind."""
    kinds: dict[tuple[object, ...], list[Stream]] = {}
    for stream in plan.video:
        rendition = stream.rendition
        kind = (rendition.codec.partition(".")[0], rendition.dynamic_range, rendition.label)
        kinds.setdefault(kind, []).append(stream)
    for stream in plan.audio:
        kinds.setdefault(sound_kind(stream.rendition), []).append(stream)
    return [*kinds.values(), *([stream] for stream in plan.trick)]


def _representations(*mpds: bytes | None) -> dict[str, etree._Element]:
    """Each representation by the path of its init segment."""
    roots = [etree.fromstring(mpd, _PARSER) for mpd in mpds if mpd]
    found = [one for root in roots for one in root.iter(f"{{{_MPD}}}Representation")]
    return {_child(one, "SegmentTemplate").get("initialization", ""): one for one in found}


def _track(stream: Stream, representation: etree._Element) -> Track:
    template = _child(representation, "SegmentTemplate")
    timescale = int(template.get("timescale", "1"))
    segments = [
        Fraction(int(entry.get("d", "0")), timescale)
        for entry in template.iter(f"{{{_MPD}}}S")
        for _ in range(int(entry.get("r", "0")) + 1)
    ]
    return Track(
        stream=stream,
        codecs=representation.get("codecs", ""),
        language=_set_of(representation).get("lang"),
        peak_bps=int(representation.get("bandwidth", "0")),
        segments=tuple(segments),
        joc_complexity=_joc_complexity(stream, representation),
        supplemental=_supplemental(representation),
    )


def _supplemental(representation: etree._Element) -> str | None:
    codecs = representation.get(f"{{{_SCTE214}}}supplementalCodecs")
    profiles = representation.get(f"{{{_SCTE214}}}supplementalProfiles")
    return f"{codecs}/{profiles}" if codecs and profiles else codecs


def _joc_complexity(stream: Stream, representation: etree._Element) -> str | None:
    """Raises PackageRejected where the packager found objects in a rendition that has none, or none where it has."""
    properties = representation.findall(f"{{{_MPD}}}SupplementalProperty")
    found = {one.get("schemeIdUri"): one.get("value") for one in properties}
    complexity = found.get(JOC_COMPLEXITY) if found.get(JOC_TYPE) == "JOC" else None
    if (complexity is not None) != stream.rendition.atmos:
        expected, seen = ("Dolby Atmos", "none") if stream.rendition.atmos else ("no Dolby Atmos", "some")
        message = f"'{stream.name}' should have {expected}, but the packager found {seen}."
        raise PackageRejected(message)
    return complexity


def _adaptation_set(group: Sequence[Stream], found: dict[str, etree._Element], plan: PackagePlan) -> etree._Element:
    """The packager's set with only this group's representations, cleaned."""
    made = deepcopy(_set_of(found[group[0].init_path]))
    for child in list(made):
        if child.tag == f"{{{_MPD}}}Representation" or child.get("schemeIdUri") in {_ROLE, _SWITCHING, TRICK_MODE}:
            made.remove(child)
    if plan.keys.kids:
        _protect(made, plan, plan.keys.kids[group[0].rendition.label])
    role = group[0].rendition.role
    etree.SubElement(made, f"{{{_MPD}}}Role", schemeIdUri=_ROLE, value=_ROLES[role])
    if role in _PURPOSES:
        etree.SubElement(made, f"{{{_MPD}}}Accessibility", schemeIdUri=_PURPOSE, value=_PURPOSES[role])
    _signal_range(made, group[0])
    for stream in group:
        representation = deepcopy(found[stream.init_path])
        representation.set("id", stream.name)
        made.append(representation)
    # the packager puts properties of colour before protection, which the schema does not allow
    made[:] = sorted(made, key=lambda child: _SCHEMA_ORDER.get(etree.QName(child).localname, _ELSEWHERE))
    return made


def _signal_range(adaptation_set: etree._Element, stream: Stream) -> None:
    """Code points of HDR (ISO/IEC 23091-2), which the packager finds in HEVC and AV1 only."""
    transfer = _HDR_TRANSFERS.get(stream.rendition.dynamic_range or "SDR")
    said = {found.get("schemeIdUri") for found in adaptation_set.findall(f"{{{_MPD}}}SupplementalProperty")}
    if transfer is None or f"{_CICP}TransferCharacteristics" in said:
        return
    points = {"MatrixCoefficients": "9", "ColourPrimaries": "9", "TransferCharacteristics": transfer}
    for name, value in points.items():
        signalled = etree.Element(f"{{{_MPD}}}SupplementalProperty", schemeIdUri=f"{_CICP}{name}", value=value)
        _child(adaptation_set, "Role").addprevious(signalled)


def _protect(adaptation_set: etree._Element, plan: PackagePlan, kid: Kid) -> None:
    written = adaptation_set.findall(f"{{{_MPD}}}ContentProtection")
    for descriptor in written:
        if descriptor.get("schemeIdUri") != MP4_PROTECTION:
            adaptation_set.remove(descriptor)
    common = [found for found in written if found.get("schemeIdUri") == MP4_PROTECTION]
    if len(common) != 1:
        message = f"The packager wrote {len(common)} mp4protection descriptors in one adaptation set; 1 was expected."
        raise PackageRejected(message)
    for descriptor in reversed(descriptors(plan, kid)):
        common[0].addnext(descriptor)


def _look(group: Sequence[Stream]) -> tuple[str, str] | None:
    """Codec and range of video: among sets of one look a player may switch without a break."""
    return look_of(group[0].rendition) if group[0].kind == "video" else None


def _number(
    sets: Sequence[etree._Element], looks: Sequence[tuple[str, str] | None], of_key_frames: Sequence[bool]
) -> None:
    """Ids from 1 in document order, as the packager's differ from run to run.

    Sets of one look name each other; a set of key frames names those it stands for.
    """
    for number, found in enumerate(sets, start=1):
        found.set("id", str(number))
    whole = [(found, look) for found, look, trick in zip(sets, looks, of_key_frames, strict=True) if not trick]
    for found, look, trick in zip(sets, looks, of_key_frames, strict=True):
        others = [other.get("id", "") for other, seen in whole if seen == look and other is not found]
        if look is None or not others:
            continue
        kind, scheme, mark = ("Essential", TRICK_MODE, " ") if trick else ("Supplemental", _SWITCHING, ",")
        named = etree.Element(f"{{{_MPD}}}{kind}Property", schemeIdUri=scheme, value=mark.join(others))
        first = found.find(f"{{{_MPD}}}SupplementalProperty") if trick else None
        (_child(found, "Role") if first is None else first).addprevious(named)


def _set_of(representation: etree._Element) -> etree._Element:
    return next(representation.iterancestors(f"{{{_MPD}}}AdaptationSet"))


def _child(parent: etree._Element, name: str) -> etree._Element:
    found = parent.find(f"{{{_MPD}}}{name}")
    if found is None:
        message = f"The packager's MPD has no {name} in its {etree.QName(parent).localname}."
        raise PackageRejected(message)
    return found
