"""Titles as their users name them."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from telecine.document import Document, UtcTime
from telecine.text import Chapter, TextSource

__all__ = ["TITLE_ID_PATTERN", "Priority", "SubmitRequest", "TitleId", "title_id_from_name"]

TITLE_ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
TitleId = Annotated[str, Field(pattern=TITLE_ID_PATTERN)]
"""Lower-case letters, digits and dashes, 63 at most: safe in a URL, an object key and a host name."""


class Priority(StrEnum):
    """The class of a title. Order of encoding: class first, then launch time, then age."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 is served first (as Redis priorities count)."""
        return list(Priority).index(self)


class SubmitRequest(Document):
    """What a person gives to start a title."""

    master_uri: str = Field(description="file://, s3:// or https:// address of the source master")
    title_id: TitleId
    name: str = Field(min_length=1, max_length=200)
    profile: str = "standard"
    priority: Priority = Priority.NORMAL
    launch_at: UtcTime | None = None
    sound_uri: str | None = Field(default=None, description="its sidecar of sound; none: NAME.audio.yaml beside it")
    texts: tuple[TextSource, ...] = ()
    chapters: tuple[Chapter, ...] = Field(default=(), description="none: those of the master's container")


def title_id_from_name(name: str) -> str:
    """A valid TitleId made of a free-text name or file name; never empty."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")
    return slug or "title"
