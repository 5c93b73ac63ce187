"""What a CPIX document means, and the names it is written in (DASH-IF CPIX 2.3, RFC 6030, XML Encryption 1.0)."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretBytes

from telecine.errors import TelecineError
from telecine.protection import DrmSystemSignal, Kid

__all__ = ["SYSTEMS", "VERSION", "Cpix", "CpixKey", "MalformedCpix", "Scheme", "SystemName", "TrackRule", "rule_of"]

VERSION = "2.3"
CPIX = "urn:dashif:org:cpix"
PSKC = "urn:ietf:params:xml:ns:keyprov:pskc"
DS = "http://www.w3.org/2000/09/xmldsig#"
ENC = "http://www.w3.org/2001/04/xmlenc#"
NAMESPACES = {"cpix": CPIX, "pskc": PSKC, "ds": DS, "enc": ENC}

AES_256_CBC = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
RSA_OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
HMAC_SHA512 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512"

Scheme = Literal["cbcs", "cenc"]
SystemName = Literal["widevine", "playready", "fairplay"]

SYSTEMS: dict[SystemName, str] = {
    "widevine": "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
    "playready": "9a04f079-9840-4286-ab92-e65be0885f95",
    "fairplay": "94ce86fb-07ff-4f43-adb8-93d2fa968ca2",
}
"""System ids as DASH-IF lists them; every other id is kept and passed on as it is."""

_SD_PIXELS, _HD_PIXELS = 1024 * 576, 1920 * 1080


class MalformedCpix(TelecineError):
    """A document is not the CPIX that was expected. The text names the element, and never holds its content."""


@dataclass(frozen=True, slots=True)
class CpixKey:
    """A content key of a document; ``key`` is none in a request, ``iv`` where the document leaves it open."""

    kid: Kid
    label: str
    key: SecretBytes | None = None
    iv: SecretBytes | None = None
    scheme: Scheme | None = None


@dataclass(frozen=True, slots=True)
class Cpix:
    """A document's meaning: equal documents say the same, however they are written or encrypted."""

    content_id: str
    keys: tuple[CpixKey, ...]
    signals: tuple[DrmSystemSignal, ...] = ()
    encrypted: bool = field(default=False, compare=False)
    """Whether the document that was read had every key encrypted."""


@dataclass(frozen=True, slots=True)
class TrackRule:
    """Which tracks a label stands for: a filter's element and attributes (ContentKeyUsageRule, CPIX 2.3)."""

    element: Literal["VideoFilter", "AudioFilter", "LabelFilter"]
    attributes: tuple[tuple[str, str], ...] = ()


_RULES = {
    "AUDIO": TrackRule("AudioFilter"),
    "SD": TrackRule("VideoFilter", (("maxPixels", str(_SD_PIXELS)),)),
    "HD": TrackRule("VideoFilter", (("minPixels", str(_SD_PIXELS + 1)), ("maxPixels", str(_HD_PIXELS)))),
    "UHD": TrackRule("VideoFilter", (("minPixels", str(_HD_PIXELS + 1)), ("hdr", "false"))),
    "UHD_HDR": TrackRule("VideoFilter", (("minPixels", str(_HD_PIXELS + 1)), ("hdr", "true"))),
}


def rule_of(label: str) -> TrackRule:
    """The filter of a label, by the pixels of a 16:9 picture of as many lines; a profile's own label names itself."""
    return _RULES.get(label, TrackRule("LabelFilter", (("label", label),)))
