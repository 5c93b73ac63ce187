"""Which rungs of a chunk the GPU makes and which the CPU, and where each rung's chunks are found again. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from encoders.codecs.nvenc import ENCODERS
from encoders.documents import Chunk, EncodePlan, VideoJob, VideoOutput
from encoders.memory import job_memory
from encoders.picture import keeps_hdr
from profiles.models import VideoRung
from telecine.errors import MissingRequirement
from telecine.media import VideoTrack

__all__ = ["RungGroup", "Take", "gpu_encoders", "gpu_shape", "on_cpu", "rung_groups", "takes"]


@dataclass(frozen=True, slots=True)
class Take:
    """One rung of one chunk: the output that was planned, and what stands in for it when the GPU could not."""

    chunk: Chunk
    output: VideoOutput
    fallback: VideoOutput | None


@dataclass(frozen=True, slots=True)
class RungGroup:
    """Rungs that one job of each chunk makes; its outputs, and those of the CPU in its stead, have no digests yet."""

    rungs: tuple[VideoRung, ...]
    gpu: bool
    outputs: tuple[VideoOutput, ...]
    fallback: tuple[VideoOutput, ...]


def rung_groups(rungs: Sequence[VideoRung], track: VideoTrack) -> list[RungGroup]:
    """The rungs of each job of a chunk: all of the CPU from one decode, then those of the GPU.

    An HDR rung of the GPU is a job by itself: behind a split FFmpeg hands HDR10 metadata to the first branch only.
    """
    wishes: dict[tuple[str, str], list[VideoRung]] = {}
    for rung in rungs:
        alone = rung.name if rung.hardware != "never" and keeps_hdr(track, rung) else ""
        wishes.setdefault((rung.hardware, alone), []).append(rung)
    ordered = sorted(wishes.items(), key=lambda wish: wish[0][0] != "never")
    return [_group(tuple(group), hardware) for (hardware, _), group in ordered]


def _group(rungs: tuple[VideoRung, ...], hardware: str) -> RungGroup:
    def outputs(encoder: Literal["cpu", "gpu"]) -> tuple[VideoOutput, ...]:
        # chunks of two encoders are joined into one track: each must then carry its own parameter sets
        in_band = hardware == "prefer"
        return tuple(VideoOutput(rung=rung, digest="", key="", encoder=encoder, in_band=in_band) for rung in rungs)

    if hardware == "never":
        return RungGroup(rungs, gpu=False, outputs=outputs("cpu"), fallback=())
    fallback = outputs("cpu") if hardware == "prefer" else ()
    return RungGroup(rungs, gpu=True, outputs=outputs("gpu"), fallback=fallback)


def gpu_shape(rung: VideoRung) -> dict[str, object]:
    """What of a rung shapes NVENC's bytes, its name first: never the digest of anything the CPU made."""
    quality = rung.crf if rung.hardware_cq is None else rung.hardware_cq
    shaping = {"width", "height", "dynamic_range", "max_bps", "hardware_preset"}
    return {"encoder": ENCODERS[rung.codec], "cq": quality, **rung.model_dump(mode="json", include=shaping)}


def gpu_encoders(job: VideoJob) -> list[str]:
    """NVENC's encoders a job needs, one for each output."""
    return [ENCODERS[output.rung.codec] for output in job.outputs if output.encoder == "gpu"]


def on_cpu(job: VideoJob, reason: str) -> VideoJob:
    """The same job for the CPU, under the same digest. Raises MissingRequirement when its rungs insist on the GPU."""
    if not job.fallback:
        names = ", ".join(f"'{output.rung.name}'" for output in job.outputs)
        message = f"The rungs {names} ask for hardware: require, and the GPU could not make them: {reason}"
        raise MissingRequirement(message)
    changes = {"queue": "cpu", "decode": "cpu", "outputs": job.fallback, "fallback": (), "fell_back": reason}
    moved = job.model_copy(update=changes)
    return moved.model_copy(update={"memory_bytes": job_memory(moved)})


def takes(plan: EncodePlan, position: int) -> tuple[Take, ...]:
    """Every chunk of the rung at ``position`` of the ladder, in order."""
    name = plan.ladder.video[position].name
    found = []
    for job in plan.jobs:
        if isinstance(job, VideoJob):
            stand_ins = {output.rung.name: output for output in job.fallback}
            found += [
                Take(job.chunk, output, stand_ins.get(name)) for output in job.outputs if output.rung.name == name
            ]
    return tuple(sorted(found, key=lambda take: take.chunk.index))
