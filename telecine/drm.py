"""The DRM systems a package can be signalled for, and what standards call them."""

from collections.abc import Sequence
from typing import Literal

__all__ = [
    "BOTH",
    "CLEAR",
    "COMMON_SYSTEM",
    "KEY_FORMATS",
    "SYSTEM_IDS",
    "AskedScheme",
    "DrmSystem",
    "PackageScheme",
    "schemes_of",
    "systems_for",
]

DrmSystem = Literal["clearkey", "widevine", "playready", "fairplay"]

PackageScheme = Literal["cbcs", "cenc", "clear"]
"""How a set of segments is encrypted (ISO/IEC 23001-7), or that it is not."""

CLEAR: PackageScheme = "clear"

AskedScheme = Literal["cbcs", "cenc", "clear", "both"]
"""What a profile may ask for: one set of segments, or one of each protection scheme."""

BOTH: AskedScheme = "both"

COMMON_SYSTEM = "1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
"""System id of boxes that only list KIDs (W3C "cenc" Initialization Data Format)."""

SYSTEM_IDS: dict[DrmSystem, str] = {
    "clearkey": "e2719d58-a985-b3c9-781a-b030af78d30e",
    "widevine": "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
    "playready": "9a04f079-9840-4286-ab92-e65be0885f95",
    "fairplay": "94ce86fb-07ff-4f43-adb8-93d2fa968ca2",
}
"""As DASH-IF registers them."""

KEY_FORMATS: dict[DrmSystem, str] = {
    "clearkey": "org.w3.clearkey",  # where hls.js looks for W3C Clear Key
    "widevine": f"urn:uuid:{SYSTEM_IDS['widevine']}",
    "playready": "com.microsoft.playready",
    "fairplay": "com.apple.streamingkeydelivery",
}
"""KEYFORMAT of each system in HLS (RFC 8216bis, 4.4.4.4)."""


def schemes_of(asked: AskedScheme) -> tuple[PackageScheme, ...]:
    """The scheme of each set of segments, the one that every DRM system opens first."""
    if asked == "both":
        return ("cbcs", "cenc")
    return (asked,)


def systems_for(scheme: str, asked: Sequence[DrmSystem] | None) -> tuple[DrmSystem, ...]:
    """The systems asked for, each once, or all that the scheme allows: FairPlay knows cbcs alone, clear needs none."""
    if scheme == CLEAR:
        return ()
    if asked is None:
        return tuple(system for system in SYSTEM_IDS if scheme == "cbcs" or system != "fairplay")
    return tuple(system for system in SYSTEM_IDS if system in asked)
