"""What the board shows, gathered from registry, queue, forecast, shelf and Airflow."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar
from urllib.parse import quote

from board.documents import BoardState, Links, TitleCard
from board.operations import Operations
from pipeline import shelf
from pipeline.airflow_api import DAG_ID
from pipeline.installation import Installation
from pipeline.poster import poster_identity
from pipeline.progress import EncodeProgress
from pipeline.questions import Question
from telecine.errors import EncodeFailed, NotFound, TelecineError
from telecine.forecast import Forecasts, TitleForecast
from telecine.registry.records import Stage, TitleRecord
from telecine.rendition import RenditionSet

__all__ = ["Gathering", "card", "qualities_of"]

T = TypeVar("T")

_FORECAST_S = 5.0
_QUESTIONS_S = 3.0
_MOST_KEPT = 2000
_ENCODED = frozenset(list(Stage)[list(Stage).index(Stage.ENCODE) + 1 : list(Stage).index(Stage.LIVE) + 1])


class _Now(Generic[T]):
    """An answer that is asked for again after some seconds; what it was stays while nobody answers."""

    def __init__(self, ask: Callable[[], T], empty: T, every_s: float) -> None:
        self._ask, self._every_s = ask, every_s
        self._at = float("-inf")
        self.answer, self.trouble = empty, ""

    def look(self, *, afresh: bool = False) -> T:
        if afresh or time.monotonic() >= self._at + self._every_s:
            try:
                self.answer, self.trouble = self._ask(), ""
            except TelecineError as error:
                self.trouble = str(error)
            self._at = time.monotonic()
        return self.answer


class Gathering:
    """Gathers cards; slow answers are remembered for seconds, documents on the shelf for good."""

    def __init__(self, place: Installation, operations: Operations) -> None:
        self.place, self._operations = place, operations
        self._forecasts: _Now[Forecasts | None] = _Now(lambda: operations.forecast(place), None, _FORECAST_S)
        self._questions: _Now[tuple[Question, ...]] = _Now(lambda: operations.questions(place), (), _QUESTIONS_S)
        self._qualities: OrderedDict[str, dict[str, float]] = OrderedDict()

    def state(self) -> BoardState:
        """All titles."""
        forecasts, questions = self._forecasts.look(), self._questions.look()
        by_title = _by_title(forecasts)
        troubles = (self._forecasts.trouble, self._questions.trouble)
        return BoardState(
            titles=tuple(self._card(record, by_title, questions) for record in self.place.registry.titles()),
            forecast_at=forecasts.made_at if forecasts else None,
            troubles=tuple(trouble for trouble in troubles if trouble),
        )

    def title(self, title_id: str) -> TitleCard:
        """One title. Raises NotFound."""
        record = self.place.registry.title(title_id)
        return self._card(record, _by_title(self._forecasts.look()), self._questions.look())

    def after_change(self, title_id: str) -> TitleCard:
        """One title, with a forecast made after it was changed."""
        self._forecasts.look(afresh=True)
        self._questions.look(afresh=True)
        return self.title(title_id)

    def questions(self) -> tuple[Question, ...]:
        return self._questions.look(afresh=True)

    def _card(
        self, record: TitleRecord, forecasts: Mapping[str, TitleForecast], questions: tuple[Question, ...]
    ) -> TitleCard:
        progress = self._progress(record) if record.stage == Stage.ENCODE else None
        asked = tuple(question for question in questions if question.run_id == record.run_id)
        made = card(record, self.place, progress, forecasts.get(record.title_id))
        return made.model_copy(update={"questions": asked, **quality_fields(self._quality(record))})

    def _progress(self, record: TitleRecord) -> EncodeProgress | None:
        try:
            return self._operations.progress(self.place, record.title_id)
        except EncodeFailed:
            return None  # the title's problem says it in a moment

    def _quality(self, record: TitleRecord) -> dict[str, float]:
        key = record.documents.get(RenditionSet.__name__)
        if key is None:
            return {}
        if key not in self._qualities:
            try:
                self._qualities[key] = qualities_of(shelf.load(self.place.work, RenditionSet, key))
            except NotFound:
                return {}
            if len(self._qualities) > _MOST_KEPT:
                self._qualities.popitem(last=False)
        return self._qualities[key]


def _by_title(forecasts: Forecasts | None) -> Mapping[str, TitleForecast]:
    return {one.title_id: one for one in forecasts.titles} if forecasts else {}


def card(
    record: TitleRecord, place: Installation, progress: EncodeProgress | None, forecast: TitleForecast | None
) -> TitleCard:
    """A row of the board, without what it was measured at and what is asked."""
    expected = None if record.stage.ended else forecast
    return TitleCard(
        **record.model_dump(
            include={"title_id", "name", "profile", "priority", "launch_at", "held", "stage", "problem", "run_id"}
        ),
        submitted_at=record.created_at,
        progress=_share(record, progress),
        jobs_done=progress.chunks_done if progress else 0,
        jobs_total=progress.chunks_total if progress else 0,
        p50=expected.p50 if expected else None,
        p90=expected.p90 if expected else None,
        late_s=expected.late_s if expected else None,
        slack_s=expected.slack_s if expected else None,
        basis=expected.basis if expected else None,
        edges_filled=_filled(record, place),
        edges=len(place.settings.edges),
        live_version=record.live.version if record.live else None,
        live_at=record.live.live_at if record.live else None,
        poster=poster_identity(record),
        links=_links(record, place),
    )


def qualities_of(renditions: RenditionSet) -> dict[str, float]:
    """Mean VMAF by rendition, the largest picture first."""
    measured = [r for r in renditions.renditions if r.quality is not None and "vmaf" in r.quality.model]
    measured.sort(key=lambda r: (r.width or 0) * (r.height or 0), reverse=True)
    return {r.name: r.quality.mean for r in measured if r.quality is not None}


def quality_fields(qualities: Mapping[str, float]) -> dict[str, object]:
    return {"qualities": dict(qualities), "vmaf": next(iter(qualities.values()), None)}


def _share(record: TitleRecord, progress: EncodeProgress | None) -> float:
    if progress is None:
        return 1.0 if record.stage in _ENCODED else 0.0
    if progress.frames_total:
        return progress.frames_done / progress.frames_total
    return progress.chunks_done / progress.chunks_total if progress.chunks_total else 0.0


def _filled(record: TitleRecord, place: Installation) -> int:
    """A title goes live with the receipts of all edges; before, each receipt is a document of the run."""
    if record.stage == Stage.LIVE:
        return len(place.settings.edges)
    return sum(f"FillReceipt {edge.name}" in record.documents for edge in place.settings.edges)


def _links(record: TitleRecord, place: Installation) -> Links:
    run = f"/dags/{DAG_ID}/runs/{quote(record.run_id, safe='')}" if record.run_id else None
    task = record.stage.value if record.stage in _TASKS else None
    player = f"{place.settings.playback_url}/player/{record.title_id}" if record.live else None
    return Links(run=run, log=f"{run}/tasks/{task}" if run and task else None, player=player)


_TASKS = frozenset(Stage) - {
    Stage.SUBMITTED,
    Stage.APPROVE,  # several tasks ask
    Stage.FILL,  # one of each edge
    Stage.LIVE,
    Stage.REJECTED,
    Stage.FAILED,
    Stage.CANCELLED,
}
