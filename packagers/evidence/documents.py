"""What was seen of a package and what is wrong with it, as documents. Pure."""

from typing import Literal

from pydantic import Field

from telecine.document import Document, ExactSeconds
from telecine.errors import PackageRejected
from telecine.protection import Kid
from telecine.rendition import Loudness, Quality

__all__ = ["Decoded", "EvidenceReport", "Fault", "SegmentEvidence", "TrackEvidence", "TrackKind", "WorstSeconds"]

TrackKind = Literal["video", "audio", "text", "image", "trick"]


class Fault(Document):
    """One breach: the clause, where, what was found, what to do. ``must`` is False for what a standard recommends."""

    clause: str = Field(description="standard and number, such as 'RFC 8216bis 4.4.3.1'")
    requirement: str
    where: str
    found: str
    remedy: str
    must: bool = True

    @property
    def sentence(self) -> str:
        """All of it in one line for people."""
        return f"{self.where}: {self.found} [{self.clause}: {self.requirement}] {self.remedy}"


class SegmentEvidence(Document):
    """One segment as measured in its own boxes."""

    start: ExactSeconds = Field(description="presentation time of its first sample; below 0 while a decoder primes")
    duration: ExactSeconds
    size_bytes: int
    samples: int


class Decoded(Document):
    """What came out of decrypting and decoding a whole track."""

    frames: int = Field(description="decoded pictures of video, decoded frames of sound")
    duration: ExactSeconds
    loudness: Loudness | None = Field(default=None, description="EBU R128 over the whole track as decrypted")


class TrackEvidence(Document):
    """One track of a package."""

    name: str
    kind: TrackKind
    codecs: str
    init: str | None = Field(description="path or URL of its init segment")
    kid: Kid | None = Field(default=None, description="in its own tenc box; None where it is clear")
    scheme: str | None = None
    samples: int = 0
    sync_samples: int = 0
    start: ExactSeconds | None = Field(default=None, description="presentation time of its first shown sample")
    average_bps: int | None = None
    peak_bps: int | None = Field(default=None, description="RFC 8216bis: over 0.5 to 1.5 target durations")
    declared_bps: int | None = Field(default=None, description="@bandwidth in DASH")
    grid: tuple[ExactSeconds, ...] = Field(default=(), description="times of its sync samples, video only")
    segments: tuple[SegmentEvidence, ...] = ()
    decoded: Decoded | None = None
    not_decoded: str | None = Field(default=None, description="why, where it was not")
    quality: Quality | None = None
    cues: int | None = Field(default=None, description="of text that was read, over all its segments")
    pictures: int | None = Field(default=None, description="sheets of thumbnails that were decoded")

    @property
    def came_out(self) -> str:
        """What opening it gave, or why it was not opened, for people."""
        if self.decoded is not None:
            return f"{self.decoded.frames} frames, {float(self.decoded.duration):.3f} s"
        if self.cues is not None:
            return f"{self.cues} cues"
        return f"{self.pictures} pictures" if self.pictures else self.not_decoded or ""


class WorstSeconds(Document):
    """The five seconds a viewer of one rendition sees worst; pictures are names of files beside the report."""

    name: str
    start: ExactSeconds
    vmaf: float = Field(description="mean over the five seconds")
    rendition_picture: str
    source_picture: str


class EvidenceReport(Document):
    """All that was checked of one package, and every breach. A package with a breach of a must is not published."""

    package: str = Field(description="where it was read: a folder, a URL, a version of a title")
    manifests: tuple[str, ...]
    tracks: tuple[TrackEvidence, ...]
    faults: tuple[Fault, ...]
    not_checked: tuple[str, ...] = Field(default=(), description="whole sentences: what could not be checked, and why")
    fetched: int = Field(description="URLs fetched, or ranges of them")
    granted: tuple[Kid, ...] = Field(default=(), description="KIDs for which a licence request returned a key")
    wall_s: float = 0.0
    decode_cpu_s: float = Field(default=0.0, description="of decrypting and decoding")
    worst: tuple[WorstSeconds, ...] = ()
    vmaf: dict[str, tuple[tuple[float, float], ...]] = Field(
        default_factory=dict, description="of each rendition: seconds and VMAF of the pictures measured"
    )

    @property
    def rejections(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.must)

    @property
    def passed(self) -> bool:
        return not self.rejections

    def require_passed(self) -> None:
        """Raises PackageRejected with every breach."""
        if not self.passed:
            raise PackageRejected(*(broken.sentence for broken in self.rejections))
