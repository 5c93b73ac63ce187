"""The Celery side of encoding: the app, the one task, and what a worker does around it.

Start a worker with ``celery -A encoders.queue worker -Q cpu``. Delivery follows the lease, not the broker: messages are
acknowledged late and stay invisible for hours, and the dispatcher sends a job again when its lease has lapsed.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from celery import Celery, signals
from kombu.exceptions import OperationalError
from redis import RedisError

from encoders.admission import Admission, Demand
from encoders.attempts import Bench, attempt
from encoders.capability import capability
from encoders.documents import AudioJob, VideoJob, job_adapter
from encoders.leases import JobResult, Lease, LeaseBoard, Presence, this_process
from encoders.source import master_path
from encoders.work import Progress
from telecine.errors import EncodeFailed, SourceRejected, Stopped, TelecineError, Unavailable
from telecine.log import configure_logging, get_logger
from telecine.process import die_with_parent
from telecine.registry.queue import QueuedJob
from telecine.settings import Settings, load_settings
from telecine.stopper import Stopper, stoppable
from telecine.storage.s3 import s3_store

__all__ = ["app", "send_job"]

log = get_logger(__name__)

_PRESENCE_S = 3.0
_WATCH_S = 0.5
_STALL_S = 120.0
"""An encoder that shows no new frame for this long is killed and the attempt counts as failed."""


def _configuration() -> dict[str, object]:
    settings = load_settings()
    return {
        "broker_url": settings.redis_url.get_secret_value(),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "priority_steps": list(range(10)),
            "queue_order_strategy": "priority",
            # longer than any chunk: the lease, not this, decides when a job is lost
            "visibility_timeout": 12 * 3600,
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "retry_on_timeout": True,
        },
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "task_ignore_result": True,
        "task_default_queue": "cpu",
        "task_create_missing_queues": True,
        "worker_send_task_events": False,
        "worker_max_tasks_per_child": 200,
    }


app = Celery("telecine", set_as_current=False)
app.add_defaults(_configuration)


def send_job(queued: QueuedJob, priority: int) -> None:
    """Hand a job to the broker. Raises Unavailable when it is away."""
    try:
        with app.connection_for_write(connect_timeout=2) as connection:
            app.send_task(
                "telecine.encode",
                args=[queued.body],
                queue=queued.job.queue,
                priority=priority,
                connection=connection,
                retry=False,
            )
    except (OSError, RedisError, OperationalError) as error:
        message = f"The broker does not answer ({type(error).__name__})."
        raise Unavailable(message) from error


@app.task(name="telecine.encode")
def encode_job(body: str) -> str:
    """Encode one job under its lease and leave the result on the board. Never raises: every end is a result."""
    settings = load_settings()
    job = job_adapter.validate_json(body)
    board = LeaseBoard(settings.redis_url, settings.lease_s)
    owner = this_process()
    if not _acquired(board, job.digest, owner):
        log.info("job.held_elsewhere", job=job.digest[:12])
        return "held elsewhere"
    began = time.monotonic()
    try:
        with _lease_kept(board, job.digest, owner, settings.lease_s) as keeper, stoppable(keeper.stopper):
            result = _attempt(job, settings, keeper)
    except Stopped as stopped:
        log.info("job.stopped", job=job.digest[:12])
        with contextlib.suppress(Unavailable):
            board.release(job.digest)
        return str(stopped)
    result = result.model_copy(update={"seconds": time.monotonic() - began})
    _leave_result(board, job.digest, result)
    log.info("job.ended", job=job.digest[:12], problem=result.problem)
    return result.problem or "done"


def _attempt(job: VideoJob | AudioJob, settings: Settings, keeper: "_LeaseKeeper") -> JobResult:
    try:
        keeper.stopper.raise_if_stopped()
        store = s3_store(settings, settings.work_bucket)
        source = master_path(job.master, settings.work_dir, lambda bucket: s3_store(settings, bucket))
        bench = Bench(store, settings.work_dir, _admission(settings))
        return JobResult(chunk=attempt(job, Path(source), bench, keeper.progress, keeper.waits))
    except Stopped:
        raise
    except SourceRejected as error:
        return JobResult(problem=str(error), final=True)
    except Unavailable as error:
        return JobResult(problem=str(error), later=True)
    except TelecineError as error:
        return JobResult(problem=str(error))
    except Exception as error:  # whatever it was must reach the title's log
        log.exception("job.crashed", job=job.digest[:12])
        return JobResult(problem=f"{type(error).__name__}: {error}")


def _admission(settings: Settings) -> Admission:
    sessions = capability(settings).gpu_sessions
    return Admission(settings.work_dir, Demand(memory_bytes=settings.worker_memory_bytes, gpu_sessions=sessions))


class _LeaseKeeper:
    """Renews the lease in the background as long as the encode moves; Redis may be away meanwhile.

    ``stopper`` ends what runs: when nobody wants the job any more, and when the encoder makes no frame.
    """

    def __init__(self, board: LeaseBoard, digest: str, owner: str) -> None:
        self._board = board
        self._digest = digest
        self._lease = Lease(owner=owner)
        self.stopper = Stopper()
        self._moved_at = time.monotonic()
        self._shown_at = 0.0

    def progress(self, progress: Progress) -> None:
        """Called about once a second while encoding."""
        now = time.monotonic()
        if progress.frames > self._lease.frames or not self._lease.total_frames:
            self._moved_at = now
        self._lease = self._lease.model_copy(
            update={"frames": progress.frames, "total_frames": progress.total_frames, "fps": progress.fps}
        )
        if now - self._shown_at >= 1:
            self._shown_at = now
            self.renew()

    def waits(self) -> None:
        """Called while the job waits for memory: that is no standstill."""
        self._moved_at = time.monotonic()

    def renew(self) -> None:
        with contextlib.suppress(Unavailable):
            self._board.renew(self._digest, self._lease)

    def watch(self) -> None:
        """Called twice a second from beside: stop what nobody wants, and an encoder that stands still."""
        encoding = self._lease.total_frames > 0 and self._lease.frames < self._lease.total_frames
        if encoding and time.monotonic() - self._moved_at > _STALL_S:
            self.stopper.stop(EncodeFailed(f"The encoder made no frame for {_STALL_S:.0f} s."))
        with contextlib.suppress(Unavailable):
            if self._board.is_cancelled(self._digest):
                self.stopper.stop(Stopped("Nobody waits for this job any more."))

    def is_stuck(self) -> bool:
        return time.monotonic() - self._moved_at > 5 * _STALL_S


@contextlib.contextmanager
def _lease_kept(board: LeaseBoard, digest: str, owner: str, lease_s: float) -> Iterator[_LeaseKeeper]:
    keeper = _LeaseKeeper(board, digest, owner)
    keeper.watch()
    over = threading.Event()

    def keep() -> None:
        renewed = time.monotonic()
        while not over.wait(_WATCH_S):
            if keeper.is_stuck():
                return  # fetching, verifying or storing hangs: let another worker try
            keeper.watch()
            if time.monotonic() - renewed > lease_s / 3:
                renewed = time.monotonic()
                keeper.renew()

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield keeper
    finally:
        over.set()
        thread.join()


def _acquired(board: LeaseBoard, digest: str, owner: str) -> bool:
    try:
        return board.acquire(digest, owner)
    except Unavailable:
        return True  # without Redis nobody can be asked; at worst two make the same bytes


def _leave_result(board: LeaseBoard, digest: str, result: JobResult) -> None:
    for _ in range(60):
        try:
            board.finish(digest, result)
        except Unavailable:
            time.sleep(1)
        else:
            return
    log.warning("job.result_lost", job=digest[:12])  # the job is sent again and found in the store


@signals.setup_logging.connect
def _log_as_telecine(**_: Any) -> None:
    configure_logging()


@signals.worker_process_init.connect
def _die_with_worker(**_: Any) -> None:
    die_with_parent()
    os.nice(5)  # the services that viewers and the scheduler wait for come first


@signals.celeryd_after_setup.connect
def _consume_what_fits(sender: str, instance: Any, **_: Any) -> None:
    """A machine without NVENC takes nothing from the queue of GPU jobs, whatever it was started for."""
    queues, found = instance.app.amqp.queues, capability(load_settings())
    if "gpu" in queues.consume_from and not found.gpu_sessions:
        problem = next(ability.problem for ability in found.encoders if ability.name == "h264_nvenc")
        log.error("worker.no_gpu", worker=sender, problem=problem, advice="this worker takes no GPU jobs")
        queues.deselect("gpu")


@signals.worker_ready.connect
def _announce(sender: Any, **_: Any) -> None:
    """Say every few seconds that this worker is there, and how many chunks it can encode at once."""
    settings = load_settings()
    board = LeaseBoard(settings.redis_url, settings.lease_s)
    queues = [queue.name for queue in sender.task_consumer.queues]
    found = capability(settings)
    presence = Presence(
        slots=sender.controller.concurrency,
        cores=found.cores,
        memory_bytes=found.memory_bytes,
        encoders=found.working,
        gpu_sessions=found.gpu_sessions,
    )
    log.info("worker.ready", queues=queues, **presence.model_dump())

    def announce() -> None:
        while True:
            with contextlib.suppress(Unavailable):
                for queue in queues:
                    board.worker_present(sender.hostname, queue, presence)
            time.sleep(_PRESENCE_S)

    threading.Thread(target=announce, daemon=True).start()
