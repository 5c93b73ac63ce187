"""What the analysis of one title found and decided."""

from typing import Literal

from pydantic import Field

from encoders.documents import ShotCrf
from profiles.models import VideoCodec, VideoRung
from telecine.document import Document, Sha256
from telecine.media import FrameRate

__all__ = ["ComplexityReport", "RungChoice", "ShotSurvey", "TrialPoint"]


class ShotSurvey(Document):
    """One shot, its edges moved to the nearest key frame of the grid: output frames [start, end)."""

    start: int
    end: int
    bits_per_frame: float = Field(description="of the survey's own small, quick encode")
    vmaf: float = Field(description="mean of the survey's measured frames, at the survey's size")

    @property
    def frames(self) -> int:
        return self.end - self.start


class TrialPoint(Document):
    """A quick encode of the sampled windows: what it cost and how it looked at the viewing size."""

    codec: VideoCodec
    width: int
    height: int
    crf: float
    tuned: bool = Field(description="encoded with the tuning under trial, not with the profile's own settings")
    bps: float = Field(description="bits a second over the sampled windows")
    vmaf: float
    windows: tuple[float, ...] = Field(description="mean VMAF of each window, in the order of the windows")
    window_bits: tuple[float, ...] = Field(default=(), description="bits a frame of each window, likewise")


class RungChoice(Document):
    """What became of one rung, and what the trials promise for it at the quality of the fixed rung."""

    fixed: VideoRung
    chosen: VideoRung
    target_vmaf: float = Field(description="predicted for the fixed rung; the chosen one is to look as good")
    fixed_bps: float = Field(description="predicted by the trials, for comparison with ``chosen_bps`` only")
    chosen_bps: float
    shots: tuple[ShotCrf, ...] = Field(default=(), description="CRFs of the shots; empty: the rung's own throughout")

    @property
    def saved(self) -> float:
        """Share of the bits the trials promise to save at equal quality."""
        return 1 - self.chosen_bps / self.fixed_bps


class ComplexityReport(Document):
    """The analysis of one title under one profile; ``digest`` names all that shaped it."""

    digest: Sha256
    mode: Literal["title", "shot"]
    frame_rate: FrameRate
    gop_frames: int
    view_width: int
    view_height: int
    shots: tuple[ShotSurvey, ...]
    windows: tuple[tuple[int, int], ...] = Field(description="sampled output frames [start, end)")
    trials: tuple[TrialPoint, ...]
    choices: tuple[RungChoice, ...]
    cpu_s: float = Field(description="CPU seconds of all tools the analysis ran")
