"""What the board does to titles: the pipeline's own functions, the same the command line calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from board.documents import PlanOutline, PlanWish
from board.outline import outline
from pipeline.control import change_order
from pipeline.encoding import read_progress
from pipeline.forecasting import forecast, what_if
from pipeline.installation import Installation
from pipeline.progress import EncodeProgress
from pipeline.questions import Question, answer_question, open_questions
from pipeline.release import Submitted, cancel_title, retry_title, submit_title
from pipeline.versions import roll_back, versions
from telecine.changes import Action, TitleChange
from telecine.forecast import Forecasts, WhatIf
from telecine.publication import Pointer
from telecine.registry.changes import ChangeLog
from telecine.registry.records import TitleRecord
from telecine.versions import VersionRecord

__all__ = ["Operations", "change_of", "pipeline_operations"]


@dataclass(frozen=True, slots=True)
class Operations:
    """Functions of the pipeline; tests give their own. Each takes the installation first."""

    change_order: Callable[..., TitleRecord]
    forecast: Callable[[Installation], Forecasts]
    what_if: Callable[..., WhatIf]
    versions: Callable[[Installation, str], tuple[VersionRecord, ...]]
    roll_back: Callable[..., Pointer]
    submit: Callable[..., Submitted]
    cancel: Callable[[Installation, str], int]
    retry: Callable[[Installation, str], Submitted]
    plan: Callable[[Installation, PlanWish], PlanOutline]
    progress: Callable[[Installation, str], EncodeProgress | None]
    questions: Callable[[Installation], tuple[Question, ...]]
    answer: Callable[[Installation, str, Question, Sequence[str], Mapping[str, str]], None]
    record: Callable[[Installation, TitleChange], None]
    changes: Callable[[Installation, str | None, int], tuple[TitleChange, ...]]


def pipeline_operations() -> Operations:
    """Those of this installation."""
    return Operations(
        change_order=change_order,
        forecast=forecast,
        what_if=what_if,
        versions=versions,
        roll_back=roll_back,
        submit=submit_title,
        cancel=cancel_title,
        retry=retry_title,
        plan=outline,
        progress=read_progress,
        questions=lambda place: open_questions(place.settings) if place.settings.airflow_url else (),
        answer=lambda place, *answer: answer_question(place.settings, *answer),
        record=lambda place, change: ChangeLog(place.registry).record(change),
        changes=lambda place, title, limit: ChangeLog(place.registry).changes(title, limit),
    )


def change_of(title_id: str, who: str, action: Action, why: str) -> TitleChange:
    """An entry of the audit for what a person did now."""
    return TitleChange(at=datetime.now(UTC), title_id=title_id, who=who, action=action, why=why)
