"""Encoding one title right here, with a few threads and no server."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from fractions import Fraction
from threading import Lock

from encoders.admission import Admission, Demand
from encoders.attempts import Bench, attempt
from encoders.capability import capability
from encoders.documents import AudioJob, EncodedChunk, EncodePlan, VideoJob
from encoders.routing import on_cpu
from encoders.source import master_path
from encoders.work import Progress
from pipeline.progress import EncodeProgress, frames_of
from pipeline.workplace import Workplace
from telecine.errors import SourceRejected, Stopped, TelecineError
from telecine.settings import Settings
from telecine.stopper import Stopper, stoppable

__all__ = ["encode_here", "encoders_at_once"]

_PICTURES_A_SECOND = 24


def encoders_at_once(settings: Settings) -> int:
    """One more than there are slots: an encoder that is left alone at the end cannot fill two cores by itself."""
    return settings.worker_slots + 1


def encode_here(
    plan: EncodePlan, place: Workplace, on_progress: Callable[[EncodeProgress], None] | None = None
) -> tuple[EncodedChunk, ...]:
    """Encode a whole plan in this process tree, ``encoders_at_once``. The first failure stops the rest."""
    source = master_path(plan.master, place.work_dir, place.open_bucket)
    board, stopper = _LocalBoard(plan, on_progress), Stopper()
    jobs = _for_this_machine(plan, place.settings)
    bench = _bench(jobs, place)

    def work(job: VideoJob | AudioJob) -> EncodedChunk:
        with stoppable(stopper):
            chunk = _insisted(job, lambda job: attempt(job, source, bench, lambda p: board.moved(job, p)))
            board.finished(job)
            return chunk

    with ThreadPoolExecutor(encoders_at_once(place.settings)) as pool:
        submitted = {job.digest: pool.submit(work, job) for job in sorted(jobs, key=_cost, reverse=True)}
        futures = [submitted[job.digest] for job in jobs]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            stopper.stop(Stopped("Encoding was stopped."))
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return tuple(future.result() for future in futures)


def _for_this_machine(plan: EncodePlan, settings: Settings) -> list[VideoJob | AudioJob]:
    """The plan's jobs; without NVENC the CPU makes those of the GPU. Raises MissingRequirement where it may not."""
    if all(job.queue == "cpu" for job in plan.jobs):
        return list(plan.jobs)
    found = capability(settings)
    if found.gpu_sessions:
        return list(plan.jobs)
    problem = next(ability.problem for ability in found.encoders if ability.name == "h264_nvenc")
    reason = f"NVENC does not work here: {problem}"
    return [on_cpu(job, reason) if isinstance(job, VideoJob) and job.queue == "gpu" else job for job in plan.jobs]


def _bench(jobs: Sequence[VideoJob | AudioJob], place: Workplace) -> Bench:
    """Raises EncodeFailed before anything runs when a job would not fit into this machine's memory."""
    on_gpu = any(job.queue == "gpu" for job in jobs)
    sessions = capability(place.settings).gpu_sessions if on_gpu else 0
    limit = Demand(memory_bytes=place.settings.worker_memory_bytes, gpu_sessions=sessions)
    admission = Admission(place.work_dir, limit)
    for job in jobs:
        admission.check(job)
    return Bench(place.work, place.work_dir, admission)


def _insisted(job: VideoJob | AudioJob, encode: Callable[[VideoJob | AudioJob], EncodedChunk]) -> EncodedChunk:
    """Up to three attempts, as the dispatcher makes; the CPU takes over what the GPU fails at."""
    for left in (2, 1, 0):
        try:
            return encode(job)
        except (Stopped, SourceRejected):
            raise
        except TelecineError as error:
            if isinstance(job, VideoJob) and job.fallback:
                job = on_cpu(job, str(error))
            elif not left:
                raise
    raise AssertionError  # the last attempt returned or raised


def _cost(job: VideoJob | AudioJob) -> Fraction:
    """What the longest is known by, to go first and not be left alone at the end: pictures; sound costs a sixtieth."""
    match job:
        case VideoJob():
            return Fraction(job.chunk.frames)
        case AudioJob():
            return job.duration * _PICTURES_A_SECOND / 60


class _LocalBoard:
    """Progress of ``encode_here``."""

    def __init__(self, plan: EncodePlan, on_progress: Callable[[EncodeProgress], None] | None) -> None:
        self._frames_total = sum(frames_of(job) for job in plan.jobs)
        self._jobs_total = len(plan.jobs)
        self._running: dict[str, Progress] = {}
        self._frames_done = 0
        self._jobs_done = 0
        self._began = time.monotonic()
        self._on_progress = on_progress
        self._lock = Lock()

    def moved(self, job: VideoJob | AudioJob, progress: Progress) -> None:
        with self._lock:
            self._running[job.digest] = progress
            self._show()

    def finished(self, job: VideoJob | AudioJob) -> None:
        with self._lock:
            self._running.pop(job.digest, None)
            self._frames_done += frames_of(job)
            self._jobs_done += 1
            self._show()

    def _show(self) -> None:
        if self._on_progress is None:
            return
        frames = self._frames_done + sum(p.frames for p in self._running.values() if p.total_frames)
        elapsed = time.monotonic() - self._began
        rate = frames / elapsed if elapsed else 0.0
        self._on_progress(
            EncodeProgress(
                chunks_done=self._jobs_done,
                chunks_total=self._jobs_total,
                frames_done=min(frames, self._frames_total),
                frames_total=self._frames_total,
                running=len(self._running),
                fps=rate,
                eta_s=(self._frames_total - frames) / rate if rate else None,
                workers_slots=1,
            )
        )
