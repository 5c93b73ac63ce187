"""The same job gives the same bytes on every run, also where the VBV binds and the machine is busy."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from encoders.plan import plan_encode
from encoders.probe import inspect_master
from encoders.source import register_master
from encoders.work import encode, toolchain
from profiles.load import load_profile
from profiles.select import choose_ladder
from telecine.settings import Settings
from telecine.storage.local import LocalStore

pytestmark = pytest.mark.media


def test_noise_at_the_cap_gives_equal_bytes_run_after_run(tmp_path, make_clip):
    clip = make_clip("noise at the cap.mp4", seconds=3, size="640x360", rate="25", audio="stereo", noise=20)
    master = register_master(str(clip), tmp_path)
    probe = inspect_master(master, clip)
    ladder = choose_ladder(load_profile("standard"), probe)
    threads = Settings(data_dir=tmp_path).encode_threads
    plan = plan_encode(probe, ladder, chunk_seconds=30, threads=threads, toolchain=toolchain())
    job = next(job for job in plan.jobs if job.kind == "video")

    def sums(number):
        store = LocalStore(tmp_path / f"store {number}")
        return tuple(output.sha256 for output in encode(job, clip, store, tmp_path / f"work {number}").outputs)

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(sums, range(6)))) == 1
