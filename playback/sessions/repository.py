"""Sessions and resume positions in Redis. Both expire by themselves; nothing here must survive Redis to be correct."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from pydantic import SecretStr
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

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


class RedisSessions:
    """Sessions in Redis: JSON under ``telecine:session:<id>``, positions under ``telecine:position:<title>:<user>``."""

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


def _position_key(user: str, title_id: str) -> str:
    return f"telecine:position:{title_id}:{user}"  # a title ID holds no colon, so no two pairs share a key
