"""What the registry answers with: frozen documents, never rows."""

from enum import StrEnum

from telecine.document import Document, Sha256, UtcTime
from telecine.order import Place
from telecine.publication import Pointer
from telecine.title import Priority, TitleId

__all__ = ["JobRecord", "JobState", "Stage", "TitleRecord"]


class Stage(StrEnum):
    """Where a title is; the names of the pipeline's steps, then how it ended."""

    SUBMITTED = "submitted"
    REGISTER = "register"
    INSPECT = "inspect"
    QUALIFY = "qualify"
    PLAN = "plan"
    ENCODE = "encode"
    ASSEMBLE = "assemble"
    MEASURE = "measure"
    PACKAGE = "package"
    VERIFY = "verify"
    APPROVE = "approve"
    PUBLISH = "publish"
    FILL = "fill"
    GO_LIVE = "go_live"
    LIVE = "live"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in {Stage.LIVE, Stage.REJECTED, Stage.FAILED, Stage.CANCELLED}


class TitleRecord(Document):
    """One title as the registry knows it. ``live`` stays set while a newer version is being made.

    ``held``: nothing more of it is started; ``remaining_s``: forecast wall seconds it needs when served first.
    """

    title_id: TitleId
    name: str
    profile: str
    priority: Priority
    launch_at: UtcTime | None
    master_uri: str
    master_sha256: Sha256 | None
    stage: Stage
    problem: str | None
    run_id: str | None
    live: Pointer | None
    live_sha256: Sha256 | None
    live_profile: str | None
    documents: dict[str, str]
    created_at: UtcTime
    updated_at: UtcTime
    held: bool = False
    remaining_s: float | None = None

    @property
    def place(self) -> Place:
        """Its place in the order."""
        return Place(
            title_id=self.title_id,
            priority=self.priority,
            launch_at=self.launch_at,
            submitted_at=self.created_at,
            remaining_s=self.remaining_s,
            held=self.held,
        )


class JobState(StrEnum):
    """An encode job on its way: waiting here, sent to the broker, done, or failed for good."""

    WAITING = "waiting"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"


class JobRecord(Document):
    """One encode job of one title.

    ``sent_at`` is when it was last handed over, or last known to wait its turn; a waiting job is not sent before it.
    ``may_fall_back``: the CPU may make it when the GPU cannot; ``fell_back``: why it does.
    """

    title_id: TitleId
    digest: Sha256
    position: int
    state: JobState
    sends: int
    failures: int
    units: int
    queue: str
    sent_at: UtcTime | None
    problem: str | None
    may_fall_back: bool = False
    fell_back: str | None = None
