"""Titles that were submitted in Airflow itself, by its trigger form or interface: written down as all others are."""

from datetime import UTC, datetime

from pipeline import shelf
from pipeline.installation import Installation
from telecine.changes import TitleChange
from telecine.registry.changes import ChangeLog
from telecine.title import SubmitRequest

__all__ = ["write_down_submission"]


def write_down_submission(place: Installation, request: SubmitRequest, run_id: str, who: str) -> bool:
    """Put the submission into the audit and keep its request for a retry; whether it was new. Once a run.

    A run that was submitted through us has both already, from before it was started.
    """
    record = place.registry.title(request.title_id)
    if record.run_id != run_id or SubmitRequest.__name__ in record.documents:
        return False
    asked = request.model_dump(mode="json", include={"master_uri", "profile", "priority", "launch_at"})
    change = TitleChange(
        at=datetime.now(UTC),
        title_id=request.title_id,
        who=who,
        action="submit",
        after={**asked, "run": run_id},
        why="triggered in Airflow",
    )
    new = ChangeLog(place.registry).record_once(change, "run")
    place.registry.remember_document(request.title_id, SubmitRequest.__name__, shelf.keep(place.work, request))
    return new
