"""What the board shows and what it is asked: the documents of its interface."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from board.access import Caller
from pipeline.questions import Question
from telecine.changes import OrderChange
from telecine.document import Document, UtcTime
from telecine.forecast import Basis
from telecine.registry.records import Stage
from telecine.title import Priority, TitleId
from telecine.versions import VersionRecord

__all__ = [
    "Answer",
    "BoardState",
    "Links",
    "Me",
    "OrderWish",
    "PlanOutline",
    "PlanWish",
    "Reason",
    "RollBackWish",
    "RungOutline",
    "SubmitWish",
    "TitleCard",
    "VersionView",
    "WhatIfWish",
]

Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
"""The reason a person gives; it is kept in the audit."""


class Links(Document):
    """Where a title is seen elsewhere; Airflow's are paths under its base address."""

    run: str | None = None
    log: str | None = None
    player: str | None = None


class TitleCard(Document):
    """One title as a row of the board."""

    title_id: TitleId
    name: str
    profile: str
    priority: Priority
    launch_at: UtcTime | None
    held: bool
    stage: Stage
    problem: str | None
    run_id: str | None
    submitted_at: UtcTime
    progress: float = Field(ge=0, le=1, description="share of its pictures that are encoded")
    jobs_done: int = 0
    jobs_total: int = 0
    p50: UtcTime | None = None
    p90: UtcTime | None = None
    late_s: float | None = None
    slack_s: float | None = None
    basis: Basis | None = None
    edges_filled: int = Field(default=0, description="edges that hold the version of this run, proven by a receipt")
    edges: int = 0
    vmaf: float | None = Field(default=None, description="mean of its largest rendition that has a VMAF")
    qualities: dict[str, float] = Field(default_factory=dict, description="mean VMAF by rendition")
    live_version: str | None = None
    live_at: UtcTime | None = None
    poster: str | None = Field(default=None, description="names its poster frame; none: there is none")
    questions: tuple[Question, ...] = Field(default=(), description="what waits for a person")
    links: Links = Links()


class BoardState(Document):
    """All titles, and whether finishes are forecast."""

    titles: tuple[TitleCard, ...]
    forecast_at: UtcTime | None = None
    troubles: tuple[str, ...] = Field(default=(), description="what does not answer at the moment")


class Me(Document):
    """The caller, and what is there to choose from."""

    caller: Caller
    profiles: tuple[str, ...]


class Reason(Document):
    """Why a person does it."""

    why: Why


class WhatIfWish(Document):
    """A change of a title's place in the order; what is not given stays. ``launch_at`` null: no launch any more."""

    priority: Priority | None = None
    launch_at: UtcTime | None = None
    held: bool | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> "WhatIfWish":
        if not self._given():
            message = "priority, launch_at or held was expected, and none is given"
            raise ValueError(message)
        return self

    def _given(self) -> dict[str, object]:
        found = {name: getattr(self, name) for name in self.model_fields_set & {"priority", "launch_at", "held"}}
        return {name: value for name, value in found.items() if value is not None or name == "launch_at"}

    @property
    def change(self) -> OrderChange:
        return OrderChange.model_validate(self._given())


class OrderWish(WhatIfWish):
    """The same, to be done."""

    why: Why


class RollBackWish(Document):
    """Which version viewers shall get; None: the one that was live before."""

    version: str | None = Field(default=None, max_length=32)
    why: Why


class SubmitWish(Document):
    """A new title, or a new version of one; what is empty is made of the master's name."""

    master_uri: str = Field(min_length=1, max_length=2000, description="file, s3 or https address of the master")
    title_id: TitleId | None = None
    name: str | None = Field(default=None, max_length=200)
    profile: str = "standard"
    priority: Priority = Priority.NORMAL
    launch_at: UtcTime | None = None
    why: str = Field(default="", max_length=500)


class PlanWish(Document):
    """A master, and the profile it would be made by."""

    master_uri: str = Field(min_length=1, max_length=2000)
    profile: str = "standard"


class RungOutline(Document):
    """One rendition of a plan."""

    name: str
    codec: str
    width: int | None = None
    height: int | None = None
    max_bps: int | None = None


class PlanOutline(Document):
    """What would be made of a master."""

    profile: str
    duration_s: float
    frames: int
    chunks: int
    jobs: int
    expected_bytes: int
    rungs: tuple[RungOutline, ...]


class VersionView(Document):
    """One version of a title, without its keys' documents."""

    version: str
    made_at: UtcTime
    live_at: UtcTime | None
    retired_at: UtcTime | None
    profile: str
    rungs: tuple[str, ...]
    partial: bool
    live: bool
    size_bytes: int

    @classmethod
    def of(cls, record: VersionRecord) -> "VersionView":
        known = record.model_dump(include=set(cls.model_fields) - {"size_bytes"})
        return cls(**known, size_bytes=record.publication.size_bytes)


class Answer(Document):
    """What a person answers to a question of a run: one or more of its options."""

    run_id: str = Field(max_length=250)
    task_id: str = Field(max_length=250)
    map_index: int = -1
    options: tuple[str, ...] = Field(min_length=1)
    profile: str | None = Field(default=None, max_length=64, description="to encode again with, where that is chosen")
    why: Why
