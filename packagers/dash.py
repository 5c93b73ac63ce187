"""The DASH manifest (ISO/IEC 23009-1): what Clear Key players need changed, and what it refers to. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lxml import etree

from telecine.errors import PackageRejected

__all__ = ["CLEAR_KEY", "DashRepresentation", "read_dash", "rewrite_dash"]

CLEAR_KEY = "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e"
"""Clear Key as the DASH-IF registers it."""
_COMMON = "urn:uuid:1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
_DASHIF = "https://dashif.org/CPS"
_CENC = "urn:mpeg:cenc:2013"
_SWITCHING = "urn:mpeg:dash:adaptation-set-switching:2016"
_MP4_PROTECTION = "urn:mpeg:dash:mp4protection:2011"


@dataclass(frozen=True, slots=True)
class DashRepresentation:
    """One representation: its init segment, its segments in order, its KID and codecs."""

    init: str
    segments: tuple[str, ...]
    kid: str
    codecs: str
    bandwidth: int


def rewrite_dash(text: bytes, licence_url: str) -> bytes:
    """Replace the common-system descriptor by a bare Clear Key one with our licence address.

    dash.js refuses a Clear Key descriptor that holds a pssh; the common pssh stays in the init segments.
    """
    root = etree.fromstring(text, etree.XMLParser(remove_comments=True))
    for found in root.iter("{*}ContentProtection"):
        if found.get("schemeIdUri") != _COMMON:
            continue
        for child in list(found):
            found.remove(child)
        found.set("schemeIdUri", CLEAR_KEY)
        found.set("value", "ClearKey1.0")
        laurl = etree.SubElement(found, f"{{{_DASHIF}}}Laurl", nsmap={"dashif": _DASHIF})
        laurl.text = licence_url
        laurl.set("licenseType", "EME-1.0")
    _settle_order(root)
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written


def read_dash(text: bytes) -> tuple[DashRepresentation, ...]:
    """Every representation with the URLs its timeline gives. Raises PackageRejected when it is no such manifest."""
    try:
        root = etree.fromstring(text)
    except etree.XMLSyntaxError as error:
        message = f"The DASH manifest is not well-formed: {error}."
        raise PackageRejected(message) from error
    return tuple(
        _representation(adaptation, representation)
        for adaptation in root.iter("{*}AdaptationSet")
        for representation in adaptation.iter("{*}Representation")
    )


def _settle_order(root: etree._Element) -> None:
    """Order and ids that do not depend on which of the packager's threads came first.

    A representation is called after its folder, such as ``720p``; sets that may be switched between keep referring to
    each other.
    """
    for period in root.iter("{*}Period"):
        for adaptation in period.findall("{*}AdaptationSet"):
            for representation in _by(adaptation, "Representation", lambda r: -int(r.get("bandwidth", "0"))):
                template = representation.find("{*}SegmentTemplate")
                if template is not None:
                    representation.set("id", template.get("initialization", "").split("/")[-2])
        sets = _by(period, "AdaptationSet", lambda a: (a.get("contentType") != "video", _first_id(a)))
        renamed = {adaptation.get("id", ""): str(number) for number, adaptation in enumerate(sets)}
        for adaptation in sets:
            adaptation.set("id", renamed[adaptation.get("id", "")])
            for switching in adaptation.findall("{*}SupplementalProperty"):
                if switching.get("schemeIdUri") == _SWITCHING:
                    others = sorted(renamed[other] for other in switching.get("value", "").split(","))
                    switching.set("value", ",".join(others))


def _by(parent: etree._Element, tag: str, key: Callable[[etree._Element], Any]) -> list[etree._Element]:
    """The children of a tag, put into the order of ``key`` at the end of their parent."""
    children = sorted(parent.findall(f"{{*}}{tag}"), key=key)
    for child in children:
        parent.remove(child)
    parent.extend(children)
    return children


def _first_id(adaptation: etree._Element) -> str:
    representation = adaptation.find("{*}Representation")
    return "" if representation is None else representation.get("id", "")


def _representation(adaptation: etree._Element, representation: etree._Element) -> DashRepresentation:
    template = representation.find("{*}SegmentTemplate")
    if template is None:
        template = adaptation.find("{*}SegmentTemplate")
    protection = next(
        (
            element.get(f"{{{_CENC}}}default_KID") or ""
            for parent in (representation, adaptation)
            for element in parent.findall("{*}ContentProtection")
            if element.get("schemeIdUri") == _MP4_PROTECTION
        ),
        "",
    )
    if template is None or template.find("{*}SegmentTimeline") is None:
        message = f"Representation {representation.get('id')} of the DASH manifest has no segment timeline."
        raise PackageRejected(message)
    count = sum(int(s.get("r", "0")) + 1 for s in template.iter("{*}S"))
    first = int(template.get("startNumber", "1"))
    media = template.get("media", "")
    return DashRepresentation(
        init=template.get("initialization", ""),
        segments=tuple(media.replace("$Number$", str(first + number)) for number in range(count)),
        kid=protection.replace("-", "").lower(),
        codecs=representation.get("codecs", ""),
        bandwidth=int(representation.get("bandwidth", "0")),
    )
