"""Real Celery workers on real Redis and a real S3 server: what they take, how they stop, how they fail."""

import os
import signal
import time
from pathlib import Path

import pytest

from encoders.assemble import assemble
from encoders.queue import app
from pipeline.encoding import withdraw
from telecine.errors import EncodeFailed
from telecine.registry.queue import EncodeQueue
from telecine.registry.records import JobState, Stage
from tests.contract.encode_stand import Stand, a_plan, is_done, until
from tests.media.encoders_clips import numbered_clip

pytestmark = [pytest.mark.server, pytest.mark.media, pytest.mark.timeout(180)]
SLOW = {"codec": "x265", "preset": "veryslow", "crf": 10, "max_bps": 4_000_000}


@pytest.fixture(scope="module")
def stand(tmp_path_factory, module_redis_server, s3_server, module_program):
    made = Stand(tmp_path_factory.mktemp("stand"), module_redis_server, s3_server, module_program)
    before = dict(os.environ)
    os.environ.update(made.environment())
    app.conf.broker_url = made.redis.url.get_secret_value()
    yield made
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def cpu_worker(stand):
    worker = stand.worker("cpu")
    until(lambda: stand.board.slots("cpu") == 1, "the worker says that it is there")
    return worker


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return numbered_clip(tmp_path_factory.mktemp("clips") / "film.mp4", rate="24", seconds="20", size="320x180")


def under_way(stand, encode):
    """Wait until an encoder runs that has shown progress; its process."""
    return until(lambda: list(stand.encoders().values()), "an encoder runs", encode)[0]


def test_a_worker_says_what_it_can_do(stand, cpu_worker):
    (presence,) = stand.board.workers("cpu").values()
    assert presence.slots == 1
    assert {"libx264", "libx265", "libsvtav1", "libvpx-vp9"} <= set(presence.encoders)
    assert presence.memory_bytes > 1 << 28
    assert presence.cores >= 1


def test_cancelling_stops_the_encoder_leaves_nothing_half_made_and_can_be_gone_on_from(
    stand, cpu_worker, clip, tmp_path
):
    slow = a_plan(clip, tmp_path, chunk_seconds=10, **SLOW)
    encode = stand.follow("slow", slow)
    encoder = under_way(stand, encode)
    stand.place.registry.fail("slow", Stage.CANCELLED, "A person cancelled it.")
    assert withdraw(stand.place, "slow") == 2  # one runs, one waits in the broker
    began = time.monotonic()
    until(lambda: not encoder.is_running(), "the encoder ends")
    assert time.monotonic() - began < 10
    until(lambda: not stand.scratch(), "the scratch folder is gone")
    until(lambda: not stand.board.leases([job.digest for job in slow.jobs]), "the lease is let go")
    assert not [stored for job in slow.jobs for stored in stand.place.work.list(job.outputs[0].key)]
    with pytest.raises(EncodeFailed, match="telecine retry slow"):
        encode.progress()
    stand.place.registry.fail("slow", Stage.FAILED, "its run failed")
    assert stand.place.registry.title("slow").stage == Stage.CANCELLED
    quick = stand.follow("quick", a_plan(clip, tmp_path))  # the waiting message is dropped, the worker takes others
    until(lambda: is_done(quick), "another title is encoded", quick)
    again = stand.follow("slow", slow)
    under_way(stand, again)
    again.abandon()
    until(lambda: not stand.encoders(), "the encoder ends")


def test_an_attempt_that_was_replaced_cannot_stop_the_jobs_another_took_over(stand, cpu_worker, clip, tmp_path):
    plan = a_plan(clip, tmp_path, **SLOW | {"crf": 11})
    first = stand.follow("twice", plan)
    encoder = under_way(stand, first)
    second = stand.follow("twice", plan)
    first.abandon()
    for _ in range(15):  # several times as long as a worker needs to notice
        second.tick()
        time.sleep(0.1)
    assert encoder.is_running()
    assert second.progress().running == 1
    second.abandon()
    until(lambda: not encoder.is_running(), "the encoder ends")


def test_an_encoder_killed_again_and_again_leaves_the_title_to_a_person_with_one_sentence(
    stand, cpu_worker, clip, tmp_path
):
    encode = stand.follow("oom", a_plan(clip, tmp_path, **SLOW | {"crf": 12}))
    killed = set()

    def kill_and_see():
        for pid, process in stand.encoders().items():
            if pid not in killed:
                killed.add(pid)
                process.send_signal(signal.SIGKILL)
        return failed(encode)

    until(kill_and_see, "the title waits for a person", encode)
    assert len(killed) == 3
    with pytest.raises(EncodeFailed, match=r"killed \(SIGKILL\), likely because memory ran out"):
        encode.progress()
    assert not stand.scratch()


def failed(encode):
    try:
        encode.progress()
    except EncodeFailed:
        return True
    return False


def test_a_gpu_worker_without_nvenc_takes_nothing_and_the_cpu_makes_its_chunks(stand, cpu_worker, clip, tmp_path):
    if list(Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("this machine has an NVIDIA GPU")
    idle = stand.worker("gpu")
    until(lambda: "worker.no_gpu" in idle.said(), "it says that it has no GPU")
    until(lambda: "worker.ready" in idle.said(), "it is up")
    plan = a_plan(clip, tmp_path, hardware="prefer", chunk_seconds=10)
    assert {job.queue for job in plan.jobs} == {"gpu"}
    encode = stand.follow("no-gpu", plan)
    until(lambda: is_done(encode), "the title is encoded", encode)
    assert stand.board.workers("gpu") == {}
    assert encode.progress().fell_back == {"no GPU worker was up": 2}
    assert "2 on the CPU, as no GPU worker was up" in encode.progress().line()
    (rendition,) = assemble(plan, stand.place.work, tmp_path / "joined").renditions
    assert rendition.frames == 480
    again = stand.follow("no-gpu", plan)
    assert is_done(again)


def test_what_only_a_gpu_may_make_waits_and_says_so(stand, cpu_worker, clip, tmp_path):
    encode = stand.follow("insists", a_plan(clip, tmp_path, hardware="require"))
    encode.tick()
    assert "1 jobs need a GPU worker and none is up" in encode.progress().line()
    assert {queued.job.state for queued in EncodeQueue(stand.place.registry).open_jobs()} == {JobState.WAITING}
    encode.abandon()


def test_a_job_larger_than_the_worker_is_refused_with_one_sentence(stand, cpu_worker, clip, tmp_path):
    plan = a_plan(clip, tmp_path, crf=29)
    track = plan.jobs[0].track.model_copy(update={"width": 1_000_000, "height": 1_000_000})
    changes = {"track": track, "memory_bytes": 1 << 50}
    huge = plan.model_copy(update={"jobs": tuple(job.model_copy(update=changes) for job in plan.jobs)})
    encode = stand.follow("huge", huge)
    until(lambda: failed(encode), "the title waits for a person", encode)
    with pytest.raises(EncodeFailed, match="TELECINE_WORKER_MEMORY_BYTES"):
        encode.progress()
