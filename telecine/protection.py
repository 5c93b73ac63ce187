"""Content protection as ISO/IEC 23001-7 (CENC) names it. Key bytes never appear in a document that travels."""

from typing import Literal

from pydantic import Field, SecretBytes

from telecine.document import Document, UtcTime
from telecine.title import TitleId

__all__ = [
    "ContentKey",
    "DrmSystemSignal",
    "KeyAssignment",
    "KeyOrigin",
    "KeyRecord",
    "Kid",
    "further_label",
    "label_and_scheme",
]

_FURTHER_SCHEME: Literal["cenc"] = "cenc"

Kid = str
"""Key identifier: 32 lower-case hexadecimal digits."""

KeyOrigin = Literal["made", "speke", "imported"]
"""Who thought of a key: this installation, a key provider over SPEKE, or a CPIX file."""


class KeyAssignment(Document):
    """Which key identifier protects which label of a title. Carries no key."""

    title_id: TitleId
    kids: dict[str, Kid] = Field(description="label (AUDIO, SD, HD) to KID")


class ContentKey(Document):
    """One content key. Lives in memory only; ``key`` and ``iv`` hide themselves in every text form."""

    kid: Kid
    label: str
    key: SecretBytes = Field(description="16 bytes")
    iv: SecretBytes = Field(description="16 bytes, the constant IV of cbcs; its first 8 bytes for cenc")


class KeyRecord(Document):
    """What may be told of one key of a title: everything but the key."""

    label: str
    kid: Kid
    generation: int = Field(ge=1, description="counts the keys of one label; the next package uses the highest")
    current: bool = Field(description="whether the next package uses it")
    origin: KeyOrigin
    made_at: UtcTime | None = Field(default=None, description="none: sealed before times were kept")


class DrmSystemSignal(Document):
    """What one DRM system wants signalled for one key, as a CPIX document carries it (DRMSystem, CPIX 2.3)."""

    system_id: str = Field(description="UUID of the DRM system, lower case with dashes")
    kid: Kid
    pssh: str | None = Field(default=None, description="a whole pssh box (ISO/IEC 23001-7, 8.1), base64")
    content_protection_xml: str | None = Field(default=None, description="children of a DASH ContentProtection")
    hls_signalling_media: str | None = Field(default=None, description="lines for media playlists")
    hls_signalling_master: str | None = Field(default=None, description="lines for the multivariant playlist")


def further_label(label: str) -> str:
    """The label of the key that ``label`` has in the second set of a package with both schemes, such as ``SD-cenc``.

    A key of its own, as a licence states one cipher for a key (PlayReady's ALGID) and no cipher should see the other's
    key. A label of a profile holds no dash.
    """
    return f"{label}-{_FURTHER_SCHEME}"


def label_and_scheme(kept: str) -> tuple[str, Literal["cenc"] | None]:
    """What tracks a key is for and, where it is of a second set, its scheme: the inverse of ``further_label``."""
    label, _, scheme = kept.rpartition("-")
    return (label, _FURTHER_SCHEME) if label and scheme == _FURTHER_SCHEME else (kept, None)
