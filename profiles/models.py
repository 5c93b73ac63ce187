"""The schema of a profile: one YAML file of the catalogue, reviewed like code."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from profiles.per_title import PerTitle
from profiles.picture_policy import PicturePolicy
from profiles.source_checks import SourceChecks
from telecine.document import Document
from telecine.drm import BOTH, CLEAR, AskedScheme, DrmSystem, PackageScheme, schemes_of, systems_for

__all__ = [
    "AudioCodec",
    "AudioRung",
    "Downmix",
    "Gates",
    "Ladder",
    "PackagingProfile",
    "Profile",
    "VideoCodec",
    "VideoRung",
]

KEY_LABEL = r"^[A-Z0-9][A-Z0-9_]{0,39}$"
HdcpLevel = Literal["NONE", "TYPE-0", "TYPE-1"]
KeyFormat = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$")]
CpcLabel = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
"""A content protection configuration as ALLOWED-CPC may name it (RFC 8216bis, 4.4.6.2)."""


class VideoCodec(StrEnum):
    """Encoders a video rung can name."""

    X264 = "x264"
    X265 = "x265"
    VP9 = "vp9"
    SVT_AV1 = "svtav1"


class AudioCodec(StrEnum):
    """Encoders an audio rung can name."""

    AAC = "aac"
    AC3 = "ac3"
    EAC3 = "eac3"


class VideoRung(Document):
    """One video rendition: a box the picture is fitted into, and capped constant quality inside a VBV."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="file-name safe, such as 720p")
    codec: VideoCodec = VideoCodec.X264
    width: int = Field(gt=0, description="largest width; the picture keeps its shape inside width x height")
    height: int = Field(gt=0)
    fit: Literal["inside", "cover"] = Field(
        default="inside", description="inside: the whole picture; cover: its centre, cut to the shape of the box"
    )
    dynamic_range: Literal["sdr", "source"] = Field(
        default="sdr", description="sdr: HDR sources are tone-mapped; source: kept as it is, in 10 bits"
    )
    min_source_width: int = Field(default=0, ge=0, description="made only of pictures whose longer side has this much")
    crf: float = Field(ge=0, le=63, description="on the encoder's own scale")
    max_bps: int = Field(gt=0, description="VBV maximum rate, bits a second; its buffer holds one second")
    preset: str = Field(default="slow", description="the encoder's own name; a number for VP9 and SVT-AV1")
    aq_strength: float | None = Field(
        default=None,
        ge=0,
        le=3,
        description="x264, x265: adaptive quantisation; none: 1, of x264 without psychovisual 0.4",
    )
    b_frames: int | None = Field(
        default=None, ge=0, le=16, description="x264, x265: B-frames in a row, at most; none: the preset's, of x264 5"
    )
    psychovisual: bool = Field(
        default_factory=lambda said: said.get("codec") not in {VideoCodec.X264, VideoCodec.SVT_AV1},
        description="x264, x265, SVT-AV1: bits for grain and texture that no metric counts; left out: x265 only",
    )
    viewing: Literal["auto", "tv", "phone", "4k"] = Field(
        default="auto", description="whose eyes VMAF stands for; auto: a 4k screen above 1080 lines, a tv below"
    )
    label: str = Field(
        default="SD",
        pattern=KEY_LABEL,
        description="key label; left out: SD to 576 lines, HD to 1080, then UHD or UHD_HDR",
    )
    hardware: Literal["never", "prefer", "require"] = Field(
        default="never", description="NVENC: never; where a GPU worker is up, else the CPU; or only there"
    )
    hardware_cq: float | None = Field(default=None, ge=1, le=51, description="NVENC's quality scale; none: the crf")
    hardware_preset: Literal["p1", "p2", "p3", "p4", "p5", "p6", "p7"] = Field(
        default="p6", description="NVENC's preset, p1 (fastest) to p7"
    )

    @model_validator(mode="after")
    def _encoder_can(self) -> Self:
        if self.codec is VideoCodec.X264 and self.dynamic_range != "sdr":
            message = f"rung '{self.name}': x264 rungs are 8-bit SDR; HDR needs x265, vp9 or svtav1"
            raise ValueError(message)
        if self.codec is VideoCodec.VP9 and self.hardware != "never":
            message = f"rung '{self.name}': NVENC has no VP9; hardware needs x264, x265 or svtav1"
            raise ValueError(message)
        return self


