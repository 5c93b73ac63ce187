from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from telecine.errors import EncodeFailed, NotFound
from telecine.publication import Pointer
from telecine.registry.models import Base, TitleRow
from telecine.registry.queue import EncodeQueue, NewJob, raise_for_failed
from telecine.registry.records import JobState, Stage
from telecine.registry.repository import Registry
from telecine.title import Priority, SubmitRequest


@pytest.fixture
def registry(tmp_path):
    made = Registry(f"sqlite:///{tmp_path / 'a folder' / 'registry.db'}")
    made.migrate()
    return made


def request(title_id="bbb", **extra):
    return SubmitRequest(master_uri="file:///m.mov", title_id=title_id, name="Bunny", **extra)


def jobs(*digests):
    return [NewJob(digest=digest, queue="cpu", units=100, body="{}") for digest in digests]


def test_migrating_twice_changes_nothing(registry):
    registry.submit(request(), "run-1")
    registry.migrate()
    assert registry.title("bbb").name == "Bunny"


def test_the_models_and_the_migrations_agree(registry):
    with registry._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_an_unknown_title_is_said_by_name(registry):
    with pytest.raises(NotFound, match="'nope'"):
        registry.title("nope")


def test_launch_time_keeps_its_moment(registry):
    launch = datetime(2031, 5, 1, 12, tzinfo=UTC)
    assert registry.submit(request(launch_at=launch), "run-1").launch_at == launch


def test_a_new_version_leaves_the_live_one_in_place(registry):
    registry.submit(request(), "run-1")
    pointer = Pointer(
        title_id="bbb", seq=1, version="v1", dash_path="a.mpd", hls_path="a.m3u8", kids={}, live_at=datetime.now(UTC)
    )
    registry.remember_master("bbb", "f" * 64)
    registry.set_live("bbb", pointer)
    again = registry.submit(request(priority=Priority.HIGH), "run-2")
    assert again.stage == Stage.SUBMITTED
    assert again.live == pointer
    assert registry.live_pointer("bbb") == pointer


def test_submitting_the_same_run_again_does_not_reset_its_stage(registry):
    registry.submit(request(), "run-1")
    registry.enter("bbb", Stage.PLAN)
    assert registry.submit(request(), "run-1").stage == Stage.PLAN


def test_only_one_dispatcher_has_the_turn_until_it_lapses(registry):
    queue = EncodeQueue(registry)
    assert queue.take_turn("one", 60)
    assert not queue.take_turn("two", 60)
    assert queue.take_turn("one", -1)
    assert queue.take_turn("two", 60)


def test_a_retry_reattaches_to_jobs_that_were_sent(registry):
    registry.submit(request(), "run-1")
    queue = EncodeQueue(registry)
    queue.enqueue("bbb", jobs("a", "b", "c"), present={"c"})
    queue.mark_sent("a")
    queue.enqueue("bbb", jobs("a", "b", "c"), present={"c"})
    states = {q.job.digest: q.job.state for q in queue.open_jobs()}
    assert states == {"a": JobState.SENT, "b": JobState.WAITING}
    assert (queue.tally("bbb").done, queue.tally("bbb").total) == (1, 3)


def test_a_done_job_whose_output_has_gone_waits_again(registry):
    registry.submit(request(), "run-1")
    queue = EncodeQueue(registry)
    queue.enqueue("bbb", jobs("a"), present={"a"})
    queue.enqueue("bbb", jobs("a"), present=set())
    assert [q.job.digest for q in queue.open_jobs()] == ["a"]


def test_jobs_of_a_title_nobody_follows_are_not_open(registry):
    registry.submit(request(), "run-1")
    queue = EncodeQueue(registry)
    queue.enqueue("bbb", jobs("a"), present=set())
    with registry.transaction() as session:
        session.get(TitleRow, "bbb").encode_seen_at = datetime.now(UTC) - timedelta(minutes=5)
    assert queue.open_jobs() == ()
    queue.attend("bbb")
    assert len(queue.open_jobs()) == 1


def test_a_failed_job_tells_the_encoders_own_last_lines(registry):
    registry.submit(request(), "run-1")
    queue = EncodeQueue(registry)
    queue.enqueue("bbb", jobs("a", "b"), present=set())
    queue.mark_failed("a", "x264: malloc failed")
    with pytest.raises(EncodeFailed, match="malloc failed"):
        raise_for_failed(queue.tally("bbb"))


