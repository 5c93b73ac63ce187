"""What a vendor's licence server is told about a session, signed so that it knows the words are ours. Pure.

No vendor has one form that all of its resellers take: each module spells the vendor's own terms, and the statement
travels as a compact JWS (RFC 7515, HS256) in one header, beside the player's challenge, which is never touched.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from pydantic import SecretStr

from playback.entitlements import HdcpLevel, Robustness
from playback.sessions.schemas import Session
from telecine.protection import Kid

__all__ = ["POLICY_HEADER", "LicencePolicy", "VendorRequest", "output_protection", "policy_of", "signed"]

POLICY_HEADER = "X-Telecine-License-Policy"
_STATEMENT_TTL_S = 60
_OPEN_LABELS = frozenset({"AUDIO", "SD"})


@dataclass(frozen=True, slots=True)
class LicencePolicy:
    """The rights of one licence. ``kids`` are label to KID, granted ones alone; durations are seconds."""

    title: str
    version: str
    user: str
    session: str
    device: str
    kids: Mapping[str, Kid]
    robustness: Robustness
    hdcp: HdcpLevel
    offline: bool
    license_s: int
    playback_s: int


@dataclass(frozen=True, slots=True)
class VendorRequest:
    """What is sent to a vendor. ``body`` holds the player's challenge and shows itself in no text form."""

    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"VendorRequest({len(self.body)} bytes)"


_LONGEST_STREAM_S = 6 * 3600
_LONGEST_OFFLINE_S = 30 * 24 * 3600
_LONGEST_PLAYBACK_S = 48 * 3600


def policy_of(session: Session, kids: tuple[Kid, ...], now_s: float) -> LicencePolicy:
    """The rights of a session: six hours to stream or thirty days offline, never beyond the entitlement's end."""
    ends = session.entitlement.expires_at
    longest_s = _LONGEST_OFFLINE_S if session.entitlement.offline else _LONGEST_STREAM_S
    license_s = longest_s if ends is None else max(1, min(longest_s, ends - int(now_s)))
    return LicencePolicy(
        title=session.title,
        version=session.version,
        user=session.user,
        session=session.session_id,
        device=session.device_name,
        kids={label: kid for label, kid in sorted(session.kids.items()) if kid in kids},
        robustness=session.robustness,
        hdcp=session.entitlement.hdcp,
        offline=session.entitlement.offline,
        license_s=license_s,
        playback_s=min(license_s, _LONGEST_PLAYBACK_S),
    )


def output_protection(label: str, hdcp: HdcpLevel) -> HdcpLevel:
    """The HDCP a label needs: what the entitlement says, from HD on; sound and SD go out unprotected."""
    return "NONE" if label in _OPEN_LABELS else hdcp


def signed(message: Mapping[str, object], challenge: bytes, secret: SecretStr, now_s: float) -> str:
    """``message`` as a compact JWS good for a minute, and for this challenge alone (its SHA-256 is in it)."""
    claims = {
        **message,
        "iss": "telecine",
        "iat": int(now_s),
        "exp": int(now_s) + _STATEMENT_TTL_S,
        "challenge_sha256": hashlib.sha256(challenge).hexdigest(),
    }
    return jwt.encode(claims, secret.get_secret_value(), algorithm="HS256")
