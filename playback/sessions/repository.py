"""Sessions and resume positions in Redis. Both expire by themselves; nothing here must survive Redis to be correct."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from pydantic import SecretStr
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from playback.quotas import Quotas
from playback.sessions.schemas import Session
from telecine.errors import Unavailable

__all__ = ["RedisSessions", "SessionRepository"]

_POSITION_TTL_S = 180 * 24 * 3600
_TIMEOUT_S = 1.0
_CONNECTIONS = 64  # redis-py's own pool fails at its limit; the blocking one queues, and one core needs no more


class SessionRepository(Protocol):
    """Where sessions live. Every method raises Unavailable when the store does not answer."""

    async def add(self, session: Session, ttl_s: int) -> None:
        """Keep ``session`` for ``ttl_s`` seconds."""
        ...

    async def admit(self, session: Session, ttl_s: int, quotas: Quotas) -> int:
        """Keep ``session`` if its user and device have room for one more, in one step.

        0 when it was kept, otherwise the seconds until the first of those in the way ends by itself.
        """
        ...

    async def consume(self, token_id: str, ttl_s: int) -> bool:
        """Whether this is the first use of ``token_id`` within ``ttl_s`` seconds, in one step."""
        ...

    async def release(self, token_id: str) -> None:
        """Take a use back that came to nothing."""
        ...

    async def count(self, name: str, window_s: int) -> tuple[int, int]:
        """Count one more of ``name``: how many in this window of ``window_s`` seconds, and seconds until it ends."""
        ...

    async def find(self, session_id: str) -> Session | None:
        """None when it ended, expired or never was."""
        ...

    async def keep(self, session_id: str, ttl_s: int) -> bool:
        """Give it ``ttl_s`` more seconds from now; False when it is gone."""
        ...

    async def end(self, session_id: str) -> None:
        """Remove it; absent is fine."""
        ...

    async def set_position(self, user: str, title_id: str, position_s: float) -> None:
        """The last writer wins, across devices."""
        ...

    async def position(self, user: str, title_id: str) -> float:
        """Seconds from the start, 0 when unknown."""
        ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


_ADMIT = """
for i = 1, 2 do
  local alive, soonest = 0, tonumber(ARGV[2])
  for _, id in ipairs(redis.call('SMEMBERS', KEYS[1 + i])) do
    local left = redis.call('TTL', ARGV[6] .. id)
    if left < 0 then
      redis.call('SREM', KEYS[1 + i], id)
    else
      alive = alive + 1
      soonest = math.min(soonest, left)
    end
  end
  if alive >= tonumber(ARGV[3 + i]) then return math.max(soonest, 1) end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
for i = 1, 2 do
  redis.call('SADD', KEYS[1 + i], ARGV[3])
  redis.call('EXPIRE', KEYS[1 + i], 86400)
end
return 0
"""

_COUNT = """
local seen = redis.call('INCR', KEYS[1])
if seen == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {seen, redis.call('TTL', KEYS[1])}
"""
"""Scripts, since Redis runs each as one step (EVAL); two requests at once cannot both take the last place."""


class RedisSessions:
    """Sessions in Redis: JSON under ``telecine:session:<id>``, positions under ``telecine:position:<title>:<user>``.

    Beside them: sets of a user's and a device's sessions, the IDs of used tokens, and counters of a minute.
    """

    def __init__(self, url: SecretStr) -> None:
        pool = BlockingConnectionPool.from_url(
            url.get_secret_value(),
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT_S,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            # a connection left over from before a restart of Redis fails once: the second try opens a new one
            retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 2),
            decode_responses=True,
        )
        self._redis = Redis.from_pool(pool)

    async def add(self, session: Session, ttl_s: int) -> None:
        async with _answering():
            await self._redis.set(_session_key(session.session_id), session.model_dump_json(), ex=ttl_s)

    async def admit(self, session: Session, ttl_s: int, quotas: Quotas) -> int:
        keys = (
            _session_key(session.session_id),
            f"telecine:user-sessions:{session.user}",
            f"telecine:device-sessions:{json.dumps([session.user, session.device_name])}",
        )
        most = (quotas.sessions_per_user, quotas.sessions_per_device)
        arguments = (session.model_dump_json(), ttl_s, session.session_id, *most, _session_key(""))
        async with _answering():
            return int(await self._run(_ADMIT, keys, arguments))

    async def consume(self, token_id: str, ttl_s: int) -> bool:
        async with _answering():
            return bool(await self._redis.set(_token_key(token_id), "1", ex=max(1, ttl_s), nx=True))

    async def release(self, token_id: str) -> None:
        async with _answering():
            await self._redis.delete(_token_key(token_id))

    async def count(self, name: str, window_s: int) -> tuple[int, int]:
        async with _answering():
            seen, left_s = await self._run(_COUNT, (f"telecine:count:{name}",), (window_s,))
        return int(seen), int(left_s)

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> Any:
        return await self._redis.eval(script, len(keys), *keys, *map(str, arguments))

    async def find(self, session_id: str) -> Session | None:
        async with _answering():
            text = await self._redis.get(_session_key(session_id))
        return None if text is None else Session.model_validate_json(text)

    async def keep(self, session_id: str, ttl_s: int) -> bool:
        async with _answering():
            return bool(await self._redis.expire(_session_key(session_id), ttl_s))

    async def end(self, session_id: str) -> None:
        async with _answering():
            await self._redis.delete(_session_key(session_id))

    async def set_position(self, user: str, title_id: str, position_s: float) -> None:
        async with _answering():
            await self._redis.set(_position_key(user, title_id), f"{position_s:.3f}", ex=_POSITION_TTL_S)

    async def position(self, user: str, title_id: str) -> float:
        async with _answering():
            text = await self._redis.get(_position_key(user, title_id))
        return 0.0 if text is None else float(text)

    async def ping(self) -> None:
        async with _answering():
            await self._redis.exists("telecine:ping")

    async def close(self) -> None:
        await self._redis.aclose()


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        message = f"The session store does not answer: {type(error).__name__}."  # its text may hold the URL's password
        raise Unavailable(message) from error


def _session_key(session_id: str) -> str:
    return f"telecine:session:{session_id}"


def _token_key(token_id: str) -> str:
    return f"telecine:used-token:{token_id}"


def _position_key(user: str, title_id: str) -> str:
    return f"telecine:position:{title_id}:{user}"  # a title ID holds no colon, so no two pairs share a key
