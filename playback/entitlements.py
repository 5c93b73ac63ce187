"""What a viewer may have of a title: an entitlement, what the device can protect, and the labels both allow. Pure.

Robustness follows EME's idea of it (software or hardware protected decoding); labels follow the key policy of a title.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from telecine.document import Document
from telecine.protection import Kid

__all__ = ["Entitlement", "HdcpLevel", "MaxLabel", "Robustness", "granted_kids"]

MaxLabel = Literal["SD", "HD", "UHD", "UHD_HDR"]
Robustness = Literal["software", "hardware"]
HdcpLevel = Literal["NONE", "TYPE-0", "TYPE-1"]
"""As HLS names it (RFC 8216bis, HDCP-LEVEL): none, HDCP of any version, HDCP 2.2 or later."""

_RANKS = {"AUDIO": 0, "SD": 1, "HD": 2, "UHD": 3, "UHD_HDR": 4}
_HIGHEST = max(_RANKS.values())
_SOFTWARE_RANK = _RANKS["SD"]


class Entitlement(Document):
    """What a viewer's plan allows. The defaults allow everything but keeping a title offline."""

    titles: tuple[str, ...] | None = Field(default=None, description="title IDs; None: all")
    max_label: MaxLabel = Field(default="UHD_HDR", description="the highest label whose key is given out")
    hdcp: HdcpLevel = Field(default="NONE", description="output protection that HD and above need")
    expires_at: int | None = Field(default=None, description="seconds since 1970 when the right ends; None: never")
    offline: bool = Field(default=False, description="whether a licence may be kept beyond the session")


def granted_kids(kids: Mapping[str, Kid], entitlement: Entitlement, robustness: Robustness) -> dict[str, Kid]:
    """The labels of a title, with their KIDs, that an entitlement and a device's robustness allow together.

    Software gets AUDIO and SD. A label of unknown rank is worth the highest: it fails closed.
    """
    ceiling = _RANKS[entitlement.max_label]
    if robustness == "software":
        ceiling = min(ceiling, _SOFTWARE_RANK)
    return {label: kid for label, kid in kids.items() if _RANKS.get(label, _HIGHEST) <= ceiling}
