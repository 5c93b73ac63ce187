"""How grave a profile takes what is found in a master, and from when on it is worth a finding."""

from pydantic import Field

from telecine.document import Document
from telecine.findings import Severity

__all__ = ["Check", "LevelledSpanCheck", "LoudnessCheck", "SourceChecks", "SpanCheck", "UndecodableCheck"]


class Check(Document):
    """A finding that is there or not."""

    severity: Severity = Severity.INFO


class SpanCheck(Check):
    """A finding that lasts: shorter ones are not told."""

    minimum_s: float = Field(ge=0, description="shorter spans are not told, seconds")


class LevelledSpanCheck(SpanCheck):
    """A lasting finding with the level that makes it one."""

    level_db: float = Field(ge=-120, le=0, description="at or below this it counts, dB of full scale")


class LoudnessCheck(Check):
    """The integrated loudness a delivered track may have (EBU R 128)."""

    lowest_lufs: float = -36
    highest_lufs: float = -9


class UndecodableCheck(Check):
    """How many pictures may be lost or damaged: either limit is enough to pass."""

    severity: Severity = Severity.REJECT
    most_pictures: int = Field(default=0, ge=0)
    most_share: float = Field(default=0, ge=0, le=0.1, description="of all pictures of the track")

    @property
    def allows_any(self) -> bool:
        """Whether a damaged picture can be part of a title."""
        return self.severity is not Severity.REJECT or self.most_pictures > 0 or self.most_share > 0

    def allows(self, undecodable: int, pictures: int) -> bool:
        return undecodable <= max(self.most_pictures, self.most_share * pictures)


class SourceChecks(Document):
    """The ``source_checks`` of a profile: one entry for each kind of finding."""

    black: SpanCheck = SpanCheck(minimum_s=2)
    freeze: LevelledSpanCheck = LevelledSpanCheck(severity=Severity.WARNING, minimum_s=4, level_db=-50)
    silence: LevelledSpanCheck = LevelledSpanCheck(minimum_s=5, level_db=-60)
    clipping: SpanCheck = SpanCheck(severity=Severity.WARNING, minimum_s=1)
    loudness: LoudnessCheck = LoudnessCheck(severity=Severity.WARNING)
    interlace: Check = Check()
    telecine: Check = Check()
    scan_flags: Check = Check(severity=Severity.WARNING)
    letterbox: Check = Check()
    dropped_frames: Check = Check(severity=Severity.WARNING)
    duration_mismatch: SpanCheck = SpanCheck(severity=Severity.WARNING, minimum_s=0.5)
    late_start: SpanCheck = SpanCheck(severity=Severity.INFO, minimum_s=0.1)
    decode_errors: UndecodableCheck = UndecodableCheck()
