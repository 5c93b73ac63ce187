"""Renditions: complete, clear, encoded tracks of a title, proven frame-exact."""

from typing import Literal

from pydantic import Field

from telecine.document import Document, ExactSeconds, Sha256
from telecine.media import ContentLight, DynamicHdr, FrameRate, MasteringDisplay, SoundRole

__all__ = ["Loudness", "LoudnessReport", "Quality", "Rendition", "RenditionSet"]


class Quality(Document):
    """Quality over the measured frames of one rendition, every ``subsample``-th frame.

    ``model`` names the measure: a VMAF model (0 to 100), or ``xpsnr`` (dB) for HDR, which no VMAF model knows.
    """

    model: str
    mean: float
    harmonic_mean: float
    percentile_1: float
    percentile_5: float
    frames_measured: int
    subsample: int = 1
    psnr: float | None = Field(default=None, description="mean PSNR of luma over the same frames, dB")
    windows: int = Field(default=1, description="parts of the title that were looked at, spread over it")
    over_time: tuple[tuple[int, float], ...] = Field(
        default=(), description="number of each measured frame, from 0 at the title's first, and its score"
    )


class Loudness(Document):
    """Loudness of one whole mix by ITU-R BS.1770-4 and EBU Tech 3342; the absolute gate, -70, is silence."""

    integrated_lufs: float
    range_lu: float
    true_peak_dbtp: float


class LoudnessReport(Document):
    """What a sound track was and what became of it.

    ``before`` is its mix as it came, ``after`` is the encoded rendition, decoded again. ``gate`` says what the gain was
    reckoned from: the programme as measured, or the dialogue as the master's dialnorm states it.
    """

    before: Loudness | None = None
    after: Loudness
    gain_db: float = 0
    gate: Literal["programme", "dialogue"] = "programme"


class Rendition(Document):
    """One assembled track, an MP4 with all its samples, in the work store under ``key``."""

    name: str
    kind: Literal["video", "audio"]
    codec: str = Field(description="RFC 6381 string, such as avc1.64001f or mp4a.40.2")
    label: str = Field(description="key label this rendition is encrypted under: AUDIO, SD, HD, UHD, UHD_HDR")
    key: str
    sha256: Sha256
    size_bytes: int
    duration: ExactSeconds
    average_bps: int
    peak_bps: int = Field(description="largest bits of any one-second window")
    width: int | None = None
    height: int | None = None
    frame_rate: FrameRate | None = None
    frames: int | None = None
    dynamic_range: Literal["SDR", "PQ", "HLG"] | None = Field(
        default=None, description="of video, as VIDEO-RANGE says it"
    )
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    dynamic: tuple[DynamicHdr, ...] = Field(default=(), description="metadata kept frame by frame")
    channels: int | None = None
    sample_rate_hz: int | None = None
    language: str = "und"
    role: SoundRole = "main"
    atmos: bool = Field(default=False, description="E-AC-3 with joint object coding, passed through")
    loudness: LoudnessReport | None = None
    quality: Quality | None = None


class JoinEvidence(Document):
    """What was seen where chunks meet: both sides of each join of each video rendition, against the source."""

    joins: int = Field(description="of the title")
    looked_at: int
    aligned: int = Field(description="sides whose pictures are the source's at their places and at no other")
    still: int = Field(description="sides where nothing moves, so that a picture cannot be told from its neighbours")


class RenditionSet(Document):
    """All renditions of one master under one plan; every video rendition has the same frames and IDR grid."""

    plan_digest: Sha256
    frames: int
    frame_rate: FrameRate
    gop_frames: int
    segment_frames: int
    renditions: tuple[Rendition, ...]
    join_evidence: JoinEvidence | None = None

    @property
    def video(self) -> tuple[Rendition, ...]:
        return tuple(r for r in self.renditions if r.kind == "video")

    @property
    def audio(self) -> tuple[Rendition, ...]:
        return tuple(r for r in self.renditions if r.kind == "audio")
