"""Whether, and how, a profile's ladder is fitted to each title."""

from typing import Literal

from pydantic import Field

from telecine.document import Document

__all__ = ["PerTitle"]


class PerTitle(Document):
    """The analysis of a title before its plan: trials at several sizes, then the convex hull of bits and VMAF.

    Every SDR rung keeps its name, cap and key label; size, CRF and tuning become those that reach the quality of
    the profile's own rung with the fewest bits. HDR rungs stay as they are: no VMAF model knows them.
    """

    mode: Literal["off", "title", "shot"] = Field(
        default="off", description="title: one CRF a rung; shot: a CRF for each shot of each rung besides"
    )
    lines: tuple[int, ...] = Field(
        default=(1080, 720, 576), min_length=1, description="heights that are tried, of a 16:9 picture"
    )
    sample: float = Field(default=0.025, gt=0, le=1, description="share of a short title's frames that trials encode")
    sample_frames: int = Field(default=240, ge=24, description="frames that trials encode of a long title, at most")
    tune: bool = Field(
        default=True,
        description="try less adaptive quantisation and no psychovisual optimisation, and keep them where they save",
    )
