"""Encoding one title through the queue of a running stack."""

import time
from datetime import UTC, datetime

from encoders.dispatch import Dispatcher
from encoders.documents import AudioJob, EncodePlan, VideoJob
from encoders.leases import LeaseBoard
from encoders.queue import send_job
from encoders.work import found_output
from pipeline.forecasting import note_remaining
from pipeline.installation import Installation, lease_board
from pipeline.progress import EncodeProgress, frames_of
from pipeline.remembering import chunks_remembered
from telecine.errors import EncodeFailed
from telecine.registry.queue import EncodeQueue, NewJob, Tally, new_holder, raise_for_failed
from telecine.registry.records import Stage
from telecine.storage.port import ObjectStore

__all__ = ["QueuedEncode", "read_progress", "withdraw"]

_ATTEND_S = 10.0


class QueuedEncode:
    """The encode of one title by the workers of the stack. Starting it again re-attaches to what is under way."""

    def __init__(self, place: Installation, title_id: str, attempt: str = "") -> None:
        self.attempt = attempt or new_holder()
        self._attended = float("-inf")
        self._title_id = title_id
        self._place = place
        self._registry = place.registry
        self._store = place.work
        self._queue = EncodeQueue(place.registry)
        self._board = lease_board(place)
        settings = place.settings
        self._dispatcher = Dispatcher(
            self._queue,
            self._board,
            send_job,
            lease_s=settings.lease_s,
            share=settings.low_share,
            on_done=chunks_remembered(place.registry),
        )

    def start(self, plan: EncodePlan) -> None:
        """Enqueue every job whose output is not in the store yet; from now on this attempt is the one that counts."""
        present = {job.digest for job in plan.jobs if _is_encoded(job, self._store)}
        self._board.wanted_again([job.digest for job in plan.jobs if job.digest not in present])
        self._queue.enqueue(self._title_id, [_new_job(job) for job in plan.jobs], present, self.attempt)

    def tick(self) -> bool:
        """One round of the dispatcher over all titles, this one kept attended; whether a job may have ended.

        Raises Unavailable; harmless.
        """
        now = time.monotonic()
        if now > self._attended + _ATTEND_S:
            self._queue.attend(self._title_id)
            note_remaining(self._place, self._title_id)
            self._attended = now
        return self._dispatcher.tick(datetime.now(UTC))

    def progress(self) -> EncodeProgress:
        """Raises EncodeFailed when a job is out of attempts, or the jobs were withdrawn."""
        tally = self._queue.tally(self._title_id)
        if tally.total == 0:  # a plan has at least one
            message = (
                f"The encode of {self._title_id} was stopped; 'telecine retry {self._title_id}' goes on from there."
            )
            raise EncodeFailed(message)
        raise_for_failed(tally)
        return _progress(tally, self._board)

    def refused(self) -> str | None:
        """Why the title was rejected while it was encoded, by the examination beside; None while it was not."""
        record = self._registry.title(self._title_id)
        return record.problem if record.stage == Stage.REJECTED else None

    def abandon(self) -> None:
        """A person stopped the run: its waiting jobs are forgotten and its encoders end within two seconds.

        Nothing happens where another attempt has re-attached to the title's jobs meanwhile.
        """
        self._board.cancel(self._queue.abandon(self._title_id, self.attempt))


def withdraw(place: Installation, title_id: str) -> int:
    """Stop the encode of a title, whoever follows it. Returns how many jobs were under way."""
    digests = EncodeQueue(place.registry).abandon(title_id)
    lease_board(place).cancel(digests)
    return len(digests)


def read_progress(place: Installation, title_id: str) -> EncodeProgress | None:
    """Progress for a person who watches; None before there are jobs."""
    tally = EncodeQueue(place.registry).tally(title_id)
    if tally.total == 0:
        return None
    return _progress(tally, lease_board(place))


def _is_encoded(job: VideoJob | AudioJob, store: ObjectStore) -> bool:
    """As planned, or by the CPU in the GPU's stead."""
    made = all(found_output(output, store) is not None for output in job.outputs)
    if made or not isinstance(job, VideoJob) or not job.fallback:
        return made
    return all(found_output(output, store) is not None for output in job.fallback)


def _new_job(job: VideoJob | AudioJob) -> NewJob:
    return NewJob(
        digest=job.digest,
        queue=job.queue,
        units=frames_of(job),
        body=job.model_dump_json(),
        may_fall_back=_may_fall_back(job),
    )


def _may_fall_back(job: VideoJob | AudioJob) -> bool:
    return isinstance(job, VideoJob) and bool(job.fallback)


def _progress(tally: Tally, board: LeaseBoard) -> EncodeProgress:
    finished = board.finished(list(tally.sent))
    leases = board.leases([digest for digest in tally.sent if digest not in finished])
    # a job of no units is audio: it runs, but its progress is not counted in frames
    moving = {digest: lease for digest, lease in leases.items() if tally.sent[digest]}
    frames = tally.units_done + sum(tally.sent[digest] for digest in finished)
    frames = min(frames + sum(lease.frames for lease in moving.values()), tally.units_total)
    fps = sum(lease.fps for lease in moving.values())
    gpu_slots = board.slots("gpu")
    return EncodeProgress(
        chunks_done=tally.done,
        chunks_total=tally.total,
        frames_done=frames,
        frames_total=tally.units_total,
        running=len(leases),
        fps=fps,
        eta_s=(tally.units_total - frames) / fps if fps > 0 else None,
        workers_slots=board.slots("cpu") + gpu_slots,
        need_gpu=0 if gpu_slots else tally.need_gpu,
        troubles=tally.troubles,
        fell_back=tally.fell_back,
    )
