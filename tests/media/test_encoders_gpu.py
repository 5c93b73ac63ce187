"""GPU rungs against a stand-in for an ffmpeg with NVENC (tests/contract/standin_ffmpeg.py); no GPU is touched here."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretBytes

from encoders.assemble import assemble
from encoders.capability import capability
from encoders.routing import takes
from encoders.tooling import version_line
from encoders.work import encode, found_output, toolchain
from pipeline.encoding_here import encode_here
from pipeline.workplace import Workplace
from profiles.models import Profile, VideoCodec, VideoRung
from telecine.errors import MissingRequirement, ToolFailed
from telecine.keystore import SealedKeyStore
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.tools import tool_path
from tests.media.encoders_clips import brightness, numbered_clip, planned, python_script, shown_brightness

pytestmark = pytest.mark.media
STANDIN = Path(__file__).parents[1] / "contract" / "standin_ffmpeg.py"


def a_rung(hardware="prefer", codec=VideoCodec.X264, name="small", **extra):
    preset = "8" if codec is VideoCodec.SVT_AV1 else "ultrafast"
    size = {"width": 160, "height": 90}
    return VideoRung(
        name=name, codec=codec, crf=20, max_bps=900_000, hardware=hardware, **{"preset": preset} | size | extra
    )


def a_profile(*rungs):
    return Profile(name="gpu", summary="", gop_seconds=1, segment_gops=1, video=rungs, audio=())


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """Installs the stand-in as the environment's ffmpeg; call it to set up what its GPU does."""
    real, folder = tool_path("ffmpeg"), tmp_path / "standin"
    folder.mkdir()
    tool = python_script(folder / "ffmpeg", STANDIN.read_text())

    def set_up(**changes):
        state = {"real": real, "gpu": True, "sessions": 8} | changes
        (folder / "standin.json").write_text(json.dumps(state))

    def calls():
        return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]

    set_up()
    set_up.calls = calls
    monkeypatch.setenv("TELECINE_TOOL_FFMPEG", str(tool))
    for cached in (tool_path, version_line):
        cached.cache_clear()
    yield set_up
    monkeypatch.undo()
    for cached in (tool_path, version_line):
        cached.cache_clear()


@pytest.fixture
def place(tmp_path):
    settings = Settings(data_dir=tmp_path / "data", worker_slots=1)
    store = LocalStore(tmp_path / "store")
    keys = SealedKeyStore(LocalStore(tmp_path / "keys"), SecretBytes(b"k" * 32))
    return Workplace(settings=settings, work=store, keys=keys, open_bucket=lambda _: store)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return numbered_clip(tmp_path_factory.mktemp("gpu") / "numbered.mp4", rate="12", seconds="4")


def made_of(plan, place, chunks):
    """Frames of the one rung, the encoders of its chunks, and why some fell back."""
    joined = assemble(plan, place.work, place.work_dir).renditions[0]
    place.work.get_file(joined.key, place.work_dir / "joined.mp4")
    chosen = [
        take.output.encoder if found_output(take.output, place.work) else take.fallback.encoder
        for take in takes(plan, 0)
    ]
    return shown_brightness(place.work_dir / "joined.mp4"), chosen, [chunk.fell_back for chunk in chunks]


def assert_every_frame(frames, count):
    assert len(frames) == count
    assert all(abs(found - brightness(n)) <= 6 for n, found in enumerate(frames)), frames


def test_a_machine_without_gpu_says_so_and_remembers_it_for_a_day(gpu, place):
    gpu(gpu=False)
    found = capability(place.settings)
    assert {"libx264", "libx265", "libsvtav1", "libvpx-vp9"} <= set(found.working)
    assert found.gpu_sessions == 0
    assert not [name for name in found.working if "nvenc" in name or "nvdec" in name]
    tried = len(gpu.calls())
    capability(place.settings)
    assert len(gpu.calls()) == tried
    capability(place.settings, now=datetime.now(UTC) + timedelta(days=2))
    assert len(gpu.calls()) > tried


def test_what_a_gpu_can_do_is_found_by_doing_it(gpu, place):
    gpu(sessions=3)
    found = capability(place.settings)
    assert found.gpu_sessions == 3
    wanted = {"h264_nvenc", "hevc_nvenc", "av1_nvenc", "hevc_nvenc 10 bit", "nvdec h264", "nvdec hevc", "nvdec av1"}
    assert wanted <= set(found.working)
    gpu(sessions=2, nvdec=False)
    os.utime(tool_path("ffmpeg"))  # another build of the tool: what was found before counts no more
    found = capability(place.settings)
    assert (found.gpu_sessions, "nvdec h264" in found.working) == (2, False)


