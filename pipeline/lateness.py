"""Which titles will miss their launch, told once for each launch time."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec

from pipeline.installation import Installation
from pipeline.notices import tell, tell_late
from telecine.registry.records import TitleRecord

__all__ = ["tell_of_late_titles"]

_FORECASTING = "pipeline.forecasting"


def tell_of_late_titles(place: Installation) -> int:
    """Put ``title.late`` into the outbox for every title expected to miss its launch; returns how many are late."""
    if find_spec(_FORECASTING) is not None:
        return tell_late(place, import_module(_FORECASTING).forecast(place))
    return _tell_without_forecast(place)


def _tell_without_forecast(place: Installation) -> int:
    now, late = datetime.now(UTC), 0
    for record in place.registry.titles():
        behind = _behind(record, now)
        if behind is not None and record.launch_at is not None:
            late += 1
            launch_at = record.launch_at.isoformat()
            facts = {"launch_at": launch_at, "late_s": round(behind.total_seconds(), 1), "run": record.run_id}
            tell(place, "title.late", record.title_id, f"{record.title_id} {launch_at}", facts)
    return late


def _behind(record: TitleRecord, now: datetime) -> timedelta | None:
    """By how much the work that is known to remain passes the launch; None: not, or the title has ended."""
    if record.launch_at is None or record.stage.ended:
        return None
    ready_at = now + timedelta(seconds=record.remaining_s or 0)
    return ready_at - record.launch_at if ready_at > record.launch_at else None
