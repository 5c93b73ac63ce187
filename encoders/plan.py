"""The plan of one title: every frame, chunk and output decided once, before anything runs. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from types import MappingProxyType

from encoders.chunks import cut_chunks
from encoders.documents import AudioJob, Chunk, EncodePlan, ShotCrf, VideoJob, VideoOutput
from encoders.gpu import stays_on_gpu
from encoders.memory import job_memory
from encoders.picture import keeps_hdr, largest_sdr, needs_tone_map
from encoders.routing import RungGroup, gpu_shape, rung_groups
from encoders.sound_plan import Programme, audio_jobs, sound_programme
from profiles.models import Ladder, VideoRung
from profiles.picture_policy import treated
from profiles.select import SOUND_GRID, output_rate
from telecine.document import VARIES, DigestForm, digest_of
from telecine.errors import SourceRejected
from telecine.media import FrameRate, Probe, VideoTrack

__all__ = ["grid_of", "plan_encode", "preroll_of"]


_HD_LINES = 1080
_UHD_CHUNK_S = 12
"""A chunk of UHD costs minutes: shorter ones keep what a killed worker loses, and the wait for a slot, small."""


_INDEXED_PREROLL_S = Fraction(1, 2)
"""Where an index leads to the key frame, pictures only have to be put in order of presentation."""
_SEARCHED_PREROLL_S = Fraction(3)
_FILM_PREROLL_S = Fraction(1)
"""Three cycles of 3:2 pulldown, each of five pictures, before the chunk's own."""


def plan_encode(
    probe: Probe,
    ladder: Ladder,
    *,
    chunk_seconds: int,
    threads: int,
    toolchain: str,
    shots: Mapping[str, Sequence[ShotCrf]] = MappingProxyType({}),
) -> EncodePlan:
    """Chunks and jobs for a qualified master: a job for each sound track first, then one video job a chunk.

    Frame ``f`` of the grid is at ``f / rate`` on the container's clock, to within half a frame: the grid is laid
    through the first picture. Equal arguments give equal plans; address and title of the master shape no digest.
    ``shots``: CRFs of the shots of a rung, by its name; those of NVENC take none.
    """
    if not ladder.video:
        return _plan_of_sound(probe, ladder, toolchain)
    if not probe.video:
        raise SourceRejected(f"The master {probe.master.uri} has no video track to plan for.")
    probe = treated(probe, ladder.picture)
    track = probe.video[0]
    rate, first, total = grid_of(track)
    seconds = min(chunk_seconds, _UHD_CHUNK_S) if _is_uhd(ladder) else chunk_seconds
    cut = cut_chunks(first, total, segment_frames=ladder.segment_frames, rate=rate, chunk_seconds=seconds)
    jobs: tuple[AudioJob | VideoJob, ...] = (
        *_with_memory(audio_jobs(probe, ladder, Programme(track.start, total / rate), toolchain), ladder),
        *_video_jobs(probe, ladder, cut, (threads, toolchain), shots),
    )
    decided = [ladder, rate, first, total, *(job.digest for job in jobs)]
    return EncodePlan(
        digest=digest_of("plan", probe.master.sha256, *decided),
        master=probe.master,
        probe=probe,
        ladder=ladder,
        frame_rate=FrameRate.of(rate),
        first_frame=first,
        total_frames=total,
        chunks=cut,
        jobs=jobs,
        expected_bytes=_expected_bytes(ladder, total / rate, tracks=len(probe.audio)),
    )


def grid_of(track: VideoTrack) -> tuple[Fraction, int, int]:
    """Rate, first frame and number of frames of the output grid of a track."""
    rate = output_rate(track)
    return rate, round(track.start * rate), _total_frames(track, rate)


def _plan_of_sound(probe: Probe, ladder: Ladder, toolchain: str) -> EncodePlan:
    """A title without picture: no frames and no chunks, on the clock of its sound."""
    if not probe.audio:
        raise SourceRejected(f"The master {probe.master.uri} has no sound track to plan for.")
    programme = sound_programme(probe)
    jobs = _with_memory(audio_jobs(probe, ladder, programme, toolchain), ladder)
    if not jobs:
        raise SourceRejected(
            f"The master {probe.master.uri} has no sound track from which a rung of profile '{ladder.profile}' is made."
        )
    return EncodePlan(
        digest=digest_of("plan", probe.master.sha256, ladder, programme.start, *(job.digest for job in jobs)),
        master=probe.master,
        probe=probe,
        ladder=ladder,
        frame_rate=SOUND_GRID,
        first_frame=round(programme.start * SOUND_GRID.fraction),
        total_frames=0,
        chunks=(),
        jobs=jobs,
        expected_bytes=_expected_bytes(ladder, programme.duration, tracks=len(probe.audio)),
    )


def _is_uhd(ladder: Ladder) -> bool:
    return any(min(rung.width, rung.height) > _HD_LINES for rung in ladder.video)


def _is_indexed(probe: Probe) -> bool:
    return not {"mov", "mp4", "matroska"}.isdisjoint(probe.container.split(","))


