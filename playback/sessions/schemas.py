"""What the session endpoints take and give; all of it is in the OpenAPI document."""

from typing import Literal

from pydantic import Field

from telecine.document import Document, UtcTime
from telecine.title import TitleId

__all__ = [
    "Heartbeat",
    "LiveTitle",
    "ManifestLinks",
    "OpenedSession",
    "ResumePosition",
    "Session",
    "SessionRequest",
]

UserId = str
LONGEST_POSITION_S = 7 * 24 * 3600


class SessionRequest(Document):
    """A viewer wants to watch a title on a device."""

    title: TitleId
    device: str = Field(min_length=1, max_length=100, description="what plays, such as 'web' or 'living-room-tv'")
    user: UserId | None = Field(default=None, max_length=128, description="if given, must be the user of the token")


class ManifestLinks(Document):
    """Where one edge serves the title."""

    edge: str
    dash: str
    hls: str


class OpenedSession(Document):
    """All a player needs. Try ``manifests`` in the order given."""

    session_id: str
    title: TitleId
    name: str
    version: str
    manifests: tuple[ManifestLinks, ...]
    license_url: str
    playback_token: str = Field(description="bearer token of the licence request and of this session's other calls")
    heartbeat_interval_s: int
    resume_position_s: float
    expires_at: UtcTime = Field(description="when the playback token stops being good for licences")


class Heartbeat(Document):
    """A sign of life. ``ended`` puts the resume position back to the start."""

    position_s: float = Field(ge=0, le=LONGEST_POSITION_S, allow_inf_nan=False)
    state: Literal["playing", "paused", "buffering", "ended"]


class ResumePosition(Document):
    """Where a viewer stopped, whatever the device."""

    title: TitleId
    position_s: float


class LiveTitle(Document):
    """A title that can be watched now."""

    title: TitleId
    name: str
    version: str


class Session(Document):
    """One viewer watching one version of one title; lives in the session store until it ends or falls silent."""

    session_id: str
    user: UserId
    device: str
    title: TitleId
    version: str
