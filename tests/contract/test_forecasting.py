"""Forecasts over a real registry and a real Redis; the workers only say that they are there."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretBytes
from typer.testing import CliRunner

from encoders.documents import EncodedChunk
from encoders.features import cost_of
from encoders.leases import JobResult, Lease, LeaseBoard, Presence
from pipeline.forecasting import forecast, note_remaining, what_if
from pipeline.installation import Installation
from pipeline.remembering import chunks_remembered, remember_stage
from telecine.changes import OrderChange
from telecine.cli.app import app
from telecine.cli.forecast import shown_seconds
from telecine.errors import NotFound
from telecine.forecast import Forecasts, WhatIf
from telecine.keystore import SealedKeyStore
from telecine.registry.history import WorkHistory
from telecine.registry.queue import EncodeQueue, NewJob
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.title import Priority, SubmitRequest
from tests.unit.forecast_jobs import video

pytestmark = pytest.mark.server
CHUNK_S = 20.0


@pytest.fixture
def place(tmp_path, module_redis_server):
    settings = Settings(data_dir=tmp_path, redis_url=module_redis_server.url.get_secret_value())
    registry = Registry(settings.registry_url)
    registry.migrate()
    store = LocalStore(tmp_path / "store")
    made = Installation(
        settings=settings,
        work=store,
        origin=store,
        keys=SealedKeyStore(LocalStore(tmp_path / "keys"), SecretBytes(b"k" * 32)),
        registry=registry,
        open_bucket=lambda _: store,
    )
    workers(made, 2)
    return made


def board(place):
    return LeaseBoard(place.settings.redis_url, 15)


def workers(place, slots):
    board(place).worker_present("w", "cpu", Presence(slots=slots))


def submitted(place, title, chunks=10, **order):
    """A title at its encode, with so many chunks waiting."""
    place.registry.submit(SubmitRequest(master_uri=f"file:///{title}.mov", title_id=title, name=title, **order), None)
    jobs = {}
    for index in range(chunks):
        job = video(frames=240)
        chunk = job.chunk.model_copy(update={"index": index, "start": 240 * index, "end": 240 * (index + 1)})
        master = job.master.model_copy(update={"sha256": title * 64})
        jobs[f"{title}{index}"] = job.model_copy(
            update={"digest": f"{title}{index}", "chunk": chunk, "master": master, "fallback": ()}
        )
    EncodeQueue(place.registry).enqueue(title, [new(job) for job in jobs.values()], set())
    place.registry.enter(title, Stage.ENCODE)
    return list(jobs)


def new(job):
    return NewJob(digest=job.digest, queue="cpu", units=job.chunk.frames, body=job.model_dump_json())


def ended(place, digests, seconds=CHUNK_S):
    """As the dispatcher does when workers have left results."""
    queue = EncodeQueue(place.registry)
    for digest in digests:
        queue.mark_sent(digest)
        queue.mark_done(digest)
    chunk = EncodedChunk(job_digest="d", outputs=(), encoded=True)
    chunks_remembered(place.registry)({digest: JobResult(chunk=chunk, seconds=seconds) for digest in digests})


def learnt(place, *titles):
    """Titles that were made before, of which the history tells."""
    for title in titles:
        digests = submitted(place, title)
        ended(place, digests)
        for stage in (Stage.ASSEMBLE, Stage.MEASURE, Stage.PACKAGE, Stage.VERIFY, Stage.PUBLISH):
            remember_stage(place, title, stage, 2.0)
        place.registry.enter(title, Stage.GO_LIVE)


def told(place):
    return {one.title_id: one for one in forecast(place).titles}


def wait_s(one):
    return (one.p50 - datetime.now(UTC)).total_seconds()


def test_a_finished_job_leaves_one_row_and_one_that_was_found_made_leaves_none(place):
    digests = submitted(place, "a")
    ended(place, digests[:2])
    found = EncodedChunk(job_digest="d", outputs=(), encoded=False)
    chunks_remembered(place.registry)({digests[3]: JobResult(chunk=found, seconds=1.0)})
    rows = WorkHistory(place.registry).alike(cost_of(video()).features)
    assert [(row.seconds, row.units, row.content) for row in rows] == [(CHUNK_S, 240, "a" * 16)] * 2


def test_a_forecast_from_history_says_when_and_from_what(place):
    learnt(place, "x", "y", "z")
    submitted(place, "a", chunks=20)
    one = told(place)["a"]
    assert (one.basis, one.jobs_left) == ("history", 20)
    assert one.work_s == pytest.approx(20 * CHUNK_S, rel=0.02)
    stages = 5 * (2.0 + place.settings.control_handover_s)
    assert wait_s(one) == pytest.approx(10 * CHUNK_S + stages, rel=0.15)
    assert one.remaining_s == pytest.approx(10 * CHUNK_S + stages, rel=0.05)
    assert one.p90 >= one.p50


def test_without_history_the_profile_is_the_basis_and_the_forecast_wide(place):
    submitted(place, "a")
    one = told(place)["a"]
    assert one.basis == "profile"
    assert (one.p90 - one.p50).total_seconds() > 0.2 * wait_s(one)


def test_a_titles_own_chunks_scale_what_is_left_of_it(place):
    learnt(place, "x", "y", "z")
    digests = submitted(place, "a", chunks=20)
    ended(place, digests[:10], seconds=4 * CHUNK_S)
    one = told(place)["a"]
    assert one.jobs_left == 10
    assert one.work_s == pytest.approx(10 * 4 * CHUNK_S, rel=0.2)


def test_nothing_is_promised_for_a_held_title_or_without_workers(place):
    submitted(place, "a")
    submitted(place, "b")
    with place.registry.transaction() as session:
        session.execute(_held("a"))
    found = told(place)
    assert (found["a"].p50, found["a"].held) == (None, True)
    assert found["b"].p50 is not None
    workers(place, 0)
    assert told(place)["b"].p50 is None


def _held(title):
    from sqlalchemy import update  # noqa: PLC0415 - holding is another module's

    from telecine.registry.models import TitleRow  # noqa: PLC0415

    return update(TitleRow).where(TitleRow.title_id == title).values(held=True)


def test_before_a_plan_or_probe_nothing_is_known(place):
    place.registry.submit(SubmitRequest(master_uri="file:///a.mov", title_id="a", name="a"), None)
    one = told(place)["a"]
    assert (one.p50, one.p90, one.late_s) == (None, None, None)


def test_a_title_is_late_by_what_p90_passes_its_launch(place):
    learnt(place, "x", "y", "z")
    submitted(place, "a", launch_at=datetime.now(UTC) + timedelta(seconds=30))
    submitted(place, "b", launch_at=datetime.now(UTC) + timedelta(hours=9))
    found = told(place)
    assert found["a"].late_s == (found["a"].p90 - found["a"].launch_at).total_seconds() == -found["a"].slack_s
    assert found["b"].late_s is None
    assert found["b"].slack_s > 3600


def test_a_running_job_counts_by_what_is_left_of_it(place):
    learnt(place, "x", "y", "z")
    (digest,) = submitted(place, "a", chunks=1)
    EncodeQueue(place.registry).mark_sent(digest)
    board(place).renew(digest, Lease(owner="w/1/1", frames=180, total_frames=240))
    assert told(place)["a"].work_s == pytest.approx(CHUNK_S / 4, rel=0.05)


def test_what_if_says_who_moves_and_changes_nothing(place):
    learnt(place, "x", "y", "z")
    submitted(place, "a", priority=Priority.HIGH)
    submitted(place, "b")
    submitted(place, "c", priority=Priority.CRITICAL)
    found = what_if(place, "b", OrderChange(priority=Priority.CRITICAL, launch_at=datetime.now(UTC)))
    own, *others = found.moved
    assert own.title_id == "b"
    assert own.by_s < -CHUNK_S
    assert own.after.priority == Priority.CRITICAL
    assert {one.title_id for one in others} == {"a", "c"}
    assert all(one.by_s > CHUNK_S for one in others)
    assert place.registry.title("b").priority == Priority.NORMAL


def test_what_if_leaves_fields_that_are_not_set_and_titles_before_it(place):
    learnt(place, "x", "y", "z")
    launch = datetime.now(UTC) + timedelta(hours=1)
    submitted(place, "a", priority=Priority.HIGH)
    submitted(place, "b", launch_at=launch)
    found = what_if(place, "b", OrderChange(held=True))
    (own,) = found.moved
    assert (own.after.priority, own.after.launch_at, own.after.p50, own.by_s) == (Priority.NORMAL, launch, None, None)
    assert found.unmoved == 1


def test_a_change_that_changes_nothing_moves_nobody(place):
    submitted(place, "a")
    submitted(place, "b")
    (own,) = what_if(place, "a", OrderChange(priority=Priority.NORMAL)).moved
    assert own.by_s == 0
    with pytest.raises(NotFound, match="'nope'"):
        what_if(place, "nope", OrderChange(held=True))


def test_what_a_title_still_needs_is_written_down_for_its_slack(place):
    learnt(place, "x", "y", "z")
    submitted(place, "a")
    note_remaining(place, "a")
    assert place.registry.title("a").remaining_s == pytest.approx(told(place)["a"].remaining_s, rel=0.01)


@pytest.fixture
def telecine(place, monkeypatch):
    """The command line on this installation."""
    monkeypatch.setenv("TELECINE_DATA_DIR", str(place.settings.data_dir))
    monkeypatch.setenv("TELECINE_REDIS_URL", place.settings.redis_url.get_secret_value())
    monkeypatch.setenv("TELECINE_S3_ENDPOINT", "http://127.0.0.1:9")  # no document is read for a title with jobs
    return lambda *words: CliRunner().invoke(app, words)


def test_the_command_line_shows_forecasts_for_people_and_for_programs(place, telecine):
    submitted(place, "a", launch_at=datetime.now(UTC) + timedelta(seconds=1))
    submitted(place, "b")
    shown, one = telecine("forecast"), telecine("forecast", "b", "--json")
    assert shown.exit_code == one.exit_code == 0
    assert "profile" in shown.stdout
    assert "slots: 2 cpu, 0 gpu" in shown.stdout
    assert [title.title_id for title in Forecasts.model_validate_json(one.stdout).titles] == ["b"]
    assert "'nope'" in str(telecine("forecast", "nope").exception)


def test_the_command_line_shows_what_would_move_and_asks_what_would_change(place, telecine):
    learnt(place, "x", "y", "z")
    submitted(place, "a", chunks=30)
    submitted(place, "b", launch_at=datetime.now(UTC) + timedelta(seconds=60))
    found = telecine("what-if", "a", "--priority", "critical", "--json")
    moved = WhatIf.model_validate_json(found.stdout)
    assert [one.title_id for one in moved.moved] == ["a", "b"]
    assert moved.change.priority == Priority.CRITICAL
    assert "0 other titles" in telecine("what-if", "a", "--priority", "critical").stdout
    assert "held" in telecine("what-if", "a", "--hold").stdout
    assert telecine("what-if", "a").exit_code == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, None), (4.4, "4 s"), (-0.2, "0 s"), (250, "4 min 10 s"), (-3900, "-1 h 05 min")],
)
def test_spans_are_shown_in_words_of_people(seconds, text):
    assert shown_seconds(seconds) == text
