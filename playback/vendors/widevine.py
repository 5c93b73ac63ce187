"""Rights in the terms of Widevine's licence proxy (get license request: policy, content key specs). Pure."""

import base64

from playback.entitlements import HdcpLevel
from playback.vendors.policy import LicencePolicy, output_protection
from telecine.protection import Kid

__all__ = ["CONTENT_TYPES", "asked_kids", "headers", "is_certificate_request", "message"]

CONTENT_TYPES = ("application/octet-stream", "")
_CERTIFICATE_REQUEST = b"\x08\x04"
_SOFTWARE_CRYPTO, _HARDWARE_ALL = 1, 5
"""Security levels: SW_SECURE_CRYPTO (L3) and HW_SECURE_ALL (L1)."""

_HDCP: dict[HdcpLevel, str] = {"NONE": "HDCP_NONE", "TYPE-0": "HDCP_V1", "TYPE-1": "HDCP_V2_2"}
_TRACK_TYPES = {"AUDIO": "AUDIO", "SD": "SD", "HD": "HD", "UHD": "UHD1", "UHD_HDR": "UHD2"}
_ALLOWED = (("UHD_HDR", "SD_UHD2"), ("UHD", "SD_UHD1"), ("HD", "SD_HD"))


def is_certificate_request(body: bytes) -> bool:
    """Whether the player asks for the service certificate, which grants nothing (privacy mode's first message)."""
    return body == _CERTIFICATE_REQUEST


def asked_kids(body: bytes) -> tuple[Kid, ...]:  # noqa: ARG001 - one shape for all vendors
    """None: a Widevine challenge is encrypted to the server, so the key specs alone hold back what is not granted."""
    return ()


def headers() -> dict[str, str]:
    """Of the request itself."""
    return {"Content-Type": "application/octet-stream"}


def message(policy: LicencePolicy) -> dict[str, object]:
    """``allowed_track_types``, a key spec for each granted KID, and the overrides of the stored policy."""
    allowed = next((name for label, name in _ALLOWED if label in policy.kids), "SD_ONLY")
    return {
        "content_id": base64.b64encode(f"{policy.title}/{policy.version}".encode()).decode(),
        "allowed_track_types": allowed,
        "content_key_specs": [_key_spec(label, kid, policy) for label, kid in policy.kids.items()],
        "policy_overrides": {
            "can_play": True,
            "can_persist": policy.offline,
            "can_renew": False,
            "license_duration_seconds": policy.license_s,
            "playback_duration_seconds": policy.playback_s,
            "rental_duration_seconds": policy.license_s,
        },
        "session": policy.session,
        "sub": policy.user,
    }


def _key_spec(label: str, kid: Kid, policy: LicencePolicy) -> dict[str, object]:
    return {
        "track_type": _TRACK_TYPES.get(label, label),
        "key_id": base64.b64encode(bytes.fromhex(kid)).decode(),
        "security_level": _SOFTWARE_CRYPTO if label in {"AUDIO", "SD"} else _HARDWARE_ALL,
        "required_output_protection": {"hdcp": _HDCP[output_protection(label, policy.hdcp)]},
    }