@pytest.mark.parametrize("codec", [VideoCodec.X264, VideoCodec.X265, VideoCodec.SVT_AV1])
def test_gpu_chunks_are_frame_exact_and_every_option_is_one_of_the_encoders_own(gpu, place, clip, tmp_path, codec):
    plan = planned(clip, tmp_path, a_profile(a_rung(codec=codec)), chunk_seconds=2)
    chunks = encode_here(plan, place)
    frames, encoders, reasons = made_of(plan, place, chunks)
    assert_every_frame(frames, 48)
    assert encoders == ["gpu", "gpu"]
    assert reasons == [None, None]
    asked = [call for call in gpu.calls() if "-progress" in call]
    assert all("-hwaccel" in call and any(word.endswith("_nvenc") for word in call) for call in asked)


@pytest.mark.parametrize("codec", [VideoCodec.X264, VideoCodec.X265, VideoCodec.SVT_AV1])
def test_a_chunk_the_gpu_refuses_is_made_by_the_cpu_and_the_joined_track_decodes_whole(
    gpu, place, clip, tmp_path, codec
):
    """The stand-in reorders no frames and the CPU's encoders do, so times must be made to meet at the join."""
    gpu(refused_starts=[24])
    preset = "8" if codec is VideoCodec.SVT_AV1 else "veryfast"
    plan = planned(clip, tmp_path, a_profile(a_rung(codec=codec, preset=preset)), chunk_seconds=2)
    chunks = encode_here(plan, place)
    frames, encoders, reasons = made_of(plan, place, chunks)
    assert encoders == ["gpu", "cpu"]
    assert reasons[0] is None
    assert "generic error" in reasons[1]
    assert_every_frame(frames, 48)


def test_pictures_go_through_main_memory_where_nvdec_does_not_decode_them(gpu, place, clip, tmp_path):
    gpu(nvdec=False)
    plan = planned(clip, tmp_path, a_profile(a_rung()), chunk_seconds=4)
    chunks = encode_here(plan, place)
    frames, encoders, reasons = made_of(plan, place, chunks)
    assert_every_frame(frames, 48)
    assert (encoders, reasons) == (["gpu"], [None])


def test_without_nvenc_a_preferring_rung_is_the_cpus_and_a_requiring_one_is_refused(gpu, place, clip, tmp_path):
    gpu(gpu=False)
    plan = planned(clip, tmp_path, a_profile(a_rung()), chunk_seconds=4)
    frames, encoders, reasons = made_of(plan, place, encode_here(plan, place))
    assert_every_frame(frames, 48)
    assert encoders == ["cpu"]
    assert "NVENC does not work here" in reasons[0]
    insisting = planned(clip, tmp_path, a_profile(a_rung("require")), chunk_seconds=4)
    with pytest.raises(MissingRequirement, match="'small' ask for hardware: require"):
        encode_here(insisting, place)


def test_rungs_of_both_kinds_come_out_of_one_plan_and_a_second_run_encodes_nothing(gpu, place, clip, tmp_path):
    rungs = (a_rung(), a_rung("never", name="tiny", width=80, height=44), a_rung("prefer", VideoCodec.X265, "hevc"))
    plan = planned(clip, tmp_path, a_profile(*rungs), chunk_seconds=2)
    assert [job.queue for job in plan.jobs] == ["cpu", "gpu", "cpu", "gpu"]
    assert all(chunk.encoded for chunk in encode_here(plan, place))
    names = [rendition.name for rendition in assemble(plan, place.work, place.work_dir).renditions]
    assert names == ["small", "tiny", "hevc"]
    assert not any(chunk.encoded for chunk in encode_here(plan, place))


def test_the_stand_in_refuses_an_option_that_is_not_the_encoders(gpu, clip, tmp_path):
    """Otherwise the tests above would prove nothing of the command lines."""
    plan = planned(clip, tmp_path, a_profile(a_rung()), chunk_seconds=4)
    job = plan.jobs[0].model_copy(update={"fallback": ()})
    mistaken = job.outputs[0].rung.model_copy(update={"hardware_preset": "p9"})
    wrong = job.model_copy(update={"outputs": (job.outputs[0].model_copy(update={"rung": mistaken}),)})
    store = LocalStore(tmp_path / "store")
    with pytest.raises(ToolFailed, match="preset"):
        encode(wrong, clip, store, tmp_path / "work")
    assert encode(job, clip, store, tmp_path / "work").encoded
    assert toolchain().startswith("ffmpeg version")
    shutil.rmtree(tmp_path / "work")
