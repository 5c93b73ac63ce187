"""When titles will be done: the documents of forecasts and of what-ifs."""

from typing import Literal

from pydantic import Field

from telecine.changes import OrderChange
from telecine.document import Document, UtcTime
from telecine.title import Priority, TitleId

__all__ = ["Basis", "Forecasts", "Moved", "TitleForecast", "WhatIf"]

Basis = Literal["history", "similar", "profile"]
"""What durations come from: jobs alike made here before, similar ones, or only the units of the profile."""


class TitleForecast(Document):
    """When one title will be ready to go live. ``p50``, ``p90``: done by then in half, in nine of ten simulations."""

    title_id: TitleId
    priority: Priority
    launch_at: UtcTime | None
    held: bool = False
    p50: UtcTime | None = Field(description="None: nothing is known, it is held, or no worker is up")
    p90: UtcTime | None
    work_s: float = Field(description="slot seconds of work that remain")
    remaining_s: float = Field(description="wall seconds it would need if it were served first")
    jobs_left: int
    basis: Basis
    late_s: float | None = Field(default=None, description="by how much p90 passes the launch; None: it does not")
    slack_s: float | None = Field(default=None, description="launch minus p90, negative when late; None: no launch")


class Forecasts(Document):
    """The forecasts of all titles under way, made at one moment by one simulation."""

    made_at: UtcTime
    slots: dict[str, int] = Field(description="worker slots by queue")
    titles: tuple[TitleForecast, ...]


class Moved(Document):
    """A title whose finish a change moves. ``by_s``: seconds its p90 moves, positive is later; None: unknown."""

    title_id: TitleId
    before: TitleForecast
    after: TitleForecast
    by_s: float | None
    becomes_late: bool = False
    becomes_on_time: bool = False


class WhatIf(Document):
    """What a change would do, to the title itself (first) and to the others, the most moved first."""

    title_id: TitleId
    change: OrderChange
    moved: tuple[Moved, ...]
    unmoved: int = Field(description="titles under way whose finish stays within the noise of the simulation")
