"""In which order the work of all titles is done. Pure: the one place that knows.

Chunks at the dispatcher, control tasks in Airflow, forecasts and what-ifs all sort by ``urgency``, and give the classes
behind the first their share by ``is_shared`` and ``neediest``.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from telecine.document import Document, UtcTime
from telecine.title import Priority, TitleId

__all__ = ["Line", "Place", "Urgency", "is_shared", "neediest", "urgency", "weight"]

_NEVER = datetime.max.replace(tzinfo=UTC)
_WEIGHED_FROM = datetime(2025, 1, 1, tzinfo=UTC)
_CLASS_WEIGHT = 10_000_000

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


def urgency(place: Place) -> Urgency:
    """Sort key, the most urgent first: class, earliest launch, least slack, age.

    Of two titles with one launch time the one with more work before it has less slack, whatever the time is now: so
    the key needs no clock, and an order once made stays.
    """
    launch_at = place.launch_at or _NEVER
    behind = -place.remaining_s if place.launch_at and place.remaining_s is not None else 0.0
    return (place.priority.rank, launch_at, behind, place.submitted_at, place.title_id)


def weight(place: Place) -> int:
    """An integer that is larger the more urgent a title is, by class and launch: Airflow's priority weight.

    Ten million to a class, and within it a minute to a unit: launches up to 19 years after 2025 are told apart.
    """
    if place.launch_at is None:
        earliness = 0
    else:
        minutes = int((place.launch_at - _WEIGHED_FROM).total_seconds() // 60)
        earliness = min(_CLASS_WEIGHT - 1, max(1, _CLASS_WEIGHT - 1 - minutes))
    return (len(Priority) - 1 - place.priority.rank) * _CLASS_WEIGHT + earliness + 1


def is_shared(turn: int, share: float) -> bool:
    """Whether the dispatch of number ``turn`` (from 0, over all titles) goes to the neediest instead of the first.

    ``share``: of all dispatches, such as 0.05; 0: never. Spread evenly, and known from the count alone, so that it
    survives a change of dispatcher.
    """
    return share > 0 and int((turn + 1) * share) > int(turn * share)


def neediest(waiting: Iterable[Place]) -> Place | None:
    """Whose turn a shared dispatch is: the oldest title behind the first one's class; None when there is none.

    Nobody starves: of what waits behind more urgent classes the oldest is served until it is done, then the next.
    """
    places = [place for place in waiting if not place.held]
    if not places:
        return None
    first = min(place.priority.rank for place in places)
    behind = [place for place in places if place.priority.rank > first]
    return min(behind, key=lambda place: (place.submitted_at, place.title_id), default=None)


class Line:
    """Titles in the order of their urgency, kept sorted as they come, change and go: O(log n) comparisons each.

    Held titles stand in no line. Iterating gives the most urgent first.
    """

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._places: dict[str, Place] = {}
        self._sorted: list[Urgency] = []
        self._by_age: list[tuple[datetime, str, int]] = []
        for place in places:
            self.put(place)

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[Place]:
        return (self._places[key[-1]] for key in self._sorted)

    def put(self, place: Place) -> None:
        """Add a title, or move it to where it belongs now."""
        if self._places.get(place.title_id) == place:
            return
        self.drop(place.title_id)
        self._places[place.title_id] = place
        if not place.held:
            insort(self._sorted, urgency(place))
            insort(self._by_age, _age(place))

    def drop(self, title_id: str) -> None:
        """Take a title out; unknown is fine."""
        place = self._places.pop(title_id, None)
        if place is None or place.held:
            return
        del self._sorted[bisect_left(self._sorted, urgency(place))]
        del self._by_age[bisect_left(self._by_age, _age(place))]

    def keep(self, title_ids: Iterable[str]) -> None:
        """Take out every title but these."""
        for title_id in self._places.keys() - set(title_ids):
            self.drop(title_id)

    def oldest(self, behind: int) -> Iterator[Place]:
        """The titles of classes behind that of rank ``behind``, the oldest first."""
        return (self._places[title_id] for _, title_id, rank in self._by_age if rank > behind)


def _age(place: Place) -> tuple[datetime, str, int]:
    return (place.submitted_at, place.title_id, place.priority.rank)
