"""Versions of a title: what was published, what is live, what was retired."""

from pydantic import Field

from telecine.document import Document, Sha256, UtcTime
from telecine.publication import Publication
from telecine.title import TitleId

__all__ = ["VersionRecord"]


class VersionRecord(Document):
    """One version that is, or was, on the origin. ``live_at``: the last time it went live; None: never did."""

    title_id: TitleId
    version: str
    made_at: UtcTime
    live_at: UtcTime | None = None
    retired_at: UtcTime | None = Field(default=None, description="removed from origin and edges then")
    publication: Publication
    profile: str
    master_sha256: Sha256 | None = None
    rungs: tuple[str, ...] = Field(default=(), description="names of its renditions")
    partial: bool = Field(default=False, description="made of the profile's minimum ladder; the rest follows")
    live: bool = Field(default=False, description="viewers get it now")
