"""Between CPIX documents and key stores: a title's keys out, a document's keys in."""

import re
import secrets
from collections.abc import Iterable

from pydantic import SecretBytes

from telecine.cpix.document import Cpix, CpixKey, MalformedCpix
from telecine.keys.local import Delivery
from telecine.protection import ContentKey, DrmSystemSignal, KeyOrigin, further_label, label_and_scheme
from telecine.title import TITLE_ID_PATTERN

__all__ = ["delivered", "exported", "title_of"]

_IV_BYTES = 16


def exported(title_id: str, keys: Iterable[ContentKey], signals: Iterable[DrmSystemSignal]) -> Cpix:
    """A title's keys as a document; where a label has a key for each scheme, each says which it is for."""
    given = tuple(keys)
    paired = {label for key in given for label, scheme in (label_and_scheme(key.label),) if scheme}
    return Cpix(title_id, tuple(_exported(key, paired) for key in given), tuple(signals))


def delivered(document: Cpix, origin: KeyOrigin) -> Delivery:
    """A document's keys as a store takes them; one without an initialization vector gets a random one.

    Where a label has a key for each scheme, that of cenc is the second set's (``further_label``).
    Signals that say nothing are left out. Raises MalformedCpix when a key has no value.
    """
    keys = []
    others = {key.label for key in document.keys if key.scheme != "cenc"}
    for found in document.keys:
        if found.key is None:
            message = f"The CPIX document of {document.content_id} has no value for key {found.kid}."
            raise MalformedCpix(message)
        iv = found.iv or SecretBytes(secrets.token_bytes(_IV_BYTES))
        second = found.scheme == "cenc" and found.label in others
        label = further_label(found.label) if second else found.label
        keys.append(ContentKey(kid=found.kid, label=label, key=found.key, iv=iv))
    told = (signal for signal in document.signals if _says_something(signal))
    return Delivery(tuple(keys), origin, tuple(told))


def title_of(document: Cpix, title_id: str | None) -> str:
    """The title a document is for: as told, or its contentId. Raises MalformedCpix when that is no title id."""
    found = title_id or document.content_id
    if not re.fullmatch(TITLE_ID_PATTERN, found):
        message = "The document's contentId is no title id (lower-case letters, digits, dashes): tell it with --title."
        raise MalformedCpix(message)
    return found


def _exported(key: ContentKey, paired: set[str]) -> CpixKey:
    label, scheme = label_and_scheme(key.label)
    return CpixKey(key.kid, label, key.key, key.iv, scheme or ("cbcs" if label in paired else None))


def _says_something(signal: DrmSystemSignal) -> bool:
    said = (
        signal.pssh,
        signal.content_protection_xml,
        signal.hls_signalling_media,
        signal.hls_signalling_master,
    )
    return any(part is not None for part in said)
