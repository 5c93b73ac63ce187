"""The schema of a profile: one YAML file of the catalogue, reviewed like code."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from telecine.document import Document

__all__ = ["AudioCodec", "AudioRung", "Ladder", "PackagingProfile", "Profile", "VideoCodec", "VideoRung"]


class VideoCodec(StrEnum):
    """Encoders a video rung can name."""

    X264 = "x264"


class AudioCodec(StrEnum):
    """Encoders an audio rung can name."""

    AAC = "aac"


class VideoRung(Document):
    """One video rendition: a box the picture is fitted into, and capped constant quality inside a VBV."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="file-name safe, such as 720p")
    codec: VideoCodec = VideoCodec.X264
    width: int = Field(gt=0, description="largest width; the picture keeps its shape inside width x height")
    height: int = Field(gt=0)
    crf: float = Field(ge=0, le=51)
    max_bps: int = Field(gt=0, description="VBV maximum rate, bits a second; its buffer holds one second")
    preset: str = "slow"
    label: str = Field(default="SD", description="key label: SD to 576 lines, HD to 1080")


class AudioRung(Document):
    """One audio rendition. Made only where the source has at least ``min_source_channels``."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    codec: AudioCodec = AudioCodec.AAC
    channels: int = Field(gt=0, le=8)
    bitrate_bps: int = Field(gt=0)
    sample_rate_hz: int = 48_000
    min_source_channels: int = 1
    label: str = "AUDIO"


class PackagingProfile(Document):
    """How renditions become a package."""

    scheme: Literal["cbcs", "cenc"] = "cbcs"
    clear_lead_s: int = Field(default=0, ge=0)


class Profile(Document):
    """A profile as its file says it: what could be made from the best source."""

    name: str
    summary: str
    gop_seconds: int = Field(default=2, gt=0, description="GOP = round(gop_seconds x frame rate) frames")
    segment_gops: int = Field(default=3, gt=0, description="a segment is this many whole GOPs")
    video: tuple[VideoRung, ...]
    audio: tuple[AudioRung, ...]
    packaging: PackagingProfile = PackagingProfile()


class Ladder(Document):
    """The rungs chosen for one master: never larger than its picture, widths and heights exact and even."""

    profile: str
    gop_frames: int
    segment_frames: int
    video: tuple[VideoRung, ...]
    audio: tuple[AudioRung, ...]
    packaging: PackagingProfile
