"""XML from outside, read with care; what is wrong is said without quoting what may be a key."""

import base64
import binascii
import uuid

from lxml import etree

from telecine.cpix.document import MalformedCpix
from telecine.protection import Kid

__all__ = ["base64_text", "decoded", "malformed", "named", "parsed", "required", "uuid_of"]

_MOST_BYTES = 1 << 20
_MOST_NAME = 40


def parsed(content: bytes) -> etree._Element:
    """The root of a document without document type: no entity can be declared, so none is resolved."""
    if len(content) > _MOST_BYTES:
        raise malformed(f"the document has {len(content)} bytes; {_MOST_BYTES} are read at most")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        line = error.lineno
        raise malformed(f"it is not well-formed XML (line {line})") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise malformed("it has a document type, which CPIX has not")
    return root


def malformed(why: str) -> MalformedCpix:
    """The error of a document that is not what it should be."""
    return MalformedCpix(f"This is not a CPIX document that can be used: {why}.")


def named(element: etree._Element) -> str:
    """An element's name, cut short."""
    return etree.QName(element).localname[:_MOST_NAME]


def required(element: etree._Element, attribute: str) -> str:
    value = element.get(attribute, "")
    if not value:
        raise malformed(f"{named(element)} has no {attribute}")
    return value


def uuid_of(element: etree._Element, attribute: str) -> Kid:
    """A UUID as a KID: 32 lower-case hexadecimal digits."""
    try:
        return uuid.UUID(required(element, attribute)).hex
    except ValueError:
        raise malformed(f"{named(element)}@{attribute} must be a UUID") from None


def base64_text(element: etree._Element) -> bytes:
    return decoded(element.text or "", named(element))


def decoded(text: str, what: str) -> bytes:
    """Bytes of base64, in which XML may have broken lines."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise malformed(f"{what} must be base64") from None