def _total_frames(track: VideoTrack, rate: Fraction) -> int:
    if track.variable_frame_rate:
        return max(1, round(track.duration * rate))
    return max(1, int(track.packets * rate / track.frame_rate.fraction))  # of film, a last cycle that is not whole


def _video_jobs(
    probe: Probe,
    ladder: Ladder,
    cut: Sequence[Chunk],
    tools: tuple[int, str],
    shots: Mapping[str, Sequence[ShotCrf]],
) -> Iterator[VideoJob]:
    """The jobs of each chunk in turn, of thousands of chunks too: what all share is spelled once."""
    track = probe.video[0]
    range_ = (
        track,
        output_rate(track),
        ladder.gop_frames,
        ladder.segment_frames,
        VARIES,
        VARIES,
        ladder.damage_allowed,
    )
    first = []
    for group in rung_groups(ladder.video, track):
        job = _video_job(probe, ladder, cut[0], group, tools[0])
        forms = [
            DigestForm("video", probe.master.sha256, (*range_, *_shaped(output, track, group), VARIES, *tools))
            for output in (*job.outputs, *job.fallback)
        ]
        first.append((job.model_copy(update={"memory_bytes": job_memory(job)}), forms))
    for chunk, (job, forms) in product(cut, first):
        yield _of_chunk(job, chunk, forms, shots)


def _of_chunk(
    job: VideoJob, chunk: Chunk, forms: Sequence[DigestForm], shots: Mapping[str, Sequence[ShotCrf]]
) -> VideoJob:
    made = []
    for output, form in zip((*job.outputs, *job.fallback), forms, strict=True):
        own = _inside(shots.get(output.rung.name, ()) if output.encoder == "cpu" else (), chunk)
        digest = form.of(chunk.start, chunk.end, own)
        made.append(output.model_copy(update={"digest": digest, "key": f"chunks/{digest}.mp4", "shots": own}))
    count = len(job.outputs)
    changes = {
        "digest": digest_of("video job", [(output.digest, output.rung.name) for output in made]),
        "chunk": chunk,
        "outputs": tuple(made[:count]),
        "fallback": tuple(made[count:]),
    }
    return job.model_copy(update=changes)


def _inside(shots: Sequence[ShotCrf], chunk: Chunk) -> tuple[ShotCrf, ...]:
    """The parts of shots that lie in a chunk."""
    cut = ((max(shot.start, chunk.start), min(shot.end, chunk.end), shot.crf) for shot in shots)
    return tuple(ShotCrf(start=start, end=end, crf=crf) for start, end, crf in cut if start < end)


def _video_job(probe: Probe, ladder: Ladder, chunk: Chunk, group: RungGroup, threads: int) -> VideoJob:
    """A job of this chunk whose outputs have no digests yet."""
    track = probe.video[0]
    on_gpu = group.gpu and stays_on_gpu(track, group.rungs) and not ladder.damage_allowed
    return VideoJob(
        digest="",
        master=probe.master,
        track=track,
        frame_rate=FrameRate.of(output_rate(track)),
        gop_frames=ladder.gop_frames,
        segment_frames=ladder.segment_frames,
        chunk=chunk,
        threads=threads,
        preroll_s=preroll_of(probe),
        outputs=group.outputs,
        queue="gpu" if group.gpu else "cpu",
        decode="gpu" if on_gpu else "cpu",
        fallback=group.fallback,
        damage_allowed=ladder.damage_allowed,
    )


def _shaped(
    output: VideoOutput, track: VideoTrack, group: RungGroup
) -> tuple[tuple[int, int] | None, dict[str, object]]:
    """The size an output is tone-mapped at, and what of its rung shapes its bytes."""
    # tone mapping is done once, at the size of the largest rung, so that size shapes the smaller rungs too
    shared = largest_sdr(group.rungs, track) if needs_tone_map(track) else None
    mapped = None if keeps_hdr(track, output.rung) else shared
    shape = gpu_shape(output.rung) if output.encoder == "gpu" else _shape(output.rung)
    return mapped, {**shape, "in_band": True} if output.in_band else shape


def _with_memory(jobs: Iterable[AudioJob], ladder: Ladder) -> tuple[AudioJob, ...]:
    return tuple(
        job.model_copy(update={"memory_bytes": job_memory(job), "damage_allowed": ladder.damage_allowed})
        for job in jobs
    )


def preroll_of(probe: Probe) -> Fraction:
    """Seconds ahead of a chunk at which decoding starts, so that its first frames come out as in one pass."""
    preroll = _INDEXED_PREROLL_S if _is_indexed(probe) else _SEARCHED_PREROLL_S
    return preroll + (_FILM_PREROLL_S if probe.video[0].telecined else 0)


def _shape(rung: VideoRung) -> dict[str, object]:
    """What of a rung shapes bytes: not its name, not when it is chosen and not the label its key goes by."""
    apart = {"name", "label", "min_source_width", "hardware", "hardware_cq", "hardware_preset", "viewing"}
    return rung.model_dump(mode="json", exclude=apart)


def _expected_bytes(ladder: Ladder, duration: Fraction, tracks: int) -> int:
    bits = sum(rung.max_bps for rung in ladder.video) + tracks * sum(rung.bitrate_bps for rung in ladder.audio)
    return int(bits * duration / 8)
