"""What a DRMSystem element wants signalled, checked as far as anybody but the DRM vendor can."""

import base64
import uuid

from lxml import etree

from telecine.cpix.document import NAMESPACES
from telecine.cpix.xml import base64_text, malformed, named, parsed, required, uuid_of
from telecine.protection import DrmSystemSignal

__all__ = ["signal_of"]

_SYSTEM_ID_AT = 12
_LEAST_PSSH = 32


def signal_of(element: etree._Element) -> DrmSystemSignal:
    """One DRMSystem of a document; an empty element says nothing. Raises MalformedCpix."""
    system_id = str(uuid.UUID(hex=uuid_of(element, "systemId")))
    hls = _hls(element)
    return DrmSystemSignal(
        system_id=system_id,
        kid=uuid_of(element, "kid"),
        pssh=_pssh(element, system_id),
        content_protection_xml=_content_protection(element),
        hls_signalling_media=hls.get("media"),
        hls_signalling_master=hls.get("master"),
    )


def _pssh(element: etree._Element, system_id: str) -> str | None:
    """A whole box of this very system: size and type, version and flags, SystemID (ISO/IEC 23001-7, 8.1.1)."""
    found = element.find("cpix:PSSH", NAMESPACES)
    if found is None or not (box := base64_text(found)):
        return None
    whole = len(box) >= _LEAST_PSSH and int.from_bytes(box[:4], "big") == len(box) and box[4:8] == b"pssh"
    if not whole or box[_SYSTEM_ID_AT : _SYSTEM_ID_AT + 16] != uuid.UUID(system_id).bytes:
        raise malformed(f"PSSH of DRM system {system_id} must be one whole pssh box of this system")
    return base64.b64encode(box).decode()


def _content_protection(element: etree._Element) -> str | None:
    found = element.find("cpix:ContentProtectionData", NAMESPACES)
    text = _text(found)
    if text is not None:
        parsed(f"<ContentProtection>{text}</ContentProtection>".encode())
    return text


def _hls(element: etree._Element) -> dict[str, str]:
    """Lines by kind of playlist; those of one that says no kind are for media playlists."""
    lines: dict[str, str] = {}
    for found in element.findall("cpix:HLSSignalingData", NAMESPACES):
        playlist = found.get("playlist", "media")
        if playlist not in {"master", "media"} or playlist in lines:
            raise malformed(
                f"HLSSignalingData of {required(element, 'systemId')} must be one for master, one for media"
            )
        text = _text(found)
        if text is not None:
            lines[playlist] = text
    return lines


def _text(element: etree._Element | None) -> str | None:
    if element is None:
        return None
    try:
        return base64_text(element).decode() or None
    except UnicodeDecodeError:
        raise malformed(f"{named(element)} must be UTF-8 text in base64") from None
