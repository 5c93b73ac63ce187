"""Chunks to whole renditions: joined without touching a sample, then proven frame for frame."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from encoders.boxes import add_light_boxes, codec_string
from encoders.command import join_command
from encoders.documents import AudioJob, Chunk, EncodedOutput, EncodePlan, VideoOutput
from encoders.dynamic import DOLBY_VISION_KEPT, kept_dynamic
from encoders.picture import keeps_hdr
from encoders.routing import Take, takes
from encoders.scratch import private_folder
from encoders.tooling import run_tool
from encoders.verify import Packets, peak_bps, verify_sound, verify_video
from encoders.work import found_output
from profiles.models import AudioRung, VideoCodec, VideoRung
from profiles.select import dynamic_range
from telecine.document import Sha256, digest_of
from telecine.errors import EncodeFailed, NotFound
from telecine.log import get_logger
from telecine.media import ContentLight, FrameRate, MasteringDisplay, VideoTrack
from telecine.rendition import Rendition, RenditionSet
from telecine.storage.port import ObjectStore

__all__ = ["assemble"]

log = get_logger(__name__)

_JOINING = 3
"""Counts changes of how chunks are joined and described."""


def assemble(plan: EncodePlan, store: ObjectStore, work_dir: Path) -> RenditionSet:
    """One MP4 for each rung under ``renditions/<digest>.mp4``, and what is known of it; a look-up when done before.

    Raises EncodeFailed when a chunk is missing from the store, or a joined track is not exactly as planned.
    """
    made = [_video_rendition(plan, position, store, work_dir) for position in range(len(plan.ladder.video))]
    made += [
        _audio_rendition(job, position, store, work_dir)
        for job in plan.jobs
        if isinstance(job, AudioJob)
        for position in range(len(job.outputs))
    ]
    return RenditionSet(
        plan_digest=plan.digest,
        frames=plan.total_frames,
        frame_rate=plan.frame_rate,
        gop_frames=plan.ladder.gop_frames,
        segment_frames=plan.ladder.segment_frames,
        renditions=tuple(made),
    )


def _video_rendition(plan: EncodePlan, position: int, store: ObjectStore, work_dir: Path) -> Rendition:
    rung, track = plan.ladder.video[position], plan.probe.video[0]
    outputs = [_chosen(take, store) for take in takes(plan, position)]
    digest = digest_of("video rendition", _JOINING, [output.digest for output in outputs])
    known = _found(digest, rung, store)
    if known is not None:
        return known
    chunks = [_chunk(chunk, output, store) for chunk, output in zip(plan.chunks, outputs, strict=True)]
    with private_folder(work_dir) as folder:
        dynamic = kept_dynamic(track, rung)
        joining = _Joining(
            hevc_in_band=rung.codec is VideoCodec.X265 and outputs[0].in_band,
            dolby_vision=not DOLBY_VISION_KEPT.keys().isdisjoint(dynamic),
        )
        joined = _join(chunks, store, folder, plan.frame_rate, joining)
        light = _light_in_boxes(joined, track, rung)
        packets = verify_video(
            joined, frames=plan.total_frames, rate=plan.frame_rate.fraction, gop_frames=plan.ladder.gop_frames
        )
        described = _described(rung, f"renditions/{digest}.mp4", joined, packets).model_copy(
            update={
                "width": rung.width,
                "height": rung.height,
                "frame_rate": plan.frame_rate,
                "frames": plan.total_frames,
                "dynamic_range": dynamic_range(track) if keeps_hdr(track, rung) else "SDR",
                "dynamic": dynamic,
                **light,
            }
        )
        store.put_file(described.key, joined, content_type="video/mp4", sha256=described.sha256)
    _keep(described, digest, store)
    return described


def _light_in_boxes(joined: Path, track: VideoTrack, rung: VideoRung) -> dict[str, MasteringDisplay | ContentLight]:
    """Write HDR10's static metadata into the file where its stream has none; fields of its rendition then."""
    told = {"mastering": track.mastering, "light": track.light} if keeps_hdr(track, rung) else {}
    light = {name: value for name, value in told.items() if value is not None}
    if rung.codec is VideoCodec.X265 or not light:
        return light
    add_light_boxes(joined, track.mastering, track.light)
    return light


