"""What the tasks of Telecine's DAGs have in common: errors as decisions, the release at hand, the deferrable encode."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from airflow.sdk import BaseOperator, get_current_context
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException
from airflow.triggers.base import BaseTrigger, TriggerEvent
from telecine_notifier import TelecineNotifier

from encoders.documents import EncodePlan
from pipeline import placing, shelf, steps
from pipeline.encoding import QueuedEncode
from pipeline.installation import Installation, open_installation
from pipeline.remembering import remember_stage
from pipeline.staging import problem_of_rest
from pipeline.submission import request_from
from pipeline.submitting import write_down_submission
from pipeline.working import note
from telecine.document import Document
from telecine.errors import EncodeFailed, NotFound, PackageRejected, SourceRejected, Unavailable
from telecine.findings import SourceReport
from telecine.media import Master
from telecine.publication import FillReceipt, Pointer, Publication
from telecine.registry.records import Stage
from telecine.settings import load_settings
from telecine.title import SubmitRequest

__all__ = [
    "EncodeOperator",
    "EncodeTrigger",
    "GoLiveOperator",
    "LaunchTrigger",
    "Release",
    "at",
    "beside",
    "final_errors",
    "record_failure",
    "release_of",
    "submitted_by_airflow",
    "wait_while_held",
]

log = logging.getLogger(__name__)

ROUND_S = 0.5
"""Between two rounds of the dispatcher: a spare job in the broker keeps slots busy meanwhile."""

HELD_LOOK_S = 5
"""Between two looks of a task at whether its title is still held."""

LAUNCH_LOOK_S = 1.0
"""Between two looks at the launch time, which people may change."""

LOOK_S = 1.5
"""Between two looks at a title's progress while no job ends."""

D = TypeVar("D", bound=Document)


class Release:
    """The release this task works on: its request, its workplace, its documents."""

    def __init__(self, place: Installation, request: SubmitRequest, run_id: str) -> None:
        self.place = place
        self.request = request
        self.title_id = request.title_id
        self.run_id = run_id

    def keep(self, document: Document) -> str:
        """Put a document on the shelf; the key is what travels through XCom."""
        note(self.place.work, self.title_id, self.run_id, document)
        key = shelf.keep(self.place.work, document)
        name = type(document).__name__
        if isinstance(document, FillReceipt):
            name = f"{name} {document.edge}"  # one of each edge
        self.place.registry.remember_document(self.title_id, name, key)
        return key

    def load(self, kind: type[D], key: str) -> D:
        return shelf.load(self.place.work, kind, key)

    def fail(self, stage: Stage, problem: str) -> None:
        """The title ended so; where its minimum ladder is live already, people read that first."""
        told = problem_of_rest(self.place, self.title_id, problem)
        self.place.registry.fail(self.title_id, stage, told)

    def tell(self, report: SourceReport, master: Master) -> None:
        """Findings into the task's log; what ends the title into the registry, where the encode sees it and stops."""
        for finding in report.findings:
            log.info("%s: %s", finding.severity, finding.sentence)
        try:
            steps.accept(report, master)
        except SourceRejected as error:
            self.place.registry.fail(self.title_id, Stage.REJECTED, str(error))


@contextmanager
def at(stage: Stage) -> Iterator[Release]:
    """Work at a stage of the current run. What is final fails the task without retry, the rest is retried.

    A title that is held waits without a slot until the hold ends.
    """
    context = get_current_context()
    release = release_of(context)
    registry = release.place.registry
    wait_while_held(release)
    if stage == Stage.REGISTER:
        registry.submit(release.request, release.run_id)
    registry.enter(release.title_id, stage)
    began = time.monotonic()
    with final_errors(release):
        yield release
    remember_stage(release.place, release.title_id, stage, time.monotonic() - began)


def submitted_by_airflow(release: Release) -> None:
    """Write down who started the run, where that was in Airflow itself; a run that was cleared starts nothing anew."""
    run = get_current_context()["dag_run"]
    if not run.clear_number:
        who = run.triggering_user_name or "Airflow"
        write_down_submission(release.place, release.request, release.run_id, who)


