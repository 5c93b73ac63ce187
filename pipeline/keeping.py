"""What of the work bucket nobody needs any more: the choice, made of records alone. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from telecine.registry.records import Stage, TitleRecord

__all__ = ["Delivery", "delivery_is_needed", "removable", "title_needs_work"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Files that were uploaded together; ``touched_at``: the last change of any of them, None where none is known."""

    name: str
    keys: tuple[str, ...]
    size_bytes: int
    touched_at: datetime | None = None


def title_needs_work(record: TitleRecord, now: datetime, days: int) -> str | None:
    """Why a title needs what it has in the work bucket; None when it went live more than ``days`` ago and rests.

    A title that failed, was rejected or cancelled needs it too: trying it again goes on from there.
    """
    if record.stage != Stage.LIVE or record.live is None:
        return f"the title is at {record.stage}"
    if record.held:
        return "the title is held"
    if record.live.live_at > now - timedelta(days=days):
        return f"the title went live less than {days} days ago"
    return None


def removable(own: Iterable[str], needed: Iterable[Collection[str]]) -> tuple[str, ...]:
    """Keys that no other title needs, sorted: titles made of one master share what is made of it."""
    return tuple(sorted(set(own).difference(*needed)))


def delivery_is_needed(delivery: Delivery, titles: Sequence[TitleRecord], now: datetime, days: int) -> str | None:
    """Why uploaded files are kept; ``titles``: those made of them. None when each rests long enough, the files too."""
    if not titles:
        return "no title was made of it"
    for record in titles:
        if (reason := title_needs_work(record, now, days)) is not None:
            return f"{record.title_id}: {reason}"
    if delivery.touched_at is not None and delivery.touched_at > now - timedelta(days=days):
        return f"a file of it was uploaded less than {days} days ago"
    return None
