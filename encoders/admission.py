"""Jobs of all processes of one machine, let in as long as what they may take fits: first come, first served."""

import contextlib
import fcntl
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from encoders.documents import AudioJob, VideoJob
from encoders.failures import job_name
from encoders.leases import is_gone, this_process
from encoders.memory import job_memory
from encoders.routing import gpu_encoders
from telecine.document import Document
from telecine.errors import EncodeFailed
from telecine.stopper import current_stopper

__all__ = ["Admission", "Demand", "demand_of"]

_POLL_S = 0.2


class Demand(Document):
    """What a job takes while it runs, or what there is: bytes of memory, NVENC sessions."""

    memory_bytes: int
    gpu_sessions: int = 0


class _Entry(Document):
    token: str
    owner: str
    demand: Demand


def demand_of(job: VideoJob | AudioJob) -> Demand:
    """What a job takes: its reckoned memory, and a session for each output of NVENC."""
    sessions = len(gpu_encoders(job)) if isinstance(job, VideoJob) else 0
    return Demand(memory_bytes=job.memory_bytes, gpu_sessions=sessions)


class Admission:
    """A ledger in a file: who was let in or waits, in order of arrival. The entry of a dead process counts no more."""

    def __init__(self, folder: Path, capacity: Demand) -> None:
        self._ledger = folder / "admission.json"
        self._lock = folder / "admission.lock"
        self._capacity = capacity

    def parts(self, job: VideoJob | AudioJob) -> list[VideoJob | AudioJob]:
        """The job itself where it fits alone; otherwise one for each of its rungs, which costs a decode each."""
        if isinstance(job, AudioJob) or job.memory_bytes <= self._capacity.memory_bytes:
            return [job]
        alone = [(output, job_memory(job, {output.rung.name})) for output in job.outputs]
        return [job.model_copy(update={"outputs": (output,), "memory_bytes": memory}) for output, memory in alone]

    def check(self, job: VideoJob | AudioJob) -> None:
        """Raises EncodeFailed for a job of which some rung would not even fit alone."""
        for part in self.parts(job):
            self._check_part(part)

    def _check_part(self, job: VideoJob | AudioJob) -> None:
        demand, limit = demand_of(job), self._capacity
        if demand.memory_bytes > limit.memory_bytes:
            raise EncodeFailed(
                f"The {job_name(job)} needs {demand.memory_bytes / 1e9:.1f} GB of memory and this worker may use "
                f"{limit.memory_bytes / 1e9:.1f} GB: give it more (TELECINE_WORKER_MEMORY_BYTES), or choose a profile "
                "with smaller rungs."
            )
        if demand.gpu_sessions > limit.gpu_sessions:
            raise EncodeFailed(
                f"The {job_name(job)} needs {demand.gpu_sessions} NVENC sessions at once and this machine has "
                f"{limit.gpu_sessions}."
            )

    @contextmanager
    def admitted(self, job: VideoJob | AudioJob, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Wait until the job fits beside those let in before it; ``on_wait`` is called now and then meanwhile.

        Raises EncodeFailed at once when it never will, and what the thread's Stopper was given.
        """
        self._check_part(job)
        entry = _Entry(token=uuid.uuid4().hex, owner=this_process(), demand=demand_of(job))
        with self._entries() as entries:
            entries.append(entry)
        try:
            while not self._fits(entry.token):
                current_stopper().raise_if_stopped()
                on_wait()
                time.sleep(_POLL_S)
            yield
        finally:
            with self._entries() as entries:
                entries[:] = [other for other in entries if other.token != entry.token]

    def _fits(self, token: str) -> bool:
        """Whether a job and all that came before it fit together: nobody overtakes, so a large job gets its turn."""
        memory_bytes = gpu_sessions = 0
        with self._entries() as entries:
            for entry in entries:
                memory_bytes += entry.demand.memory_bytes
                gpu_sessions += entry.demand.gpu_sessions
                if entry.token == token:
                    break
        return memory_bytes <= self._capacity.memory_bytes and gpu_sessions <= self._capacity.gpu_sessions

    @contextmanager
    def _entries(self) -> Iterator[list[_Entry]]:
        """The ledger under its lock, without the dead; written back when it was changed."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                read = [_Entry.model_validate(entry) for entry in json.loads(self._ledger.read_text())]
            except (OSError, ValueError):
                read = []  # absent, or cut short by a full disk: those inside are only forgotten, none is stopped
            entries = [entry for entry in read if not is_gone(entry.owner)]
            yield entries
            if entries != read:
                # where a full disk takes no entry, the job goes unreckoned rather than not at all
                with contextlib.suppress(OSError):
                    self._ledger.write_text(json.dumps([entry.model_dump() for entry in entries]))
