"""What a master is, exactly: sizes, rational frame rates, colour, tracks. No floats anywhere."""

from fractions import Fraction
from typing import Literal

from pydantic import Field

from telecine.document import Document, ExactSeconds, Sha256, digest_of
from telecine.soundmap import SideFile, SoundRole, SoundSheet

__all__ = [
    "AudioTrack",
    "Colour",
    "ContentLight",
    "Crop",
    "DynamicHdr",
    "FrameRate",
    "Gap",
    "Master",
    "MasteringDisplay",
    "Probe",
    "SoundPart",
    "SoundRole",
    "SubtitleTrack",
    "VideoTrack",
]


class FrameRate(Document):
    """Frames a second as an exact ratio: 24000/1001 is never 23.976."""

    numerator: int = Field(gt=0)
    denominator: int = Field(gt=0)

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"

    @classmethod
    def of(cls, value: Fraction) -> "FrameRate":
        return cls(numerator=value.numerator, denominator=value.denominator)

    def time_of(self, frame: int) -> Fraction:
        """Start of output frame ``frame``, seconds."""
        return Fraction(frame) / self.fraction


class Colour(Document):
    """Colour description as ISO/IEC 23091-2 names; None where the source does not say."""

    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None
    range: str | None = None


class MasteringDisplay(Document):
    """The display an HDR master was graded on (SMPTE ST 2086): CIE 1931 chromaticities, luminance in cd/m2."""

    red: tuple[ExactSeconds, ExactSeconds]
    green: tuple[ExactSeconds, ExactSeconds]
    blue: tuple[ExactSeconds, ExactSeconds]
    white: tuple[ExactSeconds, ExactSeconds]
    max_luminance: ExactSeconds
    min_luminance: ExactSeconds


class ContentLight(Document):
    """Light levels of the content, cd/m2 (CTA-861.3): the brightest pixel, and the brightest frame on average."""

    max_cll: int = Field(ge=0)
    max_fall: int = Field(ge=0)


DynamicHdr = Literal["hdr10+", "dv4", "dv5", "dv7", "dv8.1", "dv8.2", "dv8.4", "dv9", "dv10.0", "dv10.1", "dv10.4"]
"""Metadata that changes from frame to frame: HDR10+, or Dolby Vision by profile and compatibility of its base layer."""


class Crop(Document):
    """A part of a picture, in samples of the upright one: turned and mirrored as it is shown."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class Gap(Document):
    """Pictures missing from an otherwise constant track: the last one before is shown from ``start`` to ``end``."""

    start: ExactSeconds
    end: ExactSeconds
    frames: int = Field(gt=0, description="pictures that are not there")


class VideoTrack(Document):
    """One video track. Width and height are coded samples before rotation; SAR is width:height of a sample."""

    index: int
    codec: str
    width: int
    height: int
    sample_aspect: ExactSeconds = Fraction(1)
    rotation: int = 0
    pixel_format: str
    bit_depth: int
    frame_rate: FrameRate
    variable_frame_rate: bool = False
    interlaced: bool = Field(default=False, description="by the pictures where they were looked at, else by flags")
    field_order: Literal["tff", "bff"] | None = Field(default=None, description="of an interlaced track; None: flags")
    telecined: bool = Field(
        default=False, description="film by 3:2 pulldown in the coded pictures; then interlaced too"
    )
    deinterlace: Literal["fields", "frames"] = Field(default="fields", description="by the profile's policy")
    scan_flag: Literal["progressive", "interlaced"] | None = Field(
        default=None, description="what the container said, where the pictures showed something else"
    )
    active: Crop | None = Field(default=None, description="image inside black bars; None: no bars")
    crop: Crop | None = Field(default=None, description="what is kept, by the profile's policy; None: all")
    gaps: tuple[Gap, ...] = Field(default=(), description="the first hundred places where pictures are missing")
    dropped: int = Field(default=0, description="pictures missing in all gaps")
    colour: Colour = Colour()
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    dynamic: tuple[DynamicHdr, ...] = ()
    start: ExactSeconds
    duration: ExactSeconds
    packets: int = Field(description="coded pictures counted in the container")


class SoundPart(Document):
    """One channel of a track that is put together: a channel of one of the master's tracks, or of a file beside it."""

    channel: str = Field(description="what it is, as FFmpeg names it: FL, FR, FC, LFE, SL, SR, BL, BR")
    source: SideFile | None = Field(default=None, description="none: the master itself")
    index: int = Field(description="of the stream in its file")
    source_channel: int = 0
    offset: ExactSeconds = Field(default=Fraction(0), description="how much later it is laid than it lies")


class AudioTrack(Document):
    """One audio track. ``layout`` as FFmpeg names it: mono, stereo, 5.1, 5.1(side), 7.1.

    With ``parts`` it is put together of them, ``index`` is none of the master's and ``codec`` is "mapped".
    """

    index: int
    codec: str
    channels: int
    layout: str
    sample_rate_hz: int
    language: str = "und"
    role: SoundRole = "main"
    title: str = ""
    atmos: bool = Field(default=False, description="E-AC-3 with joint object coding (ETSI TS 103 420)")
    dialnorm_lkfs: int | None = Field(default=None, description="loudness of dialogue as AC-3 and E-AC-3 state it")
    bit_rate_bps: int = Field(default=0, description="as the container or stream states it; 0 where neither does")
    parts: tuple[SoundPart, ...] = ()
    start: ExactSeconds
    duration: ExactSeconds


class SubtitleTrack(Document):
    """One subtitle track inside the master."""

    index: int
    codec: str
    language: str = "und"


class Master(Document):
    """A source master, fixed by its bytes."""

    uri: str
    size_bytes: int
    sha256: Sha256
    sound: SoundSheet | None = Field(default=None, description="its sidecar, where it has one")

    @property
    def identity(self) -> Sha256:
        """What a title is made of: the master's bytes, and those of its sidecar and the files that names."""
        return self.sha256 if self.sound is None else digest_of("master and sound", self.sha256, self.sound)


class Probe(Document):
    """Everything inspection found in one master; times are on the container's own clock."""

    master: Master
    container: str
    duration: ExactSeconds
    video: tuple[VideoTrack, ...] = ()
    audio: tuple[AudioTrack, ...] = ()
    subtitles: tuple[SubtitleTrack, ...] = ()
    encrypted: bool = False
    decode_errors: tuple[str, ...] = Field(
        default=(), description="what the decoder said at the start and the end of the master; empty is good"
    )
    first_frames_decoded: int = Field(default=0, description="frames decoded from the first seconds")
    last_frames_decoded: int = Field(default=0, description="frames decoded from the last seconds")
