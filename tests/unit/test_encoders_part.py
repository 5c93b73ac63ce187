"""A part of a plan keeps the digests of the whole, so that nothing is encoded twice."""

import pytest
from pydantic import ValidationError

from encoders.documents import AudioJob, VideoJob
from encoders.part import part_of
from encoders.plan import plan_encode
from profiles.load import load_profile
from profiles.models import Profile
from profiles.select import choose_ladder
from telecine.media import Colour
from tests.unit.test_encoders_planning import a_plan, a_probe

PQ = Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc")


def digests(plan):
    return {
        (output.rung.name, job.chunk.index if isinstance(job, VideoJob) else -1): output.digest
        for job in plan.jobs
        for output in job.outputs
    }


def hdr_plan():
    probe = a_probe(width=3840, height=2160, pixel_format="yuv420p10le", bit_depth=10, colour=PQ)
    ladder = choose_ladder(load_profile("netflix"), probe)
    return plan_encode(probe, ladder, chunk_seconds=30, threads=1, toolchain="t")


@pytest.mark.parametrize("plan", [a_plan(), hdr_plan()], ids=["sdr", "hdr"])
def test_every_output_of_a_part_is_one_of_the_whole(plan):
    part = part_of(plan, ["480p", "720p"])
    assert {rung.name for rung in part.ladder.video} == {"480p", "720p"}
    assert digests(part).items() < digests(plan).items()
    assert part.chunks == plan.chunks
    assert part.partial
    assert not plan.partial
    assert part.digest != plan.digest
    assert len({job.digest for job in (*part.jobs, *plan.jobs)}) == len(part.jobs) + sum(
        isinstance(job, VideoJob) for job in plan.jobs
    )
    assert type(part).model_validate_json(part.model_dump_json()) == part


def test_a_part_of_an_hdr_plan_is_tone_mapped_as_the_whole_is():
    whole, part = hdr_plan(), part_of(hdr_plan(), ["480p"])
    job = next(job for job in part.jobs if isinstance(job, VideoJob))
    mapped = next(
        job for job in whole.jobs if isinstance(job, VideoJob) and "480p" in {o.rung.name for o in job.outputs}
    )
    largest = max((o.rung.width, o.rung.height) for o in mapped.outputs if o.rung.dynamic_range == "sdr")
    assert job.tone_map_size == largest == (1920, 1080)
    assert job.memory_bytes < mapped.memory_bytes


def test_all_sound_goes_with_pictures_unless_some_is_named():
    def sounds(part):
        return [output.rung.name for job in part.jobs if isinstance(job, AudioJob) for output in job.outputs]

    assert sounds(part_of(a_plan(), ["480p"])) == ["stereo", "surround"]
    assert sounds(part_of(a_plan(), ["480p", "stereo"])) == ["stereo"]


@pytest.mark.parametrize("rungs", [["1080p", "720p", "480p"], ["2160p-none"]])
def test_a_part_that_leaves_nothing_out_or_nothing_over_is_the_whole(rungs):
    assert part_of(a_plan(), rungs) == a_plan()


@pytest.mark.parametrize(("minimum", "said"), [(["4320p"], "no rung '4320p'"), (["stereo"], "at least one video rung")])
def test_a_minimum_that_cannot_be_watched_is_refused(minimum, said):
    fields = load_profile("standard").model_dump()
    with pytest.raises(ValidationError, match=said):
        Profile.model_validate(fields | {"minimum": minimum})
