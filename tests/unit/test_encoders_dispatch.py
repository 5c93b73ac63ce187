from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from encoders.dispatch import MAX_FAILURES, MAX_SENDS, Observation, decide, dispatch_order
from encoders.documents import EncodedChunk
from encoders.leases import JobResult, Lease
from telecine.order import Place
from telecine.registry.queue import QueuedJob
from telecine.registry.records import JobRecord, JobState
from telecine.title import Priority

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def job(digest, *, priority=Priority.NORMAL, state=JobState.WAITING, title="t", position=0, launch_at=None, **extra):
    record = JobRecord(
        title_id=title,
        digest=digest,
        position=position,
        state=state,
        sends=extra.get("sends", 0),
        failures=extra.get("failures", 0),
        units=10,
        queue="cpu",
        sent_at=extra.get("sent_at"),
        problem=None,
        may_fall_back=extra.get("may_fall_back", False),
    )
    place = Place(title_id=title, priority=priority, launch_at=launch_at, submitted_at=extra.get("submitted_at", NOW))
    return QueuedJob(job=record, place=place.model_copy(update={"held": extra.get("held", False)}), body="{}")


def seen(jobs, *, leases=(), results=None, slots=2, **extra):
    held = {digest: Lease(owner="w/1/1") for digest in leases}
    return Observation(jobs=jobs, leases=held, results=results or {}, slots=slots, now=NOW, lease_s=15, **extra)


def sent_to(decision):
    return [queued.job.digest for queued in decision.send]


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def test_a_critical_title_goes_before_an_older_low_one():
    jobs = [job("a", priority=Priority.LOW), job("b", priority=Priority.CRITICAL, title="u")]
    assert sent_to(decide(seen(jobs)))[0] == "b"


def test_within_a_class_the_earlier_launch_goes_first_and_no_launch_goes_last():
    jobs = [job("none"), job("late", launch_at=NOW + timedelta(days=2)), job("soon", launch_at=NOW + timedelta(days=1))]
    assert sent_to(decide(seen(jobs))) == ["soon", "late", "none"]


def test_no_more_than_the_slots_and_one_spare_are_outstanding():
    jobs = [job(str(n), position=n) for n in range(10)]
    assert sent_to(decide(seen(jobs))) == ["0", "1", "2"]


def test_nothing_is_sent_while_no_worker_is_present():
    assert decide(seen([job("a")], slots=0)).send == ()


def test_a_sent_job_without_lease_is_lost_once_a_slot_was_free_for_the_lease_time():
    lost = job("a", state=JobState.SENT, sent_at=ago(16), sends=1)
    decision = decide(seen([lost]))
    assert decision.lost == ("a",)
    assert sent_to(decision) == ["a"]


def test_a_sent_job_is_not_lost_before_its_lease_time_is_over():
    decision = decide(seen([job("a", state=JobState.SENT, sent_at=ago(5))]))
    assert decision.lost == ()
    assert decision.send == ()


def test_a_job_waiting_in_the_broker_behind_busy_slots_is_not_lost():
    jobs = [
        job("a", state=JobState.SENT, sent_at=ago(100)),
        job("b", state=JobState.SENT, sent_at=ago(100)),
        job("c", state=JobState.SENT, sent_at=ago(100)),
    ]
    decision = decide(seen(jobs, leases=["a", "b"]))
    assert decision.lost == ()
    assert decision.still_queued == ("c",)


def test_a_leased_job_is_never_sent_again():
    jobs = [job("a", state=JobState.SENT, sent_at=ago(10_000))]
    decision = decide(seen(jobs, leases=["a"]))
    assert (decision.lost, decision.send) == ((), ())


def test_a_result_with_a_chunk_is_done_even_if_the_job_was_thought_lost():
    result = JobResult(chunk=EncodedChunk(job_digest="a", outputs=(), encoded=True))
    assert decide(seen([job("a")], results={"a": result})).done == ("a",)
    assert decide(seen([job("a")], results={"a": result})).send == ()


def test_a_failure_is_sent_again_until_no_attempt_is_left():
    result = JobResult(problem="x264 said no")
    once = decide(seen([job("a", state=JobState.SENT, sent_at=NOW)], results={"a": result}))
    assert once.again == (("a", "x264 said no"),)
    assert sent_to(once) == ["a"]
    last = job("a", state=JobState.SENT, sent_at=NOW, failures=MAX_FAILURES - 1)
    assert decide(seen([last], results={"a": result})).failed == (("a", "x264 said no"),)


def test_a_final_failure_is_not_tried_again():
    result = JobResult(problem="the master changed", final=True)
    decision = decide(seen([job("a", state=JobState.SENT, sent_at=NOW)], results={"a": result}))
    assert decision.failed == (("a", "the master changed"),)
    assert decision.send == ()


def test_a_chunk_that_always_takes_its_worker_down_fails_in_the_end():
    killer = job("a", state=JobState.SENT, sent_at=ago(60), sends=MAX_SENDS)
    decision = decide(seen([killer]))
    assert [digest for digest, _ in decision.failed] == ["a"]
    assert decision.send == ()


