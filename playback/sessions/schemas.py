"""What the session endpoints take and give; all of it is in the OpenAPI document."""

from typing import Literal

from pydantic import Field

from playback.entitlements import Entitlement, Robustness
from telecine.document import Document, UtcTime
from telecine.drm import PackageScheme
from telecine.protection import Kid
from telecine.title import TitleId

__all__ = [
    "Heartbeat",
    "LicenseToken",
    "LiveTitle",
    "ManifestLinks",
    "OpenedSession",
    "ResumePosition",
    "Session",
    "SessionManifests",
    "SessionRequest",
]

UserId = str
LONGEST_POSITION_S = 7 * 24 * 3600


class SessionRequest(Document):
    """A viewer wants to watch a title on a device."""

    title: TitleId
    device: str = Field(min_length=1, max_length=100, description="what plays, such as 'web' or 'living-room-tv'")
    device_id: str | None = Field(
        default=None, min_length=1, max_length=128, description="which one it is; limits of a device count by it"
    )
    robustness: Robustness | None = Field(
        default=None, description="how the device protects decoding; software gets SD and sound. None: as configured"
    )
    user: UserId | None = Field(default=None, max_length=128, description="if given, must be the user of the token")
    scheme: Literal["cbcs", "cenc"] | None = Field(
        default=None, description="the protection scheme the device needs (ISO/IEC 23001-7). None: what the title has"
    )
    key_system: str | None = Field(
        default=None,
        max_length=100,
        description="the device's key system as EME names it, from which the scheme follows where it is not given: "
        "com.apple.fps opens cbcs alone, com.microsoft.playready (PlayReady before 4.0) cenc alone",
    )

    @property
    def needed_scheme(self) -> Literal["cbcs", "cenc"] | None:
        """The only scheme that will do; None where any does."""
        if self.scheme is not None or self.key_system is None:
            return self.scheme
        if self.key_system.startswith("com.apple.fps"):
            return "cbcs"
        return "cenc" if self.key_system == "com.microsoft.playready" else None  # .recommendation: 4.0 and later


class ManifestLinks(Document):
    """Where one edge serves the title."""

    edge: str
    dash: str
    hls: str


class SessionManifests(Document):
    """The manifests of one session: only what it may play, with whole URLs. Asked for with the playback token."""

    dash: str
    hls: str


class OpenedSession(Document):
    """All a player needs. Load one of ``session_manifests``; the media are on the edges of ``manifests``."""

    session_id: str
    title: TitleId
    name: str
    version: str
    scheme: PackageScheme | None = Field(
        default=None, description="how the media of its manifests are protected; none: of a version that does not say"
    )
    manifests: tuple[ManifestLinks, ...]
    session_manifests: SessionManifests
    labels: tuple[str, ...] = Field(description="labels whose keys this session can get")
    license_url: str
    license_urls: dict[str, str] = Field(description="licence URL by key system, those that are configured")
    license_token_url: str = Field(description="POST here for a token of one more licence")
    playback_token: str = Field(description="bearer token of the first licence and of this session's other calls")
    heartbeat_interval_s: int
    resume_position_s: float
    expires_at: UtcTime = Field(description="when the playback token stops being good for licences")


class LicenseToken(Document):
    """Bearer token of one licence request."""

    license_token: str
    expires_at: UtcTime


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
    device_id: str | None = None
    dash_path: str = "manifest.mpd"
    hls_path: str = "master.m3u8"
    robustness: Robustness = "hardware"
    kids: dict[str, Kid] = Field(default={}, description="label to KID, those this session may have")
    protected: tuple[Kid, ...] = Field(default=(), description="every KID of the version")
    entitlement: Entitlement = Entitlement()

    @property
    def device_name(self) -> str:
        """What limits of a device count by: its own ID, or what kind it is."""
        return self.device_id or self.device