class Downmix(Document):
    """How channels are summed, decibels; the defaults are those of ITU-R BS.775-3, annex 4.

    ``lo_ro`` sums each side for itself. ``lt_rt`` puts the surrounds into both sides in opposite phase, for matrix
    decoders: -1.25 and -6 dB, ``surround_db`` does not apply, and without the 90 degree shift of a hardware encoder.
    """

    center_db: float = Field(default=-3, ge=-12, le=0)
    surround_db: float = Field(default=-3, ge=-12, le=0)
    lfe_db: float | None = Field(default=None, ge=-20, le=10, description="none: the effects channel is left out")
    matrix: Literal["lo_ro", "lt_rt"] = "lo_ro"


class AudioRung(Document):
    """One audio rendition of each of a master's languages and roles that has at least ``min_source_channels``."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    codec: AudioCodec = AudioCodec.AAC
    channels: int = Field(gt=0, le=8)
    bitrate_bps: int = Field(gt=0)
    sample_rate_hz: int = 48_000
    min_source_channels: int = 1
    loudness_lufs: float | None = Field(
        default=None, ge=-40, le=-5, description="integrated loudness to bring each track to (EBU R 128); none: kept"
    )
    true_peak_dbtp: float = Field(default=-1, ge=-12, le=0, description="never passed where the loudness is changed")
    loudness_gate: Literal["programme", "dialogue"] = Field(
        default="programme", description="dialogue: as the master's own dialnorm states it, where it does"
    )
    downmix: Downmix | None = Field(default=None, description="none: the profile's")
    passthrough: Literal["never", "when_possible", "only"] = Field(
        default="never", description="whether the track's own coded samples are taken where they are of this codec"
    )
    atmos: bool = Field(default=False, description="made of Dolby Atmos tracks only, passed through")
    label: str = Field(default="AUDIO", pattern=KEY_LABEL)

    @model_validator(mode="after")
    def _passes_what_can_be_passed(self) -> Self:
        if self.passthrough != "never" and self.codec is AudioCodec.AAC:
            message = f"rung '{self.name}': only ac3 and eac3 are passed through"
            raise ValueError(message)
        if self.passthrough != "never" and self.loudness_lufs is not None:
            message = f"rung '{self.name}': what is passed through keeps its loudness, so loudness_lufs cannot be asked"
            raise ValueError(message)
        if self.atmos and (self.passthrough != "only" or self.codec is not AudioCodec.EAC3):
            message = f"rung '{self.name}': Atmos cannot be encoded here, so it needs codec eac3 and passthrough only"
            raise ValueError(message)
        return self


class ThumbnailPolicy(Document):
    """Small pictures for the seek bar: one every ``every_s`` seconds, on sheets of ``columns`` by ``rows``."""

    every_s: int = Field(default=10, gt=0)
    columns: int = Field(default=10, gt=0, le=20)
    rows: int = Field(default=10, gt=0, le=20)
    width: int = Field(default=160, ge=64, le=480, multiple_of=2)


class PackagingProfile(Document):
    """How renditions become a package."""

    scheme: AskedScheme = Field(
        default="cbcs", description="both: a set of segments of each; clear: no encryption, no keys, no licences"
    )
    clear_lead_s: int = Field(default=0, ge=0, description="at the start in the clear, rounded up to whole segments")
    drm: tuple[DrmSystem, ...] | None = Field(
        default=None, min_length=1, description="systems to signal; none: all that the scheme allows"
    )
    trick_play: bool = Field(default=False, description="tracks of key frames alone, for seeking in pictures")
    hdcp: dict[str, HdcpLevel] = Field(default={}, description="HDCP-LEVEL by key label; labels left out need none")
    allowed_cpc: dict[str, dict[KeyFormat, tuple[CpcLabel, ...]]] = Field(
        default={}, description="ALLOWED-CPC by key label: KEYFORMAT to content protection configurations"
    )
    thumbnails: ThumbnailPolicy | None = Field(default=None, description="none: no thumbnails")
    playready_attributes: dict[str, str] = Field(default={}, description="custom attributes of PlayReady headers")

    @model_validator(mode="after")
    def _scheme_opens(self) -> Self:
        if self.scheme == "cenc" and "fairplay" in (self.drm or ()):
            message = "FairPlay opens scheme cbcs only, but scheme cenc was asked: leave fairplay out, or say cbcs"
            raise ValueError(message)
        if self.scheme == BOTH and not self.systems_of("cenc"):
            message = "FairPlay opens scheme cbcs only, so a set of scheme cenc beside it needs another system in drm"
            raise ValueError(message)
        if self.scheme == CLEAR and (self.drm or self.clear_lead_s):
            message = "scheme clear has no keys: leave out drm and clear_lead_s, or say cbcs or cenc"
            raise ValueError(message)
        return self

    @property
    def systems(self) -> tuple[DrmSystem, ...]:
        """The systems to signal in the first set, always in one order."""
        return self.systems_of(self.schemes[0])

    @property
    def schemes(self) -> tuple[PackageScheme, ...]:
        """Of each set of segments; the first is what viewers get unless their device needs another."""
        return schemes_of(self.scheme)

    def systems_of(self, scheme: PackageScheme) -> tuple[DrmSystem, ...]:
        """The systems to signal in the set of a scheme."""
        found = systems_for(scheme, self.drm)
        return tuple(one for one in found if one != "fairplay") if self.scheme == BOTH and scheme == "cenc" else found


class Gates(Document):
    """When a release stops and asks a person; nothing here changes what is made."""

    ask_on_findings: bool = Field(default=True, description="for source findings whose severity is 'ask'")
    vmaf_floor: float | None = Field(
        default=None, ge=0, le=100, description="5th percentile of VMAF below which a person is asked; none: never"
    )
    ask_on_recommendations: bool = Field(
        default=False, description="where the proof found what a standard recommends against"
    )
    approve_launch: bool = Field(default=False, description="a person must say that a title goes live")


class Profile(Document):
    """A profile as its file says it: what could be made from the best source."""

    name: str
    summary: str
    gop_seconds: int = Field(default=2, gt=0, description="GOP = round(gop_seconds x frame rate) frames")
    segment_gops: int = Field(default=3, gt=0, description="a segment is this many whole GOPs")
    video: tuple[VideoRung, ...] = Field(description="empty: sound alone, and the master may have no picture")
    audio: tuple[AudioRung, ...]
    downmix: Downmix = Downmix()
    packaging: PackagingProfile = PackagingProfile()
    per_title: PerTitle = PerTitle()
    picture: PicturePolicy = PicturePolicy()
    source_checks: SourceChecks = SourceChecks()
    gates: Gates = Gates()
    minimum: tuple[str, ...] = Field(
        default=(), description="names of rungs a title may go live with before the rest is made; empty: all at once"
    )

    @model_validator(mode="after")
    def _minimum_can_be_watched(self) -> Self:
        unknown = set(self.minimum) - {rung.name for rung in self.video} - {rung.name for rung in self.audio}
        if unknown:
            message = f"minimum: there is no rung '{min(unknown)}'"
            raise ValueError(message)
        if self.minimum and not any(rung.name in self.minimum for rung in self.video):
            message = "minimum: at least one video rung is needed"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _one_picture(self) -> Self:
        if len({rung.fit for rung in self.video}) > 1:
            message = "video rungs differ in 'fit': all must show the same picture, or a switch would move it"
            raise ValueError(message)
        return self


class Ladder(Document):
    """The rungs chosen for one master: never larger than its picture, widths and heights exact and even."""

    profile: str
    gop_frames: int
    segment_frames: int
    video: tuple[VideoRung, ...]
    audio: tuple[AudioRung, ...]
    packaging: PackagingProfile
    picture: PicturePolicy = PicturePolicy()
    damage_allowed: bool = Field(default=False, description="a few undecodable pictures do not end the title")
