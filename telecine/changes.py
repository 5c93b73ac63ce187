"""What people do to titles, and the record of it."""

from typing import Literal

from pydantic import Field

from telecine.document import Document, UtcTime
from telecine.title import Priority, TitleId

__all__ = ["Action", "OrderChange", "TitleChange"]

Action = Literal[
    "submit",
    "prioritise",
    "hold",
    "resume",
    "cancel",
    "retry",
    "approve",
    "re-encode",
    "reject",
    "go_live",
    "roll_back",
    "retire",
    "clear",
]


class OrderChange(Document):
    """A change of a title's place in the order; a field that is not set stays as it is.

    ``launch_at`` None means: no launch time any more. What was set is in ``model_fields_set``.
    """

    priority: Priority = Priority.NORMAL
    launch_at: UtcTime | None = None
    held: bool = False


class TitleChange(Document):
    """One entry of the audit: who did what to a title, when, from what to what, and why."""

    at: UtcTime
    title_id: TitleId
    who: str = Field(description="the user of Airflow, 'cli:<user of the machine>', or 'pipeline'")
    action: Action
    before: dict[str, str | None] = Field(default_factory=dict, description="fields that changed, as they were")
    after: dict[str, str | None] = Field(default_factory=dict)
    why: str = ""
