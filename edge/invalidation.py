"""Invalidation over a Redis stream: every edge acknowledges every message, so none is missed while it was away."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import redis
import stamina
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from telecine.errors import TelecineError, Unavailable
from telecine.log import get_logger

__all__ = ["STREAM", "Invalidations", "publish_invalidation"]

STREAM = "telecine:invalidations"
_KEPT = 10_000
_BLOCK_MS = 1000

log = get_logger(__name__)


@stamina.retry(on=Unavailable, attempts=None, timeout=30, wait_max=2)
def publish_invalidation(redis_url: SecretStr, keys: Sequence[str]) -> str:
    """Tell all edges that these keys changed; the message's id. Raises Unavailable after half a minute."""
    client: redis.Redis = redis.Redis.from_url(
        redis_url.get_secret_value(), socket_timeout=3, socket_connect_timeout=2, decode_responses=True
    )
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
    messages may have been missed: at the start and after a lost connection. Where one of them raises, everything is
    read and checked again a second later, until it does not.
    """

    def __init__(
        self, redis_url: SecretStr, edge: str, on_keys: Callable[[list[str]], None], on_gap: Callable[[], None]
    ) -> None:
        self._redis: redis.Redis = redis.Redis.from_url(
            redis_url.get_secret_value(),
            socket_timeout=5,
            socket_connect_timeout=2,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),  # a lost connection must be known here: messages may have been missed
        )
        self._group = f"edge:{edge}"
        self._edge = edge
        self._on_keys = on_keys
        self._on_gap = on_gap
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="invalidations")
        self.connected = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when the reader has ended, or after three seconds at most."""
        self._stopped.set()
        self._thread.join(timeout=3)
        self._redis.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if not self.connected:
                    self._catch_up()
                self._read(">", _BLOCK_MS)
            except redis.RedisError as error:
                self._lost(type(error).__name__, pause_s=0.2)
            except TelecineError as error:
                self._lost(str(error), pause_s=1)
            except Exception:
                log.exception("invalidations.failed", edge=self._edge)
                self._lost("an unexpected error", pause_s=1)

    def _lost(self, why: str, pause_s: float) -> None:
        if self.connected and not self._stopped.is_set():
            log.warning("invalidations.lost", edge=self._edge, why=why)
        self.connected = False
        self._stopped.wait(pause_s)

    def _catch_up(self) -> None:
        """Join before checking, so that no change falls between; then what a crash left unacknowledged."""
        self._join_group()
        self._on_gap()
        while self._read("0", None):
            pass
        self.connected = True
        log.info("invalidations.followed", edge=self._edge)

    def _join_group(self) -> None:
        try:
            self._redis.xgroup_create(STREAM, self._group, id="$", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _read(self, position: str, block_ms: int | None) -> int:
        answer: Any = self._redis.xreadgroup(self._group, self._edge, {STREAM: position}, count=64, block=block_ms)
        messages = [message for _, found in answer or () for message in found]
        # a message that was trimmed from the stream before it was acknowledged comes without fields
        keys = {key for _, fields in messages for key in (fields or {}).get("keys", "").split("\n")}
        if messages:
            self._on_keys(sorted(keys))
            self._redis.xack(STREAM, self._group, *(message_id for message_id, _ in messages))
        return len(messages)