def _audio_rendition(job: AudioJob, position: int, store: ObjectStore, work_dir: Path) -> Rendition:
    """Sound is encoded whole: the job's own file is the rendition, so nothing is copied."""
    output = job.outputs[position]
    digest = digest_of("audio rendition", _JOINING, output.digest, job.track.language, job.track.role)
    known = _found(digest, output.rung, store)
    if known is not None:
        return known
    made = found_output(output, store)
    if made is None:
        raise _missing(f"sound '{output.rung.name}'")
    with private_folder(work_dir) as folder:
        path = folder / "sound.mp4"
        store.get_file(made.key, path)
        packets = verify_sound(path, duration=job.duration)
        described = _described(output.rung, made.key, path, packets).model_copy(
            update={
                "channels": output.rung.channels,
                "sample_rate_hz": output.rung.sample_rate_hz,
                "language": job.track.language,
                "role": job.track.role,
                "atmos": output.rung.atmos,
                "loudness": made.loudness,
            }
        )
    _keep(described, digest, store)
    return described


def _found(digest: Sha256, rung: VideoRung | AudioRung, store: ObjectStore) -> Rendition | None:
    try:
        content, _ = store.get_bytes(f"renditions/{digest}.json")
        known = Rendition.model_validate_json(content)
    except (NotFound, ValidationError):
        return None
    stored = store.head(known.key)
    if stored is None or stored.size_bytes != known.size_bytes:
        return None
    return known.model_copy(update={"name": rung.name, "label": rung.label})


def _keep(rendition: Rendition, digest: Sha256, store: ObjectStore) -> None:
    document = rendition.model_dump_json().encode()
    store.put_bytes(f"renditions/{digest}.json", document, content_type="application/json")
    log.info("rendition.assembled", rendition=rendition.name, codec=rendition.codec, bytes=rendition.size_bytes)


def _chosen(take: Take, store: ObjectStore) -> VideoOutput:
    """What was made of a chunk: as planned, or by the CPU in the GPU's stead."""
    if take.fallback is None or found_output(take.output, store) is not None:
        return take.output
    return take.fallback


def _chunk(chunk: Chunk, output: VideoOutput, store: ObjectStore) -> EncodedOutput:
    made = found_output(output, store)
    if made is None:
        raise _missing(f"chunk {chunk.index} of '{output.rung.name}'")
    return made


def _missing(what: str) -> EncodeFailed:
    return EncodeFailed(f"The {what} is not in the work store: encode the plan before assembling it.")


@dataclass(frozen=True, slots=True)
class _Joining:
    """What of the chunks the joined track must be told again."""

    hevc_in_band: bool
    dolby_vision: bool


def _join(
    chunks: Sequence[EncodedOutput], store: ObjectStore, folder: Path, rate: FrameRate, joining: _Joining
) -> Path:
    names = [f"{position:06d}.mp4" for position in range(len(chunks))]
    for name, chunk in zip(names, chunks, strict=True):
        store.get_file(chunk.key, folder / name)
    listing, joined = folder / "chunks.txt", folder / "joined.mp4"
    listing.write_text("ffconcat version 1.0\n" + "".join(f"file {name}\n" for name in names))
    command = join_command(listing, joined, rate, hevc_in_band=joining.hevc_in_band, dolby_vision=joining.dolby_vision)
    run_tool(command)
    return joined


def _described(rung: VideoRung | AudioRung, key: str, path: Path, packets: Packets) -> Rendition:
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    average = int(sum(packets.sizes) * 8 / packets.duration)
    return Rendition(
        name=rung.name,
        kind="video" if isinstance(rung, VideoRung) else "audio",
        codec=codec_string(path),
        label=rung.label,
        key=key,
        sha256=sha256,
        size_bytes=path.stat().st_size,
        duration=packets.duration,
        average_bps=average,
        peak_bps=max(peak_bps(packets), average),
    )