def test_a_job_two_titles_share_is_sent_once():
    jobs = [job("same", title="t"), job("same", title="u", priority=Priority.HIGH)]
    assert sent_to(decide(seen(jobs))) == ["same"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Priority)),
            st.sampled_from([JobState.WAITING, JobState.SENT]),
            st.booleans(),
            st.integers(0, 60),
        ),
        max_size=30,
    ),
    st.integers(0, 6),
)
def test_whatever_the_state_no_job_is_forgotten_and_no_slot_is_oversubscribed(rows, slots):
    jobs = [
        job(str(n), priority=p, state=s, position=n, sent_at=ago(age) if s == JobState.SENT else None)
        for n, (p, s, _, age) in enumerate(rows)
    ]
    leased = [str(n) for n, (_, s, held, _) in enumerate(rows) if held and s == JobState.SENT]
    decision = decide(seen(jobs, leases=leased, slots=slots))
    sent = set(sent_to(decision))
    already = {q.job.digest for q in jobs if q.job.state == JobState.SENT}
    assert sent.isdisjoint(already - set(decision.lost))
    outstanding = (already - set(decision.lost)) | (sent - decision.ahead)
    assert sent == decision.ahead or len(outstanding) <= slots + 1
    assert len(decision.ahead) <= 1
    waiting = sorted((q for q in jobs if q.job.digest not in already - set(decision.lost)), key=dispatch_order)
    assert [q.job.digest for q in waiting][: len(sent)] == sent_to(decision)


def test_what_the_gpu_fails_at_goes_to_the_cpu_and_is_no_failure_of_the_chunk():
    gpu = job("a", state=JobState.SENT, sent_at=NOW, sends=1, may_fall_back=True)
    decision = decide(seen([gpu], results={"a": JobResult(problem="no session left")}))
    assert decision.rerouted == (("a", "no session left"),)
    assert (decision.again, decision.failed, decision.send) == ((), (), ())


def test_a_full_disk_is_waited_for_and_given_up_only_in_the_end():
    full = JobResult(problem="the disk is full", later=True)
    once = decide(seen([job("a", state=JobState.SENT, sent_at=NOW, sends=1, failures=2)], results={"a": full}))
    assert once.postponed == (("a", "the disk is full"),)
    assert once.send == ()
    last = decide(seen([job("a", state=JobState.SENT, sent_at=NOW, sends=MAX_SENDS)], results={"a": full}))
    assert last.failed == (("a", "the disk is full"),)


def test_jobs_in_the_broker_of_workers_that_went_away_wait_unless_others_may_make_them():
    jobs = [
        job("stays", state=JobState.SENT, sent_at=ago(100), sends=1),
        job("goes", state=JobState.SENT, sent_at=ago(100), sends=1, may_fall_back=True),
    ]
    decision = decide(seen(jobs, slots=0))
    assert decision.lost == ("goes",)
    assert decision.send == ()


def sent(digest, **extra):
    return job(digest, state=JobState.SENT, sent_at=ago(1), sends=1, **extra)


def test_a_more_urgent_title_overtakes_the_spare_that_waits_in_the_broker():
    low = [sent("l1", priority=Priority.LOW), sent("l2", priority=Priority.LOW, position=1)]
    urgent = [job("c1", priority=Priority.CRITICAL, title="c"), job("c2", priority=Priority.CRITICAL, title="c")]
    decision = decide(seen([*low, *urgent], leases=["l1"], slots=1))
    assert (sent_to(decision), decision.ahead) == (["c1"], {"c1"})


def test_only_one_job_of_an_urgency_overtakes_at_a_time():
    jobs = [
        sent("l1", priority=Priority.LOW),
        sent("l2", priority=Priority.LOW, position=1),
        sent("c1", priority=Priority.CRITICAL, title="c"),
        job("c2", priority=Priority.CRITICAL, title="c"),
    ]
    assert decide(seen(jobs, leases=["l1"], slots=1)).send == ()


def test_a_title_does_not_overtake_itself():
    jobs = [sent("a", position=5), sent("b", position=6), job("c", position=0)]
    assert decide(seen(jobs, leases=["a"], slots=1)).send == ()


def test_a_held_title_sends_nothing_and_its_running_job_is_taken_as_done():
    jobs = [sent("a", held=True), job("b", held=True, position=1)]
    result = JobResult(chunk=EncodedChunk(job_digest="a", outputs=(), encoded=True))
    decision = decide(seen(jobs, results={"a": result}))
    assert (decision.done, decision.send) == (("a",), ())


def test_a_job_of_a_held_title_that_was_lost_waits_for_the_hold_to_end():
    lost = job("a", state=JobState.SENT, sent_at=ago(16), sends=1, held=True)
    decision = decide(seen([lost]))
    assert (decision.lost, decision.send) == (("a",), ())


def test_a_share_goes_to_the_class_behind_when_its_turn_comes():
    jobs = [
        sent("c0", priority=Priority.CRITICAL, title="c"),
        job("c1", priority=Priority.CRITICAL, title="c", position=1),
        job("l1", priority=Priority.LOW, title="l"),
    ]
    at_its_turn = decide(seen(jobs, leases=["c0"], slots=1, turn=19, share=0.05))
    assert (sent_to(at_its_turn), at_its_turn.shared) == (["l1"], {"l1"})
    assert sent_to(decide(seen(jobs, leases=["c0"], slots=1, turn=18, share=0.05))) == ["c1"]


def test_the_first_chunk_of_an_urgent_title_never_waits_for_a_share():
    jobs = [job("c1", priority=Priority.CRITICAL, title="c"), job("l1", priority=Priority.LOW, title="l")]
    assert sent_to(decide(seen(jobs, slots=1, turn=19, share=0.05)))[0] == "c1"


def test_the_first_chunk_of_a_class_goes_even_before_a_share_in_the_broker_and_its_second_after_it():
    share = [sent("n1"), sent("l1", priority=Priority.LOW, title="l", submitted_at=ago(9))]
    urgent = [job(f"c{n}", priority=Priority.CRITICAL, title="c", position=n) for n in range(2)]
    assert decide(seen([*share, *urgent], leases=["n1"], slots=1)).foremost == {"c0"}
    running = sent("c0", priority=Priority.CRITICAL, title="c")
    second = decide(seen([running, share[1], urgent[1]], leases=["c0"], slots=1))
    assert (second.ahead, second.foremost) == ({"c1"}, frozenset())
