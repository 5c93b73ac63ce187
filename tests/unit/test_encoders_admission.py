"""Jobs let in by memory: never more than fits, nobody overtaken, the dead forgotten."""

import json
import threading
import time

import pytest

from encoders.admission import Admission, Demand, demand_of
from encoders.documents import AudioJob
from encoders.memory import job_memory
from encoders.routing import on_cpu
from profiles.load import load_profile
from profiles.select import choose_ladder
from telecine.errors import EncodeFailed, Stopped
from telecine.stopper import Stopper, stoppable
from tests.unit.test_encoders_planning import a_plan, a_probe, plan_encode

GIB = 1 << 30


def a_job(memory_bytes):
    return a_plan().jobs[1].model_copy(update={"memory_bytes": memory_bytes})


class Hall:
    """Threads that go in and tell how many bytes were inside at most."""

    def __init__(self, folder, memory_bytes) -> None:
        self.admission = Admission(folder, Demand(memory_bytes=memory_bytes))
        self.inside, self.most, self.order = 0, 0, []
        self.lock = threading.Lock()

    def enter(self, job, stay_s=0.3):
        with self.admission.admitted(job):
            with self.lock:
                self.inside += job.memory_bytes
                self.most = max(self.most, self.inside)
                self.order.append(job.memory_bytes)
            time.sleep(stay_s)
            with self.lock:
                self.inside -= job.memory_bytes


def run_all(hall, jobs):
    threads = [threading.Thread(target=hall.enter, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
        time.sleep(0.05)  # arrival in this order
    for thread in threads:
        thread.join(30)
    assert not [thread for thread in threads if thread.is_alive()]


def test_jobs_inside_together_never_take_more_than_there_is(tmp_path):
    hall = Hall(tmp_path, 2 * GIB)
    run_all(hall, [a_job(GIB) for _ in range(5)])
    assert hall.most == 2 * GIB
    assert hall.order == [GIB] * 5


def test_a_large_job_is_not_overtaken_by_small_ones(tmp_path):
    hall = Hall(tmp_path, 3 * GIB)
    run_all(hall, [a_job(2 * GIB), a_job(3 * GIB), a_job(GIB)])
    assert hall.order == [2 * GIB, 3 * GIB, GIB]


def test_a_job_larger_than_the_worker_is_told_at_once(tmp_path):
    job, limit = a_plan().jobs[1], Demand(memory_bytes=100_000_000)
    with pytest.raises(EncodeFailed, match=r"1080p\) needs 0.6 GB of memory and this worker may use 0.1 GB"):
        Admission(tmp_path, limit).check(job)


def test_a_job_that_fits_only_rung_by_rung_comes_in_parts(tmp_path):
    job = a_plan().jobs[1]
    whole = Admission(tmp_path, Demand(memory_bytes=job.memory_bytes))
    less = Admission(tmp_path, Demand(memory_bytes=job.memory_bytes - 1))
    assert whole.parts(job) == [job]
    parts = less.parts(job)
    assert [part.outputs for part in parts] == [(output,) for output in job.outputs]
    assert all(part.memory_bytes < job.memory_bytes for part in parts)
    less.check(job)


def test_what_a_dead_process_took_is_free_again(tmp_path):
    (tmp_path / "admission.json").write_text(
        json.dumps([{"token": "x", "owner": "elsewhere/1/1", "demand": {"memory_bytes": 1, "gpu_sessions": 0}}])
    )
    hall = Hall(tmp_path, GIB)
    ledger = json.loads((tmp_path / "admission.json").read_text())
    ledger[0]["owner"] = this_machine("999999999/1")
    ledger[0]["demand"]["memory_bytes"] = GIB
    (tmp_path / "admission.json").write_text(json.dumps(ledger))
    hall.enter(a_job(GIB), stay_s=0)
    assert hall.order == [GIB]


def this_machine(process):
    from encoders.leases import this_process  # noqa: PLC0415

    return f"{this_process().split('/')[0]}/{process}"


def test_who_waits_can_be_stopped_and_leaves_no_entry(tmp_path):
    admission = Admission(tmp_path, Demand(memory_bytes=GIB))
    stopper = Stopper()

    def wait():
        with stoppable(stopper), admission.admitted(a_job(GIB), lambda: stopper.stop(Stopped("enough"))):
            pytest.fail("there was no room")

    with admission.admitted(a_job(GIB)):
        with pytest.raises(Stopped, match="enough"):
            wait()
        assert len(json.loads((tmp_path / "admission.json").read_text())) == 1


def test_a_gpu_job_takes_a_session_for_each_output_and_none_on_the_cpu():
    probe = a_probe()
    ladder = choose_ladder(load_profile("netflix-gpu"), probe)
    plan = plan_encode(probe, ladder, chunk_seconds=60, threads=1, toolchain="t")
    job = next(job for job in plan.jobs if job.queue == "gpu")
    assert demand_of(job).gpu_sessions == 4
    instead = on_cpu(job, "none left")
    assert demand_of(instead).gpu_sessions == 0
    assert instead.memory_bytes == job_memory(instead) != job.memory_bytes


def test_memory_grows_with_rungs_and_sizes_and_never_with_length():
    short, long = a_plan(a_probe(packets=240)), a_plan(a_probe(packets=240_000))
    assert short.jobs[1].memory_bytes == long.jobs[1].memory_bytes > 0
    job = short.jobs[1]
    fewer = job.model_copy(update={"outputs": job.outputs[1:]})
    assert job_memory(fewer) < job_memory(job)
    assert all(job.memory_bytes > 0 for job in short.jobs if isinstance(job, AudioJob))
