"""Rights in PlayReady's terms: security levels, output protection levels, expiry. Pure.

PlayReady compliance rules; the challenge is the SOAP message of its licence acquisition protocol.
"""

import base64
import binascii
import re
import uuid

from playback.entitlements import HdcpLevel
from playback.vendors.policy import LicencePolicy, output_protection
from telecine.protection import Kid

__all__ = ["CONTENT_TYPES", "asked_kids", "headers", "is_certificate_request", "message"]

CONTENT_TYPES = ("text/xml", "application/soap+xml", "application/xml", "application/octet-stream", "")
_ACTION = "http://schemas.microsoft.com/DRM/2007/03/protocols/AcquireLicense"
_KID = re.compile(rb"<KID>\s*([A-Za-z0-9+/]{22}==)\s*</KID>|<KID\b[^>]*\bVALUE=[\"']([A-Za-z0-9+/]{22}==)[\"']")
_SOFTWARE, _HARDWARE = 2000, 3000
_UNCOMPRESSED_VIDEO: dict[HdcpLevel, int] = {"NONE": 100, "TYPE-0": 270, "TYPE-1": 300}
_HDCP_TYPES: dict[HdcpLevel, int | None] = {"NONE": None, "TYPE-0": 0, "TYPE-1": 1}


def is_certificate_request(body: bytes) -> bool:  # noqa: ARG001 - one shape for all vendors
    """Never: PlayReady's players bring the server's certificate with them."""
    return False


def asked_kids(body: bytes) -> tuple[Kid, ...]:
    """The KIDs of the challenge's content header, which is in the clear: base64 of a GUID in Microsoft's byte order."""
    found = []
    for match in _KID.finditer(body):
        try:
            raw = base64.b64decode(match[1] or match[2], validate=True)
        except binascii.Error:
            continue
        found.append(uuid.UUID(bytes_le=raw).hex)
    return tuple(dict.fromkeys(found))


def headers() -> dict[str, str]:
    """SOAP 1.1 with the action of licence acquisition."""
    return {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{_ACTION}"'}


def message(policy: LicencePolicy) -> dict[str, object]:
    """A licence for each granted KID: the least security level that may use it and what its outputs must protect."""
    return {
        "ContentId": f"{policy.title}/{policy.version}",
        "Persistent": policy.offline,
        "ExpirationAfterSeconds": policy.license_s,
        "ExpireAfterFirstPlaySeconds": policy.playback_s,
        "Licenses": [_license(label, kid, policy.hdcp) for label, kid in policy.kids.items()],
        "session": policy.session,
        "sub": policy.user,
    }


def _license(label: str, kid: Kid, hdcp: HdcpLevel) -> dict[str, object]:
    needed = output_protection(label, hdcp)
    return {
        "KeyId": str(uuid.UUID(hex=kid)),
        "MinimumSecurityLevel": _SOFTWARE if label in {"AUDIO", "SD"} else _HARDWARE,
        "OutputProtection": {
            "UncompressedDigitalVideo": _UNCOMPRESSED_VIDEO[needed],
            "HdcpType": _HDCP_TYPES[needed],
        },
    }
