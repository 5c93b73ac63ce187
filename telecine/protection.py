"""Content protection as ISO/IEC 23001-7 (CENC) names it. Key bytes never appear in a document that travels."""

from pydantic import Field, SecretBytes

from telecine.document import Document
from telecine.title import TitleId

__all__ = ["ContentKey", "DrmSystemSignal", "KeyAssignment", "Kid"]

Kid = str
"""Key identifier: 32 lower-case hexadecimal digits."""


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


class DrmSystemSignal(Document):
    """What one DRM system wants signalled for one key, as a CPIX document carries it (DRMSystem, CPIX 2.3)."""

    system_id: str = Field(description="UUID of the DRM system, lower case with dashes")
    kid: Kid
    pssh: str | None = Field(default=None, description="a whole pssh box (ISO/IEC 23001-7, 8.1), base64")
    content_protection_xml: str | None = Field(default=None, description="children of a DASH ContentProtection")
    hls_signalling_media: str | None = Field(default=None, description="lines for media playlists")
    hls_signalling_master: str | None = Field(default=None, description="lines for the multivariant playlist")
