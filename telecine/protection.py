"""Content protection as ISO/IEC 23001-7 (CENC) names it. Key bytes never appear in a document that travels."""

from pydantic import Field, SecretBytes

from telecine.document import Document
from telecine.title import TitleId

__all__ = ["ContentKey", "KeyAssignment", "Kid"]

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
