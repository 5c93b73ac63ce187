"""The effects of encoding: look up, run one ffmpeg, prove what it wrote, store it under its digest."""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from pydantic import ValidationError

from encoders.command import Argv, video_command
from encoders.complaints import complaints, damage
from encoders.documents import AudioJob, AudioOutput, EncodedChunk, EncodedOutput, VideoJob, VideoOutput
from encoders.dynamic import HDR10_PLUS, kept_dynamic
from encoders.failures import said_plainly
from encoders.hdr10plus import frames_command, metadata_file
from encoders.naming import file_name
from encoders.peaks import heaviest_load, lighter
from encoders.scratch import private_folder
from encoders.sidecar import check_side_files
from encoders.sound import encode_sounds
from encoders.tooling import run_tool, version_line
from encoders.verify import verify_video
from telecine.errors import EncodeFailed, NotFound, SourceRejected
from telecine.log import get_logger
from telecine.process import Completed
from telecine.rendition import LoudnessReport
from telecine.storage.port import ObjectStore

__all__ = ["RECIPE", "OnProgress", "Progress", "encode", "found_output", "toolchain"]

log = get_logger(__name__)

RECIPE = 4
"""Counts changes of the argument lists: a new number makes every digest new."""

_FURTHER_AHEAD_S = (Fraction(30), None)
"""A seek in an MPEG-TS, which has no index, can land a whole GOP too late; then the first frames are missing, which
shows in the count, and the chunk is encoded again from further ahead; at last from the start of the file."""

_TRIES = 4
"""Encodes of a rung until its heaviest segment stays under the cap; one is the rule, a second mends what is left."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one job is. Sound is counted in AAC frames of 1024 samples."""

    frames: int
    total_frames: int
    fps: float


OnProgress = Callable[[Progress], None]


def toolchain() -> str:
    """The encoder's version and the recipe's number: what besides parameters shapes the bytes."""
    return f"{version_line('ffmpeg')} recipe {RECIPE}"


def encode(
    job: VideoJob | AudioJob,
    source: Path,
    store: ObjectStore,
    work_dir: Path,
    on_progress: OnProgress | None = None,
    rungs: Collection[str] | None = None,
) -> EncodedChunk:
    """Make every output of ``job`` that the store does not hold yet; a look-up when it holds all.

    ``rungs``: only the outputs of these, where the whole job would take more memory than there is.
    Outputs are proven (frames, key frames, duration) before they are stored, files first and documents last, so what
    is in the store is whole. An exception of ``on_progress`` kills the encoder and passes on; nothing is left in
    ``work_dir``. Raises SourceRejected (damaged master), EncodeFailed, ToolFailed, Unavailable.
    """
    found = {output.digest: found_output(output, store) for output in job.outputs}
    missing = [o for o in job.outputs if found[o.digest] is None and (rungs is None or o.rung.name in rungs)]
    cpu_s, rss = 0.0, 0
    if missing:
        with said_plainly(job, work_dir), private_folder(work_dir) as folder:
            targets = {output.digest: folder / f"{output.rung.name}.mp4" for output in missing}
            started = time.monotonic()
            done, loudness = _encode_targets(job, source, targets, on_progress)
            for output in missing:
                made = _described(job, output, targets[output.digest], loudness.get(output.digest))
                found[output.digest] = _stored(made, targets[output.digest], store)
        cpu_s, rss = done.cpu_s, done.max_rss_bytes
        names = [output.rung.name for output in missing]
        log.info("job.encoded", job=job.digest[:12], rungs=names, seconds=round(time.monotonic() - started, 1))
    outputs = tuple(made for made in found.values() if made is not None)
    return EncodedChunk(job_digest=job.digest, outputs=outputs, encoded=cpu_s > 0, cpu_s=cpu_s, max_rss_bytes=rss)


def found_output(output: VideoOutput | AudioOutput, store: ObjectStore) -> EncodedOutput | None:
    """The document of an output that is already in the store, file and all; None otherwise."""
    try:
        content, _ = store.get_bytes(_document_key(output.key))
        known = EncodedOutput.model_validate_json(content)
    except (NotFound, ValidationError):
        return None
    stored = store.head(output.key)
    if stored is None or stored.size_bytes != known.size_bytes:
        return None
    return known.model_copy(update={"name": output.rung.name})


def _encode_targets(
    job: VideoJob | AudioJob, source: Path, targets: dict[str, Path], on_progress: OnProgress | None
) -> tuple[Completed, Mapping[str, LoudnessReport]]:
    match job:
        case VideoJob():
            pictures = [(output, targets[output.digest]) for output in job.outputs if output.digest in targets]
            return _encode_video(job, source, pictures, on_progress), {}
        case AudioJob():
            sounds = [(output, targets[output.digest]) for output in job.outputs if output.digest in targets]
            check_side_files(job.track, targets[sounds[0][0].digest].parent.parent)
            shown = _progress_of_sound(job, on_progress)
            return encode_sounds(job, source, sounds, lambda argv, folder: _run(argv, job, shown, folder))


def _encode_video(
    job: VideoJob, source: Path, targets: Sequence[tuple[VideoOutput, Path]], on_progress: OnProgress | None
) -> Completed:
    """Every target, exact in its frames and with no segment over its rung's cap.

    A segment that came out too heavy has its rung encoded again under a lower cap: equal pictures take equal tries, so
    bytes stay the same on every run.
    """
    wanted, spent = list(targets), list[Completed]()
    for _ in range(_TRIES):
        done, loads = _encode_exactly(job, source, wanted, on_progress)
        spent.append(done)
        wanted = [
            (lighter(output, load), target) for (output, target), load in zip(wanted, loads, strict=True) if load > 1
        ]
        if not wanted:
            return _together(spent)
        log.warning("chunk.over_cap", job=job.digest[:12], rungs=[output.rung.name for output, _ in wanted])
    message = (
        f"Chunk {job.chunk.index}: rung '{wanted[0][0].rung.name}' does not stay under its max_bps, which is too low "
        "for these pictures at this size: raise it in the profile."
    )
    raise EncodeFailed(message)


