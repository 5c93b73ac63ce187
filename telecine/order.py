"""In which order the work of all titles is done. Pure: the one place that knows.

Chunks at the dispatcher, control tasks in Airflow, forecasts and what-ifs all sort by ``urgency``.
"""

from datetime import UTC, datetime, timedelta

from telecine.document import Document, UtcTime
from telecine.title import Priority, TitleId

__all__ = ["Place", "Urgency", "slack_s", "urgency"]

_NEVER = datetime.max.replace(tzinfo=UTC)
_AMPLE_S = timedelta(days=36500).total_seconds()

Urgency = tuple[int, datetime, float, datetime, str]


class Place(Document):
    """All that a title's place in the order depends on.

    ``remaining_s`` is the forecast of the wall seconds the title still needs when it is served first; None: unknown.
    ``held``: nothing more of it is started, what runs ends.
    """

    title_id: TitleId
    priority: Priority
    launch_at: UtcTime | None
    submitted_at: UtcTime
    remaining_s: float | None = None
    held: bool = False


def slack_s(place: Place, now: datetime) -> float:
    """Seconds to spare until the launch, negative when it cannot be met; ample where nothing is due or known."""
    if place.launch_at is None or place.remaining_s is None:
        return _AMPLE_S
    return (place.launch_at - now).total_seconds() - place.remaining_s


def urgency(place: Place) -> Urgency:
    """Sort key, the most urgent first: class, earliest launch, least slack, age.

    Of two titles with one launch time the one with more work before it has less slack, whatever the time is now: so
    the key needs no clock, and an order once made stays.
    """
    launch_at = place.launch_at or _NEVER
    behind = -place.remaining_s if place.launch_at and place.remaining_s is not None else 0.0
    return (place.priority.rank, launch_at, behind, place.submitted_at, place.title_id)
