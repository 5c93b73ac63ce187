"""What was found wrong, or worth knowing, in a master: when it is on the container's clock, and how grave it is."""

from enum import StrEnum
from fractions import Fraction

from pydantic import Field

from telecine.document import Document, ExactSeconds, Sha256

__all__ = ["Finding", "FindingKind", "Severity", "SourceReport", "TrackLoudness", "clock"]

_SECONDS_A_MINUTE = 60


class FindingKind(StrEnum):
    """What a finding is about; the names are those of a profile's ``source_checks``."""

    BLACK = "black"
    FREEZE = "freeze"
    SILENCE = "silence"
    CLIPPING = "clipping"
    LOUDNESS = "loudness"
    INTERLACE = "interlace"
    TELECINE = "telecine"
    SCAN_FLAGS = "scan_flags"
    LETTERBOX = "letterbox"
    DROPPED_FRAMES = "dropped_frames"
    DURATION_MISMATCH = "duration_mismatch"
    LATE_START = "late_start"
    DECODE_ERRORS = "decode_errors"


class Severity(StrEnum):
    """What follows of a finding: nothing, a line to read, a person's decision, or the end of the title."""

    INFO = "info"
    WARNING = "warning"
    ASK = "ask"
    REJECT = "reject"


class Finding(Document):
    """One thing found. Without ``start`` it holds for the whole master; ``track`` is the index in the container."""

    kind: FindingKind
    severity: Severity
    sentence: str
    track: int | None = None
    start: ExactSeconds | None = None
    end: ExactSeconds | None = None
    value: float | None = None
    unit: str | None = None


class TrackLoudness(Document):
    """Loudness of one sound track as delivered (EBU R 128, ITU-R BS.1770): None where it is silent throughout."""

    track: int
    language: str
    integrated_lufs: float | None
    range_lu: float | None
    sample_peak_dbfs: float | None


class SourceReport(Document):
    """Everything an examination of a whole master found, in order of time."""

    master_sha256: Sha256
    findings: tuple[Finding, ...]
    loudness: tuple[TrackLoudness, ...] = ()
    pictures: int = Field(description="coded pictures in the container")
    every_picture: bool = Field(default=True, description="all were decoded, not only those others refer to")
    undecodable: int = Field(description="of those decoded, lost or with errors")

    @property
    def rejections(self) -> tuple[str, ...]:
        """The sentences of what ends the title; empty when it may go on."""
        return tuple(finding.sentence for finding in self.findings if finding.severity is Severity.REJECT)


def clock(seconds: Fraction) -> str:
    """``1:02:03.500``: hours only where there are any."""
    milliseconds = round(abs(seconds) * 1000)
    whole, rest = divmod(milliseconds, 1000)
    minutes, shown = divmod(whole, _SECONDS_A_MINUTE)
    hours, minutes = divmod(minutes, _SECONDS_A_MINUTE)
    text = f"{hours}:{minutes:02}:{shown:02}.{rest:03}" if hours else f"{minutes}:{shown:02}.{rest:03}"
    return f"-{text}" if seconds < 0 else text
