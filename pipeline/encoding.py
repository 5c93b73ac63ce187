"""Encoding one title: through the queue of a running stack, or right here with a few threads."""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from threading import Event, Lock

from encoders.dispatch import Decision, Dispatcher
from encoders.documents import AudioJob, EncodedChunk, EncodePlan, VideoJob
from encoders.leases import LeaseBoard
from encoders.queue import send_job
from encoders.source import master_path
from encoders.work import Progress, encode, found_output
from pipeline.workplace import Workplace
from telecine.document import Document
from telecine.errors import EncodeFailed, TelecineError
from telecine.registry.queue import EncodeQueue, NewJob, Tally, raise_for_failed
from telecine.storage.port import ObjectStore

__all__ = ["EncodeProgress", "QueuedEncode", "encode_here", "read_progress"]


class EncodeProgress(Document):
    """How far the encode of a title is. ``eta_s`` is None until a rate is known."""

    chunks_done: int
    chunks_total: int
    frames_done: int
    frames_total: int
    running: int
    fps: float
    eta_s: float | None
    workers_slots: int

    def line(self) -> str:
        """One line for a log."""
        share = 100 * self.frames_done / self.frames_total if self.frames_total else 0
        eta = f", {self.eta_s:.0f} s to go" if self.eta_s is not None else ""
        waiting = "" if self.workers_slots else "; no worker is up, waiting for one"
        return (
            f"encoded {self.chunks_done} of {self.chunks_total} jobs, {share:.0f} % of frames, "
            f"{self.running} running at {self.fps:.1f} fps{eta}{waiting}"
        )


class QueuedEncode:
    """The encode of one title by the workers of the stack. Starting it again re-attaches to what is under way."""

    def __init__(self, place: Workplace, title_id: str) -> None:
        self._title_id = title_id
        self._store = place.work
        self._queue = EncodeQueue(place.registry)
        self._board = LeaseBoard(place.settings.redis_url, place.settings.lease_s)
        self._dispatcher = Dispatcher(self._queue, self._board, send_job, lease_s=place.settings.lease_s)

    def start(self, plan: EncodePlan) -> None:
        """Enqueue every job whose output is not in the store yet."""
        present = {job.digest for job in plan.jobs if _is_encoded(job, self._store)}
        self._queue.enqueue(self._title_id, [_new_job(job) for job in plan.jobs], present)

    def tick(self) -> Decision | None:
        """One round of the dispatcher over all titles, this one kept attended. Raises Unavailable; harmless."""
        self._queue.attend(self._title_id)
        return self._dispatcher.tick(datetime.now(UTC))

    def progress(self) -> EncodeProgress:
        """Raises EncodeFailed when a job is out of attempts."""
        tally = self._queue.tally(self._title_id)
        raise_for_failed(tally)
        return _progress(tally, self._board)

    def abandon(self) -> None:
        """A person stopped the run: its waiting jobs are not sent any more."""
        self._queue.abandon(self._title_id)


def read_progress(place: Workplace, title_id: str) -> EncodeProgress | None:
    """Progress for a person who watches; None before there are jobs."""
    tally = EncodeQueue(place.registry).tally(title_id)
    if tally.total == 0:
        return None
    return _progress(tally, LeaseBoard(place.settings.redis_url, place.settings.lease_s))


def encode_here(
    plan: EncodePlan, place: Workplace, on_progress: Callable[[EncodeProgress], None] | None = None
) -> tuple[EncodedChunk, ...]:
    """Encode a whole plan in this process tree, ``worker_slots`` jobs at a time. The first failure stops the rest."""
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

    with ThreadPoolExecutor(place.settings.worker_slots) as pool:
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
        self._frames_total = sum(_units(job) for job in plan.jobs)
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
            self._frames_done += _units(job)
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


def _is_encoded(job: VideoJob | AudioJob, store: ObjectStore) -> bool:
    return all(found_output(output, store) is not None for output in job.outputs)


def _units(job: VideoJob | AudioJob) -> int:
    return job.chunk.frames if isinstance(job, VideoJob) else 0


def _new_job(job: VideoJob | AudioJob) -> NewJob:
    return NewJob(digest=job.digest, queue=job.queue, units=_units(job), body=job.model_dump_json())


def _progress(tally: Tally, board: LeaseBoard) -> EncodeProgress:
    finished = board.finished(list(tally.sent))
    leases = board.leases([digest for digest in tally.sent if digest not in finished])
    # a job of no units is audio: it runs, but its progress is not counted in frames
    moving = {digest: lease for digest, lease in leases.items() if tally.sent[digest]}
    frames = tally.units_done + sum(tally.sent[digest] for digest in finished)
    frames = min(frames + sum(lease.frames for lease in moving.values()), tally.units_total)
    fps = sum(lease.fps for lease in moving.values())
    return EncodeProgress(
        chunks_done=tally.done,
        chunks_total=tally.total,
        frames_done=frames,
        frames_total=tally.units_total,
        running=len(leases),
        fps=fps,
        eta_s=(tally.units_total - frames) / fps if fps > 0 else None,
        workers_slots=board.slots("cpu") + board.slots("gpu"),
    )