def wait_while_held(release: Release) -> None:
    """Let the task wait, without a slot, for as long as its title is held."""
    try:
        held = release.place.registry.title(release.title_id).held
    except NotFound:
        return
    if held:
        log.info("%s is held: this task goes on when it is resumed", release.title_id)
        raise AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=HELD_LOOK_S))


@contextmanager
def beside(work: str | None = None) -> Iterator[Release]:
    """Work beside the stage the title is at; a title that is held waits, as in ``at``.

    ``work``: what forecasts know it by; None: it takes no time worth knowing.
    """
    release = release_of(get_current_context())
    wait_while_held(release)
    began = time.monotonic()
    with final_errors(release):
        yield release
    if work is not None:
        remember_stage(release.place, release.title_id, work, time.monotonic() - began)


@contextmanager
def final_errors(release: Release) -> Iterator[None]:
    """Map final errors to a failure without retry; the registry keeps the sentence for people."""
    try:
        yield
    except (SourceRejected, PackageRejected) as error:
        release.fail(Stage.REJECTED, str(error))
        raise AirflowFailException(str(error)) from None
    except EncodeFailed as error:
        release.fail(Stage.FAILED, str(error))
        raise AirflowFailException(str(error)) from None


def record_failure(context: Any) -> None:
    """Task callback after the last attempt: the title is failed, unless a clearer sentence is there already.

    A run that another one took over from, as when a person had the title encoded again, ends nothing. The world is
    told by the notifier that comes after this.
    """
    release = release_of(context)
    try:
        record = release.place.registry.title(release.title_id)
    except NotFound:
        return
    if not record.stage.ended and record.run_id == release.run_id:
        release.fail(Stage.FAILED, f"{context['ti'].task_id}: {context.get('exception') or 'failed'}")


def release_of(context: Any) -> Release:
    """The release that a task with this context works on."""
    run_id = context["run_id"]
    return Release(open_installation(load_settings()), request_from(context["params"]), run_id)


