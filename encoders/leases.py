"""Leases, progress, results and worker presence in Redis: what workers tell the dispatcher.

A lease is a key that expires: whoever encodes a job renews it, and a job whose lease has lapsed is dispatched again.
Nothing here is precious: after a loss of all of Redis, jobs are sent again and found in the store by digest.
"""

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis
from pydantic import SecretStr

from encoders.documents import EncodedChunk
from telecine.document import Document
from telecine.errors import Unavailable

__all__ = ["JobResult", "Lease", "LeaseBoard", "Presence", "is_gone", "this_process"]

_RESULT_TTL_S = 24 * 3600
_WORKER_TTL_S = 10


class Lease(Document):
    """Who encodes a job now, and how far it is."""

    owner: str
    frames: int = 0
    total_frames: int = 0
    fps: float = 0.0


class JobResult(Document):
    """How an attempt ended. ``final``: another attempt cannot help; ``later``: it was not the chunk's fault.

    ``seconds``: how long the attempt held its worker's slot; None: it was not measured.
    """

    chunk: EncodedChunk | None = None
    problem: str | None = None
    final: bool = False
    later: bool = False
    seconds: float | None = None


class Presence(Document):
    """What a worker says of itself: chunk encodes at once, and what its machine was found able to do."""

    slots: int
    cores: int = 0
    memory_bytes: int = 0
    encoders: tuple[str, ...] = ()
    gpu_sessions: int = 0


def this_process() -> str:
    """``host/pid/start-time``: names one process, never a later one with the same pid."""
    return f"{socket.gethostname()}/{os.getpid()}/{_start_time(os.getpid())}"


def _start_time(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return "gone"
    return fields[19]  # starttime, proc(5)


def is_gone(owner: str) -> bool:
    """True only when the owner ran on this machine and does not any more."""
    host, pid, started = owner.rsplit("/", 2)
    return host == socket.gethostname() and _start_time(int(pid)) != started


class LeaseBoard:
    """The board that workers write and the dispatcher reads. Raises Unavailable when Redis does not answer."""

    def __init__(self, url: SecretStr, lease_s: float) -> None:
        self._redis: redis.Redis = redis.Redis.from_url(
            url.get_secret_value(), socket_timeout=5, socket_connect_timeout=2, decode_responses=True
        )
        self._lease_ms = int(lease_s * 1000)

    def close(self) -> None:
        """Let its connections go; it opens new ones when it is asked again."""
        self._redis.close()

    def acquire(self, digest: str, owner: str) -> bool:
        """Take the lease of a job; False while a living process holds it. A dead local holder is replaced at once."""
        key = _lease_key(digest)
        with _redis_errors():
            if self._redis.set(key, Lease(owner=owner).model_dump_json(), px=self._lease_ms, nx=True):
                return True
            held = self._lease(self._redis.get(key))
            if held is not None and held.owner != owner and not is_gone(held.owner):
                return False
            self._redis.set(key, Lease(owner=owner).model_dump_json(), px=self._lease_ms)
            return True

    def renew(self, digest: str, lease: Lease) -> None:
        """Say that the job is alive, and how far it is."""
        with _redis_errors():
            self._redis.set(_lease_key(digest), lease.model_dump_json(), px=self._lease_ms)

    def finish(self, digest: str, result: JobResult) -> None:
        """Leave the result and let the lease go."""
        with _redis_errors(), self._redis.pipeline() as pipe:
            pipe.set(_result_key(digest), result.model_dump_json(), ex=_RESULT_TTL_S)
            pipe.delete(_lease_key(digest))
            pipe.execute()

    def leases(self, digests: Sequence[str]) -> dict[str, Lease]:
        """The living leases among ``digests``."""
        if not digests:
            return {}
        with _redis_errors():
            values = self._redis.mget([_lease_key(digest) for digest in digests])
        found = {digest: self._lease(value) for digest, value in zip(digests, values, strict=True)}
        return {digest: lease for digest, lease in found.items() if lease is not None}

    def take_results(self, digests: Sequence[str]) -> dict[str, JobResult]:
        """Results among ``digests``, each handed out once."""
        with _redis_errors(), self._redis.pipeline(transaction=False) as pipe:
            for digest in digests:
                pipe.getdel(_result_key(digest))
            found = zip(digests, pipe.execute(), strict=True)
        return {digest: JobResult.model_validate_json(value) for digest, value in found if value is not None}

    def finished(self, digests: Sequence[str]) -> frozenset[str]:
        """Those among ``digests`` whose result waits to be taken."""
        with _redis_errors(), self._redis.pipeline(transaction=False) as pipe:
            for digest in digests:
                pipe.exists(_result_key(digest))
            found = pipe.execute()
        return frozenset(digest for digest, waits in zip(digests, found, strict=True) if waits)

    def release(self, digest: str) -> None:
        """Let the lease of a stopped attempt go, without a result."""
        with _redis_errors():
            self._redis.delete(_lease_key(digest))

    def cancel(self, digests: Iterable[str]) -> None:
        """Nobody wants these jobs any more: whoever encodes them stops, and whoever is handed one drops it."""
        with _redis_errors(), self._redis.pipeline() as pipe:
            for digest in digests:
                pipe.set(_cancel_key(digest), 1, ex=_RESULT_TTL_S)
            pipe.execute()

    def wanted_again(self, digests: Sequence[str]) -> None:
        """These jobs are wanted, whatever was said before."""
        if digests:
            with _redis_errors():
                self._redis.delete(*(_cancel_key(digest) for digest in digests))

    def is_cancelled(self, digest: str) -> bool:
        """Whether nobody wants this job any more."""
        with _redis_errors():
            return bool(self._redis.exists(_cancel_key(digest)))

    def worker_present(self, worker: str, queue: str, presence: Presence) -> None:
        """A worker says that it is there; forgotten after ten silent seconds."""
        with _redis_errors(), self._redis.pipeline() as pipe:
            pipe.sadd(_workers_key(queue), worker)
            pipe.set(_worker_key(queue, worker), presence.model_dump_json(), ex=_WORKER_TTL_S)
            pipe.execute()

    def workers(self, queue: str) -> dict[str, Presence]:
        """The workers of a queue that are there, by name."""
        with _redis_errors():
            names = sorted(str(name) for name in self._redis.smembers(_workers_key(queue)))
            values = self._redis.mget([_worker_key(queue, name) for name in names]) if names else []
            said = dict(zip(names, values, strict=True))
            silent = [name for name, value in said.items() if value is None]
            if silent:
                self._redis.srem(_workers_key(queue), *silent)
        return {name: Presence.model_validate_json(value) for name, value in said.items() if value is not None}

    def slots(self, queue: str) -> int:
        """Chunk encodes that all present workers of a queue can run at once."""
        return sum(presence.slots for presence in self.workers(queue).values())

    @staticmethod
    def _lease(value: object) -> Lease | None:
        return Lease.model_validate_json(value) if isinstance(value, str) else None


def _lease_key(digest: str) -> str:
    return f"telecine:lease:{digest}"


def _cancel_key(digest: str) -> str:
    return f"telecine:cancel:{digest}"


def _workers_key(queue: str) -> str:
    return f"telecine:workers:{queue}"


def _worker_key(queue: str, worker: str) -> str:
    return f"telecine:worker:{queue}:{worker}"


def _result_key(digest: str) -> str:
    return f"telecine:result:{digest}"


@contextmanager
def _redis_errors() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        message = f"Redis does not answer ({type(error).__name__}); encoding goes on when it is back."
        raise Unavailable(message) from error
