"""A board for tests: a real registry, stores in memory, a forecast by the real order of titles, callers in a header."""

import atexit
import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from board.access import Caller
from board.documents import PlanOutline
from board.operations import pipeline_operations
from pipeline.installation import Installation
from pipeline.progress import EncodeProgress
from pipeline.questions import Question
from pipeline.release import Submitted
from telecine.errors import NotFound, Unavailable
from telecine.forecast import Forecasts, Moved, TitleForecast, WhatIf
from telecine.order import Place, urgency
from telecine.protection import KeyAssignment
from telecine.publication import Edge, Pointer, Publication
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.memory import MemoryStore
from telecine.title import Priority, SubmitRequest
from telecine.versions import VersionRecord

NEEDS_S = 1800
QUESTION = {
    "task_id": "source_qc",
    "subject": "Black from 0:05 to 0:09",
    "body": "- black\n\n[Evidence](/evidence/tin-drum/v1.html) [elsewhere](//example.net/x) <b>no markup</b>",
    "options": ("Approve", "Reject"),
}


def installation(folder) -> Installation:
    edges = tuple(
        Edge(name=name, base_url=f"http://{name}.localhost:1", agent_url="http://127.0.0.1:2")
        for name in ("edge-a", "edge-b")
    )
    settings = Settings(data_dir=folder, edges=edges, playback_url="http://localhost:8700")
    shutil.copy(_empty_registry(), folder / "registry.db")
    registry = Registry(settings.registry_url)
    return Installation(
        settings=settings,
        work=MemoryStore(),
        origin=MemoryStore(),
        keys=None,
        registry=registry,
        open_bucket=lambda _: MemoryStore(),
    )


@cache
def _empty_registry() -> Path:
    """Migrated once for all tests: it takes most of a second."""
    path = Path(tempfile.mkdtemp(prefix="registry")) / "registry.db"
    atexit.register(shutil.rmtree, path.parent)
    registry = Registry(f"sqlite:///{path}")
    registry.migrate()
    with registry._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    registry._engine.dispose()
    return path


def add(place, title_id, name, *, priority="normal", launch_at=None, stage=None, problem=None):
    request = SubmitRequest(
        master_uri=f"file:///masters/{title_id}.mov",
        title_id=title_id,
        name=name,
        priority=Priority(priority),
        launch_at=launch_at,
    )
    place.registry.submit(request, f"{title_id}__2030-01-01T00-00-00-000000")
    if stage is not None and problem is None:
        place.registry.enter(title_id, Stage(stage))
    if problem is not None:
        place.registry.fail(title_id, Stage(stage), problem)


def pointer(title_id, version, seq=1, previous=None):
    return Pointer(
        title_id=title_id,
        seq=seq,
        version=version,
        previous=previous,
        dash_path="manifest.mpd",
        hls_path="master.m3u8",
        kids={},
        live_at=datetime.now(UTC),
    )


def forecasts(records, now=None) -> Forecasts:
    """One slot serves titles in the real order, each for half an hour."""
    now = now or datetime.now(UTC)
    waiting = [record for record in records if not record.stage.ended]
    waiting.sort(key=lambda r: urgency(_place(r)))
    found, at = [], now
    for record in waiting:
        at += timedelta(seconds=0 if record.held else NEEDS_S)
        found.append(_forecast(record, None if record.held else at))
    return Forecasts(made_at=now, slots={"cpu": 1}, titles=tuple(found))


def _place(record):
    return Place(
        title_id=record.title_id,
        priority=record.priority,
        launch_at=record.launch_at,
        submitted_at=record.created_at,
        held=record.held,
    )


def _forecast(record, at):
    p90 = at + timedelta(minutes=5) if at else None
    slack = (record.launch_at - p90).total_seconds() if p90 and record.launch_at else None
    return TitleForecast(
        title_id=record.title_id,
        priority=record.priority,
        launch_at=record.launch_at,
        held=record.held,
        p50=at,
        p90=p90,
        work_s=NEEDS_S,
        remaining_s=NEEDS_S,
        jobs_left=12,
        basis="history",
        late_s=-slack if slack is not None and slack < 0 else None,
        slack_s=slack,
    )


def forecast(place):
    return forecasts(place.registry.titles())