def test_a_plan_with_other_chunks_replaces_the_old_jobs(registry):
    registry.submit(request(), "run-1")
    queue = EncodeQueue(registry)
    queue.enqueue("bbb", jobs("a", "b"), present=set())
    queue.enqueue("bbb", jobs("b", "c"), present=set())
    assert sorted(q.job.digest for q in queue.open_jobs()) == ["b", "c"]


def test_stopping_a_title_tells_which_jobs_are_under_way_for_it_alone(registry):
    queue = EncodeQueue(registry)
    for title, digests in (("bbb", "abc"), ("other", "b")):
        registry.submit(request(title), "run-1")
        queue.enqueue(title, jobs(*digests), present=set())
    queue.mark_sent("a")
    queue.mark_sent("b")
    assert queue.abandon("bbb") == ("a",)
    assert queue.tally("bbb").total == 0
    assert queue.tally("other").total == 1


def test_only_the_last_attempt_can_stop_a_title(registry):
    registry.submit(request(), "run-1")
    queue = EncodeQueue(registry)
    queue.enqueue("bbb", jobs("a"), present=set(), attempt="first")
    queue.mark_sent("a")
    queue.enqueue("bbb", jobs("a"), present=set(), attempt="second")
    assert queue.abandon("bbb", "first") == ()
    assert queue.tally("bbb").total == 1
    assert queue.abandon("bbb", "second") == ("a",)


def test_a_rerouted_job_waits_for_the_other_queue_and_is_remembered_as_such(registry):
    registry.submit(request(), "run-1")
    queue = EncodeQueue(registry)
    planned = [NewJob(digest="a", queue="gpu", units=5, body="for the gpu", may_fall_back=True)]
    queue.enqueue("bbb", planned, present=set())
    queue.mark_sent("a")
    queue.reroute("a", "cpu", "for the cpu", "no session left")
    (waiting,) = queue.open_jobs()
    assert (waiting.job.queue, waiting.job.state, waiting.job.sends) == ("cpu", JobState.WAITING, 0)
    assert queue.bodies(["a"]) == {"a": "for the cpu"}
    queue.enqueue("bbb", planned, present=set())  # a retry does not send it back
    assert queue.bodies(["a"]) == {"a": "for the cpu"}
    queue.mark_sent("a")
    queue.mark_done("a")
    assert queue.tally("bbb").fell_back == {"no session left": 1}


def test_a_postponed_job_is_not_open_before_its_time_and_tells_why(registry):
    registry.submit(request(), "run-1")
    queue = EncodeQueue(registry)
    queue.enqueue("bbb", jobs("a", "b"), present=set())
    for digest, seconds in (("a", 60), ("b", -1)):
        queue.mark_sent(digest)
        queue.mark_postponed(digest, "the disk is full", seconds)
    assert [q.job.digest for q in queue.open_jobs()] == ["b"]
    assert queue.tally("bbb").troubles == ("the disk is full",)


def test_of_thousands_of_jobs_only_the_first_of_the_most_urgent_titles_are_read(registry):
    queue = EncodeQueue(registry)
    for title, count in (("early", 3), ("late", 500)):
        registry.submit(request(title), "run-1")
        queue.enqueue(title, jobs(*(f"{title}-{n}" for n in range(count))), present=set())
    queue.mark_sent("late-7")
    found = queue.open_jobs(5)
    waiting = [q.job.digest for q in found if q.job.state == JobState.WAITING]
    assert waiting == ["early-0", "early-1", "early-2", "late-0", "late-1"]
    assert [q.job.digest for q in found if q.job.state == JobState.SENT] == ["late-7"]
    assert {q.body for q in found} == {""}


def test_a_cancelled_title_stays_cancelled_when_its_run_fails_and_starts_anew_with_another_run(registry):
    registry.submit(request(), "run-1")
    registry.fail("bbb", Stage.CANCELLED, "a person cancelled it")
    registry.fail("bbb", Stage.FAILED, "the run failed")
    assert registry.title("bbb").problem == "a person cancelled it"
    assert registry.submit(request(), "run-2").stage == Stage.SUBMITTED
