"""Which rungs go to the GPU, and that what the CPU makes in its stead is never mistaken for it."""

import pytest
from pydantic import ValidationError

from encoders.documents import VideoJob
from encoders.gpu import stays_on_gpu
from encoders.plan import plan_encode
from encoders.routing import on_cpu, takes
from profiles.load import load_profile
from profiles.models import VideoRung
from profiles.select import choose_ladder
from telecine.document import VARIES, DigestForm, digest_of
from telecine.errors import MissingRequirement
from telecine.media import Colour
from tests.unit.test_encoders_planning import a_probe

PQ = Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc")
HDR = {"width": 3840, "height": 2160, "pixel_format": "yuv420p10le", "bit_depth": 10, "codec": "hevc", "colour": PQ}


def a_plan(profile="netflix-gpu", **video):
    probe = a_probe(**video)
    ladder = choose_ladder(load_profile(profile), probe)
    return plan_encode(probe, ladder, chunk_seconds=12, threads=1, toolchain="t")


def jobs_of_chunk(plan, index=0):
    return [job for job in plan.jobs if isinstance(job, VideoJob) and job.chunk.index == index]


def names(job):
    return [output.rung.name for output in job.outputs]


def test_a_chunks_rungs_are_split_by_who_makes_them_and_hdr_is_alone_on_the_gpu():
    cpu, *gpu = jobs_of_chunk(a_plan(**HDR))
    assert (cpu.queue, names(cpu)) == ("cpu", ["2160p-vp9"])
    assert [(job.queue, job.decode, names(job)) for job in gpu] == [
        ("gpu", "gpu", ["2160p-hevc"]),
        ("gpu", "cpu", ["1080p-hevc", "1080p", "720p", "480p"]),  # tone mapping has no form on the GPU
    ]


def test_a_ladder_without_hardware_is_one_job_a_chunk_on_the_cpu():
    (job,) = jobs_of_chunk(a_plan("netflix", **HDR))
    assert (job.queue, job.fallback) == ("cpu", ())


def test_outputs_of_gpu_and_cpu_have_digests_of_their_own_and_differ_from_netflix():
    plan = a_plan()
    planned = {output.digest for job in plan.jobs if isinstance(job, VideoJob) for output in job.outputs}
    in_its_stead = {output.digest for job in plan.jobs if isinstance(job, VideoJob) for output in job.fallback}
    plain = {output.digest for job in a_plan("netflix").jobs for output in job.outputs}
    assert planned.isdisjoint(in_its_stead)
    assert plain.isdisjoint(in_its_stead | planned)  # parameter sets in band are other bytes


def test_every_chunk_of_every_rung_is_found_again_in_order():
    plan = a_plan(**HDR)
    for position, rung in enumerate(plan.ladder.video):
        found = takes(plan, position)
        assert [take.chunk for take in found] == list(plan.chunks)
        assert {take.output.rung.name for take in found} == {rung.name}
        assert all((take.fallback is None) == (rung.hardware == "never") for take in found)


def test_a_job_keeps_its_digest_on_the_cpu_and_says_why_it_is_there():
    gpu = jobs_of_chunk(a_plan())[-1]
    job = on_cpu(gpu, "no session was left")
    assert (job.digest, job.queue, job.decode) == (gpu.digest, "cpu", "cpu")
    assert job.outputs == gpu.fallback
    assert job.fell_back == "no session was left"
    with pytest.raises(MissingRequirement, match="no session was left"):
        on_cpu(gpu.model_copy(update={"fallback": ()}), "no session was left")


@pytest.mark.parametrize(
    "video",
    [
        {"rotation": 90},
        {"pixel_format": "gbrp", "colour": Colour(matrix="gbr")},
        {"codec": "prores", "pixel_format": "yuv422p10le"},
        {"pixel_format": "yuv420p10le"},  # H.264 in 10 bits: no NVDEC decodes it
        {"colour": Colour(range="pc")},
    ],
)
def test_what_has_no_form_on_the_gpu_is_decoded_by_the_cpu(video):
    rungs = load_profile("netflix-gpu").video
    assert stays_on_gpu(a_probe().video[0], rungs)
    assert not stays_on_gpu(a_probe(**video).video[0], rungs)


def test_vp9_on_nvenc_is_a_mistake_in_the_profile():
    with pytest.raises(ValidationError, match="NVENC has no VP9"):
        VideoRung(name="a", codec="vp9", width=16, height=16, crf=30, max_bps=1, hardware="prefer")


def test_a_digest_form_gives_the_digests_of_its_parts():
    form = DigestForm("kind", {"b": 1, "a": [VARIES, "x"]}, (VARIES, None))
    for start, end in ((0, 10), (-5, 1 << 40)):
        assert form.of(start, end) == digest_of("kind", {"b": 1, "a": [start, "x"]}, (end, None))