def what_if(place, title_id, change):
    now, records = datetime.now(UTC), place.registry.titles()
    given = change.model_dump(include=change.model_fields_set)
    changed = [r.model_copy(update=given) if r.title_id == title_id else r for r in records]
    before = {f.title_id: f for f in forecasts(records, now).titles}
    after = {f.title_id: f for f in forecasts(changed, now).titles}
    moved = [_moved(before[name], after[name]) for name in before]
    told = [m for m in moved if m.by_s != 0 or m.title_id == title_id]
    told.sort(key=lambda m: m.title_id != title_id)
    return WhatIf(title_id=title_id, change=change, moved=tuple(told), unmoved=len(moved) - len(told))


def _moved(before, after):
    by = (after.p90 - before.p90).total_seconds() if before.p90 and after.p90 else None
    late, was = after.late_s is not None, before.late_s is not None
    return Moved(
        title_id=before.title_id,
        before=before,
        after=after,
        by_s=by,
        becomes_late=late and not was,
        becomes_on_time=was and not late,
    )


class Pipeline:
    """What the board did beside the registry: runs started and stopped, answers given, pointers flipped."""

    def __init__(self) -> None:
        self.done: list[tuple] = []
        self.asked: tuple[Question, ...] = ()
        self.kept: dict[str, list[str]] = {}
        self.away = ""

    def submit(self, _, params):
        self.done.append(("submit", params["master_uri"]))
        return Submitted(title_id=params["title_id"] or "made-up", run_id="run")

    def cancel(self, place, title_id):
        self.done.append(("cancel", title_id))
        place.registry.fail(title_id, Stage.CANCELLED, "A person cancelled it.")
        return 3

    def retry(self, place, title_id):
        self.done.append(("retry", title_id))
        place.registry.enter(title_id, Stage.ENCODE)
        return Submitted(title_id=title_id, run_id="run")

    def plan(self, _, wish):
        return PlanOutline(
            profile=wish.profile, duration_s=4, frames=96, chunks=1, jobs=2, expected_bytes=1000, rungs=()
        )

    def questions(self, _):
        if self.away:
            raise Unavailable(self.away)
        return self.asked

    def answer(self, _, token, question, options, given):
        self.done.append(("answer", token, question.task_id, options, given))
        self.asked = ()

    def versions(self, place, title_id):
        live = place.registry.title(title_id).live
        return tuple(_version(title_id, name, live) for name in self.kept.get(title_id, []))

    def roll_back(self, place, title_id, version, *, who, why):
        if version is not None and version not in self.kept.get(title_id, []):
            message = f"There is no version '{version}' of {title_id}."
            raise NotFound(message)
        before = place.registry.title(title_id).live
        flipped = pointer(title_id, version or before.previous, before.seq + 1, before.version)
        place.registry.set_live(title_id, flipped)
        self.done.append(("roll_back", title_id, flipped.version, who, why))
        return flipped

    def operations(self):
        return replace(
            pipeline_operations(),
            forecast=forecast,
            what_if=what_if,
            versions=self.versions,
            roll_back=self.roll_back,
            submit=self.submit,
            cancel=self.cancel,
            retry=self.retry,
            plan=self.plan,
            progress=lambda *_: encoding(),
            questions=self.questions,
            answer=self.answer,
        )

    def ask(self, place, title_id):
        run_id = place.registry.title(title_id).run_id
        self.asked = (Question(run_id=run_id, **QUESTION),)


def encoding() -> EncodeProgress:
    return EncodeProgress(
        chunks_done=16,
        chunks_total=40,
        frames_done=4100,
        frames_total=9600,
        running=2,
        fps=44,
        eta_s=125,
        workers_slots=2,
    )


def _version(title_id, version, live):
    publication = Publication(
        title_id=title_id,
        version=version,
        prefix=f"p/{title_id}/{version}/",
        inventory_key="inventory.json",
        inventory_sha256="0" * 64,
        objects=9,
        size_bytes=5_000_000,
        dash_path="manifest.mpd",
        hls_path="master.m3u8",
        keys=KeyAssignment(title_id=title_id, kids={}),
    )
    is_live = live is not None and live.version == version
    return VersionRecord(
        title_id=title_id,
        version=version,
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
        publication=publication,
        profile="standard",
        rungs=("720p", "stereo"),
        live=is_live,
    )


async def identify(request):
    """``x-caller: name:role``, or a cookie of the same form, as a browser sends it."""
    name, _, role = (request.headers.get("x-caller") or request.cookies.get("caller") or "").partition(":")
    return Caller(name=name, role=role) if name else None
