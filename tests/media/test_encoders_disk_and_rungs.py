"""A disk that fills up while encoding, and a rung added to a title that is done: with the real ffmpeg."""

import errno

import pytest

from encoders.admission import Admission, Demand
from encoders.attempts import Bench, attempt
from encoders.work import encode
from pipeline.encoding_here import encode_here
from pipeline.workplace import Workplace
from profiles.models import Profile, VideoRung
from telecine.errors import DiskFull, EncodeFailed
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.tools import tool_path
from tests.media.encoders_clips import ffmpeg, numbered_clip, planned, python_script

pytestmark = pytest.mark.media


def a_rung(name, width, height, crf=20):
    return VideoRung(name=name, codec="x264", width=width, height=height, crf=crf, max_bps=900_000, preset="ultrafast")


def a_profile(*rungs):
    return Profile(name="rungs", summary="", gop_seconds=1, segment_gops=1, video=rungs, audio=())


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return numbered_clip(tmp_path_factory.mktemp("clips") / "film.mp4", rate="12", seconds="4")


def everything_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def written(store):
    """When each object of a store was written, by key."""
    root = store / "objects"
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in everything_in(root)}


def test_a_disk_full_in_ffmpeg_leaves_nothing_and_goes_on_when_there_is_room(clip, tmp_path, monkeypatch):
    """A limit on file sizes stands for a full disk: the same write fails in the same place, without a mount."""
    real = tool_path("ffmpeg")
    tool = python_script(
        tmp_path / "ffmpeg",
        "import os, resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))\n"
        f"os.execv({real!r}, [{real!r}, *sys.argv[1:]])\n",
    )
    plan = planned(clip, tmp_path / "plan", a_profile(a_rung("only", 160, 90, crf=1)), chunk_seconds=4)
    store, work = LocalStore(tmp_path / "store"), tmp_path / "work"
    with monkeypatch.context() as patched:
        patched.setenv("TELECINE_TOOL_FFMPEG", str(tool))
        tool_path.cache_clear()
        try:
            with pytest.raises(
                DiskFull, match=r"is full .* could not be encoded: free some, and it goes on from there"
            ):
                encode(plan.jobs[0], clip, store, work)
        finally:
            tool_path.cache_clear()
    assert everything_in(work) == []
    assert everything_in(tmp_path / "store") == []
    assert encode(plan.jobs[0], clip, store, work).encoded


class FullStore(LocalStore):
    """A store whose disk fills up at the second object."""

    def __init__(self, root) -> None:
        super().__init__(root)
        self.kept = []

    def put_file(self, key, path, **options):
        if self.kept:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        self.kept.append(key)
        return super().put_file(key, path, **options)


def test_a_disk_full_in_the_store_keeps_what_is_whole_and_the_next_attempt_makes_the_rest(clip, tmp_path):
    profile = a_profile(a_rung("large", 160, 90), a_rung("small", 80, 44))
    plan = planned(clip, tmp_path / "plan", profile, chunk_seconds=4)
    (job,) = plan.jobs
    with pytest.raises(DiskFull):
        encode(job, clip, FullStore(tmp_path / "store"), tmp_path / "work")
    assert everything_in(tmp_path / "work") == []
    store = LocalStore(tmp_path / "store")
    before = store.head(job.outputs[0].key)
    assert store.head(job.outputs[1].key) is None
    assert encode(job, clip, store, tmp_path / "work").encoded
    assert store.head(job.outputs[0].key) == before
    assert store.head(job.outputs[1].key) is not None


def test_a_job_too_large_for_the_machine_is_encoded_rung_by_rung_to_the_same_bytes(clip, tmp_path):
    """The source is HDR, so the smaller rung comes of pictures tone-mapped at the larger one's size."""
    hdr = clip.with_name("hdr.mp4")
    signalled = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
    coding = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le")
    ffmpeg("-i", str(clip), *coding, *signalled, str(hdr))
    profile = a_profile(a_rung("large", 160, 90), a_rung("small", 80, 44))
    plan = planned(hdr, tmp_path, profile, chunk_seconds=4)
    (job,) = plan.jobs

    def sums(name, memory_bytes):
        bench = Bench(
            LocalStore(tmp_path / name), tmp_path / "work", Admission(tmp_path, Demand(memory_bytes=memory_bytes))
        )
        chunk = attempt(job, hdr, bench)
        assert len(chunk.outputs) == 2
        return [output.sha256 for output in chunk.outputs]

    assert sums("whole", job.memory_bytes) == sums("parts", job.memory_bytes - 1)
    assert len(Admission(tmp_path, Demand(memory_bytes=job.memory_bytes - 1)).parts(job)) == 2
    with pytest.raises(EncodeFailed, match="TELECINE_WORKER_MEMORY_BYTES"):
        sums("none", 1000)


def test_a_rung_added_to_a_finished_title_is_all_that_is_encoded(clip, tmp_path):
    store = LocalStore(tmp_path / "store")
    settings = Settings(data_dir=tmp_path / "data", worker_slots=1)
    place = Workplace(settings=settings, work=store, keys=None, open_bucket=lambda _: store)
    rungs = (a_rung("large", 160, 90), a_rung("small", 80, 44))
    first = planned(clip, tmp_path, a_profile(*rungs), chunk_seconds=2)
    encode_here(first, place)
    stored = written(tmp_path / "store")
    more = planned(clip, tmp_path, a_profile(*rungs, a_rung("tiny", 48, 26)), chunk_seconds=2)
    chunks = encode_here(more, place)
    now = written(tmp_path / "store")
    added = {output.key for job in more.jobs for output in job.outputs if output.rung.name == "tiny"}
    assert len(added) == 2
    assert {key for key in now.keys() - stored.keys() if key.endswith(".mp4")} == added
    # not even written again with the same bytes
    assert {key: now[key] for key in stored} == stored
    assert all(chunk.encoded for chunk in chunks)
    assert not any(chunk.encoded for chunk in encode_here(more, place))
