"""Rights in FairPlay's terms: lease or persistence, HDCP of each key. Pure.

The challenge is an SPC, as octets or as the ``spc`` field of a form; ``skd://`` names the key the player wants, and the
page sends that KID along as ``kid``.
"""

import re
from urllib.parse import parse_qs

from playback.vendors.policy import LicencePolicy, output_protection
from telecine.protection import Kid

__all__ = ["CONTENT_TYPES", "asked_kids", "headers", "is_certificate_request", "message"]

CONTENT_TYPES = ("application/octet-stream", "application/x-www-form-urlencoded", "")
_KID = re.compile(r"[0-9a-f]{32}")


def is_certificate_request(body: bytes) -> bool:  # noqa: ARG001 - one shape for all vendors
    """Never: the certificate has an address of its own."""
    return False


def asked_kids(body: bytes) -> tuple[Kid, ...]:
    """The KID of a form's ``kid`` or ``assetId`` field; of a bare SPC, which is encrypted, none."""
    if not body[:64].isascii() or b"=" not in body[:64]:
        return ()
    try:
        form = parse_qs(body.decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        return ()
    texts = [text for name in ("kid", "assetId") for text in form.get(name, [])]
    cleaned = [text.removeprefix("skd://").replace("-", "").lower() for text in texts]
    return tuple(dict.fromkeys(text for text in cleaned if _KID.fullmatch(text)))


def headers() -> dict[str, str]:
    """None of its own: the SPC keeps the form it came in."""
    return {}


def message(policy: LicencePolicy) -> dict[str, object]:
    """A lease for streaming, a rental with durations for what is kept offline."""
    duration = (
        {"rental_duration_s": policy.license_s, "playback_duration_s": policy.playback_s}
        if policy.offline
        else {"lease_duration_s": policy.playback_s}
    )
    return {
        "content_id": f"{policy.title}/{policy.version}",
        "keys": [
            {"key_id": kid, "label": label, "hdcp": output_protection(label, policy.hdcp)}
            for label, kid in policy.kids.items()
        ],
        "persistent": policy.offline,
        **duration,
        "session": policy.session,
        "sub": policy.user,
    }
