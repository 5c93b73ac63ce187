"""Encoding one title right here, with a few threads and no server."""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Event, Lock

from encoders.documents import AudioJob, EncodedChunk, EncodePlan, VideoJob
from encoders.source import master_path
from encoders.work import Progress, encode
from pipeline.progress import EncodeProgress, frames_of
from pipeline.workplace import Workplace
from telecine.errors import EncodeFailed, TelecineError
from telecine.settings import Settings

__all__ = ["encode_here", "encoders_at_once"]


def encoders_at_once(settings: Settings) -> int:
    """One more than there are slots: an encoder that is left alone at the end cannot fill two cores by itself."""
    return settings.worker_slots + 1


def encode_here(
    plan: EncodePlan, place: Workplace, on_progress: Callable[[EncodeProgress], None] | None = None
) -> tuple[EncodedChunk, ...]:
    """Encode a whole plan in this process tree, ``encoders_at_once``. The first failure stops the rest."""
    source = master_path(plan.master, place.work_dir, place.open_bucket)
    board = _LocalBoard(plan, on_progress)

    def work(job: VideoJob | AudioJob) -> EncodedChunk:
        for attempt in (1, 2, 3):
            try:
                chunk = encode(job, source, place.work, place.work_dir, lambda p: board.moved(job, p))
            except TelecineError:
                if attempt == 3 or board.stopped.is_set():  # noqa: PLR2004 - as MAX_FAILURES of the dispatcher
                    raise
            else:
                board.finished(job)
                return chunk
        raise AssertionError  # the third attempt returned or raised

    with ThreadPoolExecutor(encoders_at_once(place.settings)) as pool:
        futures = [pool.submit(work, job) for job in plan.jobs]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            board.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return tuple(future.result() for future in futures)


class _LocalBoard:
    """Progress of ``encode_here``; when stopped, every running encoder is ended at its next progress line."""

    def __init__(self, plan: EncodePlan, on_progress: Callable[[EncodeProgress], None] | None) -> None:
        self.stopped = Event()
        self._frames_total = sum(frames_of(job) for job in plan.jobs)
        self._jobs_total = len(plan.jobs)
        self._running: dict[str, Progress] = {}
        self._frames_done = 0
        self._jobs_done = 0
        self._began = time.monotonic()
        self._on_progress = on_progress
        self._lock = Lock()

    def moved(self, job: VideoJob | AudioJob, progress: Progress) -> None:
        if self.stopped.is_set():
            message = "Encoding was stopped."
            raise EncodeFailed(message)
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
