"""The PlayReady Object with its one header record (Microsoft, "PlayReady Header Specification"). Pure."""

import base64
import struct
import uuid
from collections.abc import Iterable, Mapping

from lxml import etree

from telecine.errors import PackageRejected
from telecine.protection import Kid

__all__ = ["playready_kids", "playready_object"]

_NAMESPACE = "http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader"
_SCHEMES = {"cenc": ("4.2.0.0", "AESCTR"), "cbcs": ("4.3.0.0", "AESCBC")}
"""Header version and algorithm: 4.2 is the first with several KIDs and is read by older devices, 4.3 the first with
cipher block chaining."""

_RIGHTS_MANAGEMENT = 1
_OBJECT_HEADER, _RECORD_HEADER = struct.Struct("<IH"), struct.Struct("<HH")
_MOST_BYTES = 0xFFFF
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)


def playready_object(
    kids: Iterable[Kid],
    scheme: str,
    licence_url: str = "",
    information_url: str = "",
    attributes: Mapping[str, str] | None = None,
) -> bytes:
    """An object of one header for ``kids``, each once: licence and information address, then custom attributes.

    Raises PackageRejected when it outgrows a record (65,535 bytes), or an attribute's name is no XML name.
    """
    text = _header(sorted(set(kids)), scheme, licence_url, information_url, attributes or {})
    record = text.encode("utf-16-le")
    if len(record) > _MOST_BYTES:
        message = f"A PlayReady header may have {_MOST_BYTES} bytes, but this one has {len(record)}."
        raise PackageRejected(message)
    body = _RECORD_HEADER.pack(_RIGHTS_MANAGEMENT, len(record)) + record
    return _OBJECT_HEADER.pack(_OBJECT_HEADER.size + len(body), 1) + body


def playready_kids(held: bytes) -> tuple[Kid, ...]:
    """The KIDs of an object's header, of any version from 4.0 to 4.3. Raises PackageRejected when it is not one."""
    try:
        root = etree.fromstring(_header_of(held).decode("utf-16-le"), _PARSER)
        written = [found.get("VALUE") or found.text or "" for found in root.iter(f"{{{_NAMESPACE}}}KID")]
        return tuple(uuid.UUID(bytes_le=base64.b64decode(value, validate=True)).hex for value in written)
    except (ValueError, etree.XMLSyntaxError, struct.error) as error:
        message = f"A PlayReady Object was expected, but {len(held)} bytes do not read as one: {error}."
        raise PackageRejected(message) from None


def _header(
    kids: Iterable[Kid], scheme: str, licence_url: str, information_url: str, attributes: Mapping[str, str]
) -> str:
    version, algorithm = _SCHEMES[scheme]
    root = etree.Element("WRMHEADER", xmlns=_NAMESPACE, version=version)
    contents = etree.SubElement(root, "DATA")
    listed = etree.SubElement(etree.SubElement(contents, "PROTECTINFO"), "KIDS")
    for kid in kids:
        etree.SubElement(listed, "KID", ALGID=algorithm, VALUE=base64.b64encode(uuid.UUID(kid).bytes_le).decode())
    for name, url in (("LA_URL", licence_url), ("LUI_URL", information_url)):
        if url:
            etree.SubElement(contents, name).text = url
    try:
        own = etree.SubElement(contents, "CUSTOMATTRIBUTES") if attributes else contents
        for name, value in attributes.items():
            etree.SubElement(own, name).text = value
    except ValueError as error:
        message = f"A PlayReady header cannot hold these custom attributes: {error}."
        raise PackageRejected(message) from None
    return etree.tostring(root, encoding="unicode")


def _header_of(held: bytes) -> bytes:
    """The header record of an object whose lengths add up."""
    size, records = _OBJECT_HEADER.unpack_from(held)
    at = _OBJECT_HEADER.size
    if size != len(held):
        message = f"it says {size} bytes"
        raise ValueError(message)
    for _ in range(records):
        kind, length = _RECORD_HEADER.unpack_from(held, at)
        at += _RECORD_HEADER.size
        if kind == _RIGHTS_MANAGEMENT and at + length <= len(held):
            return held[at : at + length]
        at += length
    message = "it has no whole header record"
    raise ValueError(message)
