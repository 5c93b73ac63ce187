"""A part of a plan: some of its rungs, from the same chunks, under the same digests. Pure."""

from collections.abc import Collection, Iterator

from encoders.documents import AudioJob, EncodePlan, VideoJob
from encoders.memory import job_memory
from encoders.picture import largest_sdr, needs_tone_map
from telecine.document import digest_of

__all__ = ["part_of"]


def part_of(plan: EncodePlan, rungs: Collection[str]) -> EncodePlan:
    """The plan of these rungs alone; where they name no sound, of all sound. The same plan when nothing is left out.

    Each output keeps its digest, and so its bytes: whoever carries out the whole plan later finds them in the store.
    """
    names = set(rungs)
    if names.isdisjoint(rung.name for rung in plan.ladder.audio):
        names.update(rung.name for rung in plan.ladder.audio)
    video = tuple(rung for rung in plan.ladder.video if rung.name in names)
    audio = tuple(rung for rung in plan.ladder.audio if rung.name in names)
    if not video or (video, audio) == (plan.ladder.video, plan.ladder.audio):
        return plan
    jobs = tuple(_jobs(plan, names))
    kept = sum(rung.max_bps for rung in video) / sum(rung.max_bps for rung in plan.ladder.video)
    return plan.model_copy(
        update={
            "digest": digest_of("part of a plan", plan.digest, [job.digest for job in jobs]),
            "ladder": plan.ladder.model_copy(update={"video": video, "audio": audio}),
            "jobs": jobs,
            "expected_bytes": int(plan.expected_bytes * kept),
            "partial": True,
        }
    )


def _jobs(plan: EncodePlan, names: Collection[str]) -> Iterator[VideoJob | AudioJob]:
    for job in plan.jobs:
        match job:
            case VideoJob():
                part = _pictures(job, names)
                if part.outputs:
                    yield part
            case AudioJob():
                sounds = tuple(output for output in job.outputs if output.rung.name in names)
                if sounds == job.outputs:
                    yield job
                elif sounds:
                    digest = digest_of("audio job", [(output.digest, output.rung.name) for output in sounds])
                    yield job.model_copy(update={"digest": digest, "outputs": sounds})


def _pictures(job: VideoJob, names: Collection[str]) -> VideoJob:
    outputs = tuple(output for output in job.outputs if output.rung.name in names)
    fallback = tuple(output for output in job.fallback if output.rung.name in names)
    if outputs == job.outputs or not outputs:
        return job.model_copy(update={"outputs": outputs})
    # the digests say that all SDR rungs come of pictures that were tone-mapped at the size of the whole job's largest
    mapped = largest_sdr([output.rung for output in job.outputs], job.track) if needs_tone_map(job.track) else None
    digest = digest_of("video job", [(output.digest, output.rung.name) for output in (*outputs, *fallback)])
    part = job.model_copy(update={"digest": digest, "outputs": outputs, "fallback": fallback, "tone_map_size": mapped})
    return part.model_copy(update={"memory_bytes": job_memory(part)})
