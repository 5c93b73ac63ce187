"""Invalidation over a Redis stream: every edge acknowledges every message, so none is missed while it was away."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import redis
import stamina
from pydantic import SecretStr

from telecine.errors import Unavailable
from telecine.log import get_logger

__all__ = ["STREAM", "Invalidations", "publish_invalidation"]

STREAM = "telecine:invalidations"
_KEPT = 10_000
_BLOCK_MS = 1000

log = get_logger(__name__)


@stamina.retry(on=Unavailable, attempts=20, timeout=30, wait_max=3)
def publish_invalidation(redis_url: SecretStr, keys: Sequence[str]) -> str:
    """Tell all edges that these keys changed; the message's id. Raises Unavailable after half a minute."""
    client: redis.Redis = redis.Redis.from_url(redis_url.get_secret_value(), socket_timeout=5, decode_responses=True)
    try:
        return str(client.xadd(STREAM, {"keys": "\n".join(keys)}, maxlen=_KEPT, approximate=True))
    except redis.RedisError as error:
        message = f"Redis does not answer ({type(error).__name__}), so the edges cannot be told."
        raise Unavailable(message) from error
    finally:
        client.close()


class Invalidations:
    """Reads the stream in the background as one edge.

    ``on_keys`` is called for each message and the message acknowledged only when it returns; ``on_gap`` whenever
    messages may have been missed: at the start and after a lost connection.
    """

    def __init__(
        self, redis_url: SecretStr, edge: str, on_keys: Callable[[list[str]], None], on_gap: Callable[[], None]
    ) -> None:
        self._redis: redis.Redis = redis.Redis.from_url(
            redis_url.get_secret_value(), socket_timeout=10, socket_connect_timeout=2, decode_responses=True
        )
        self._group = f"edge:{edge}"
        self._edge = edge
        self._on_keys = on_keys
        self._on_gap = on_gap
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=3)

    def _run(self) -> None:
        connected = False
        while not self._stopped.is_set():
            try:
                if not connected:
                    self._join_group()
                    self._on_gap()
                    self._read("0")  # what was delivered before a crash but never acknowledged
                    connected = True
                self._read(">")
            except redis.RedisError as error:
                if connected:
                    log.warning("invalidations.lost", edge=self._edge, why=type(error).__name__)
                connected = False
                self._stopped.wait(0.3)
            except Exception:
                log.exception("invalidations.failed", edge=self._edge)
                connected = False
                self._stopped.wait(1)

    def _join_group(self) -> None:
        try:
            self._redis.xgroup_create(STREAM, self._group, id="$", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _read(self, position: str) -> None:
        answer: Any = self._redis.xreadgroup(self._group, self._edge, {STREAM: position}, count=64, block=_BLOCK_MS)
        for _, messages in answer or ():
            for message_id, fields in messages:
                self._on_keys(fields.get("keys", "").split("\n") if fields else [])
                self._redis.xack(STREAM, self._group, message_id)