def _together(spent: Sequence[Completed]) -> Completed:
    return replace(
        spent[0],
        user_cpu_s=sum(done.user_cpu_s for done in spent),
        system_cpu_s=sum(done.system_cpu_s for done in spent),
        max_rss_bytes=max(done.max_rss_bytes for done in spent),
    )


def _encode_exactly(
    job: VideoJob, source: Path, targets: Sequence[tuple[VideoOutput, Path]], on_progress: OnProgress | None
) -> tuple[Completed, list[Fraction]]:
    """Encode, from further ahead where frames are missing; the load of each target's heaviest segment."""
    caps = {output.digest: output.rung.max_bps for output in job.outputs}
    hdr10_plus = _hdr10_plus(job, source, targets)
    for preroll_s in (job.preroll_s, *_FURTHER_AHEAD_S):
        for _, target in targets:
            target.unlink(missing_ok=True)
        command = video_command(job, source, targets, preroll_s, hdr10_plus)
        done = _run(command, job, _progress_of_pictures(job, on_progress), cwd=targets[0][1].parent)
        try:
            return done, [_load(job, target, caps[output.digest]) for output, target in targets]
        except EncodeFailed as error:
            tail = "\n".join(complaints(done.stderr))
            if "-ss" not in command:
                message = f"Chunk {job.chunk.index} (frames {job.chunk.start} to {job.chunk.end}): {error}"
                raise EncodeFailed(message, tail) from None
            log.warning("chunk.preroll_too_short", job=job.digest[:12], preroll_s=str(preroll_s), found=str(error))
    raise AssertionError  # pragma: no cover - the last attempt has no seek


def _hdr10_plus(job: VideoJob, source: Path, targets: Sequence[tuple[VideoOutput, Path]]) -> str | None:
    """Name of a file beside the targets with the chunk's HDR10+; None when no target keeps any or there is none yet."""
    if not any(HDR10_PLUS in kept_dynamic(job.track, output.rung) for output, _ in targets):
        return None
    for whole in (False, True):
        told = metadata_file(run_tool(frames_command(job, source, whole=whole)).stdout, job, whole=whole)
        if told is not None:
            path = targets[0][1].with_name("hdr10plus.json")
            path.write_text(told)
            return path.name
    return None


def _load(job: VideoJob, target: Path, max_bps: int) -> Fraction:
    rate = job.frame_rate.fraction
    packets = verify_video(target, frames=job.chunk.frames, rate=rate, gop_frames=job.gop_frames)
    return heaviest_load(packets.shown_sizes, job.segment_frames, rate, max_bps) if job.segment_frames else Fraction(0)


def _run(command: Argv, job: VideoJob | AudioJob, on_line: Callable[[str], None], cwd: Path | None = None) -> Completed:
    done = run_tool(command, on_line=on_line, cwd=cwd)
    losses = damage(done.stderr)
    if losses and not job.damage_allowed:
        message = f"The master {file_name(job.master.uri)} is damaged inside ({losses[0]}): export or upload it again."
        raise SourceRejected(message)
    return done


def _progress_of_pictures(job: VideoJob, on_progress: OnProgress | None) -> Callable[[str], None]:
    return _progress_lines("frame", lambda frames: min(frames, job.chunk.frames), job.chunk.frames, on_progress)


def _progress_of_sound(job: AudioJob, on_progress: OnProgress | None) -> Callable[[str], None]:
    a_second = Fraction(job.outputs[0].rung.sample_rate_hz, 1024)
    total = max(1, int(job.duration * a_second))
    return _progress_lines(
        "out_time_us", lambda us: min(total, int(Fraction(us, 1_000_000) * a_second)), total, on_progress
    )


def _progress_lines(
    counter: str, frames_of: Callable[[int], int], total: int, on_progress: OnProgress | None
) -> Callable[[str], None]:
    """A reader of ffmpeg's ``-progress`` lines that calls ``on_progress`` at the end of each report."""
    frames, began = 0, time.monotonic()

    def read(line: str) -> None:
        nonlocal frames
        name, _, value = line.strip().partition("=")
        if name == counter and value.lstrip("-").isdecimal():
            frames = frames_of(max(0, int(value)))
        elif name == "progress" and on_progress is not None:
            frames = total if value == "end" else frames  # sound reports no time in its last line
            on_progress(Progress(frames, total, frames / max(time.monotonic() - began, 0.001)))

    return read


def _described(
    job: VideoJob | AudioJob, output: VideoOutput | AudioOutput, path: Path, loudness: LoudnessReport | None
) -> EncodedOutput:
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return EncodedOutput(
        name=output.rung.name,
        digest=output.digest,
        key=output.key,
        sha256=sha256,
        size_bytes=path.stat().st_size,
        frames=job.chunk.frames if isinstance(job, VideoJob) else None,
        loudness=loudness,
    )


def _stored(made: EncodedOutput, path: Path, store: ObjectStore) -> EncodedOutput:
    kind = "audio/mp4" if made.frames is None else "video/mp4"
    store.put_file(made.key, path, content_type=kind, sha256=made.sha256)
    document = made.model_dump_json().encode()
    store.put_bytes(_document_key(made.key), document, content_type="application/json")
    return made


def _document_key(key: str) -> str:
    return f"{key.removesuffix('.mp4')}.json"