class EncodeOperator(BaseOperator):
    """Encode all chunks of a plan on the workers, holding no slot meanwhile: one deferral per title."""

    template_fields = ("plan",)
    ui_color = "#2f6f8f"

    def __init__(self, *, plan: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def execute(self, context: Any) -> str:  # noqa: ARG002
        """Enqueue what is missing and hand over to the trigger; a retry re-attaches to the jobs under way."""
        with at(Stage.ENCODE) as release:
            encode = QueuedEncode(release.place, release.title_id)
            plan = release.load(EncodePlan, self.plan)
            encode.start(plan)
            progress = encode.progress()
            self.log.info("plan %s: %s", plan.digest[:12], progress.line())
            if progress.chunks_done == progress.chunks_total:
                return str(self.plan)
        trigger = EncodeTrigger(title_id=release.title_id, attempt=encode.attempt)
        return self.defer(trigger=trigger, method_name="finish")

    def finish(self, context: Any, event: dict[str, str]) -> str:
        """The trigger is over: every chunk is in the store, or an encode is out of attempts."""
        release = release_of(context)
        with final_errors(release):
            if event.get("rejected"):
                raise SourceRejected(event["rejected"])
            if event.get("failed"):
                raise EncodeFailed(event["failed"])
        self.log.info("%s", event["done"])
        return str(self.plan)


class EncodeTrigger(BaseTrigger):
    """Dispatches chunk jobs by the order of titles, watches their leases and tells the progress in the task's log."""

    def __init__(self, title_id: str, attempt: str = "") -> None:
        super().__init__()
        self.title_id = title_id
        self.attempt = attempt

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return ("telecine_tasks.EncodeTrigger", {"title_id": self.title_id, "attempt": self.attempt})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        encode = await asyncio.to_thread(_queued_encode, self.title_id, self.attempt)
        shown, away, looked_at = "", "", float("-inf")
        while True:
            try:
                ended = await asyncio.to_thread(encode.tick)
                if not ended and time.monotonic() - looked_at < LOOK_S:
                    await asyncio.sleep(ROUND_S)
                    continue
                looked_at = time.monotonic()
                progress = await asyncio.to_thread(encode.progress)
                refused = await asyncio.to_thread(encode.refused)
            except Unavailable as error:
                if str(error) != away:
                    self.log.warning("%s", error)
                away = str(error)
                await asyncio.sleep(1)
                continue
            except EncodeFailed as error:
                yield TriggerEvent({"failed": str(error)})
                return
            if refused:
                await asyncio.to_thread(encode.abandon)
                yield TriggerEvent({"rejected": refused})
                return
            if progress.chunks_done == progress.chunks_total:
                yield TriggerEvent({"done": progress.line()})
                return
            away, shown = "", self._tell(progress.line(), shown)
            await asyncio.sleep(ROUND_S)

    def _tell(self, line: str, shown: str) -> str:
        now = datetime.now(UTC)
        if line != shown and (now - getattr(self, "_told_at", datetime.min.replace(tzinfo=UTC))).total_seconds() >= 2:  # noqa: PLR2004
            self._told_at = now
            self.log.info("%s", line)
            return line
        return shown

    async def on_kill(self) -> None:
        """A person cleared or failed the task: its encoders end, unless another attempt has taken its chunks over."""
        encode = await asyncio.to_thread(_queued_encode, self.title_id, self.attempt)
        await asyncio.to_thread(encode.abandon)


def _queued_encode(title_id: str, attempt: str) -> QueuedEncode:
    return QueuedEncode(open_installation(load_settings()), title_id, attempt)


class GoLiveOperator(BaseOperator):
    """Flip the pointer, not before the title's launch time as it is then; waiting for it holds no slot."""

    template_fields = ("publications", "receipts", "after")
    ui_color = "#2f8f5b"

    def __init__(self, *, publications: Any, receipts: Any, after: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.after = after
        self.publications = publications
        self.receipts = receipts

    def execute(self, context: Any, event: Any = None) -> str:  # noqa: ARG002
        with at(Stage.GO_LIVE) as release:
            launch_at = release.place.registry.title(release.title_id).launch_at
            if launch_at is None or launch_at <= datetime.now(UTC):
                publication = release.load(Publication, self.publications[0]["publication"])
                receipts = [release.load(FillReceipt, key) for key in self.receipts]
                after = release.load(Pointer, self.after).version if self.after else None
                pointer = placing.go_live(release.place, publication, receipts, after=after)
                self.log.info("%s is live as version %s (flip %d)", release.title_id, pointer.version, pointer.seq)
                # not as a callback: those come after Airflow knows of the success, and are lost with their process
                TelecineNotifier("title.live")(context)
                return release.keep(pointer)
        self.log.info("ready on every edge; goes live at %s", launch_at.isoformat())
        return self.defer(trigger=LaunchTrigger(title_id=release.title_id), method_name="execute")


class LaunchTrigger(BaseTrigger):
    """Fires when a title's launch time has come and it is not held, whatever happens to both meanwhile."""

    def __init__(self, title_id: str) -> None:
        super().__init__()
        self.title_id = title_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return ("telecine_tasks.LaunchTrigger", {"title_id": self.title_id})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        registry = (await asyncio.to_thread(open_installation, load_settings())).registry
        told: datetime | None = None
        while True:
            with contextlib.suppress(Unavailable):
                record = await asyncio.to_thread(registry.title, self.title_id)
                due = record.launch_at is None or record.launch_at <= datetime.now(UTC)
                if due and not record.held:
                    yield TriggerEvent({"due": self.title_id})
                    return
                if told not in {None, record.launch_at}:
                    self.log.info("the launch is at %s now", record.launch_at)
                told = record.launch_at
            await asyncio.sleep(LAUNCH_LOOK_S)
