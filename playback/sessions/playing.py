"""Which versions are being watched now: asked by what removes old ones."""

from itertools import islice

import redis
from pydantic import SecretStr, ValidationError

from playback.sessions.schemas import Session
from telecine.errors import Unavailable

__all__ = ["versions_playing"]

_PREFIX = "telecine:session:"
_AT_ONCE = 500


def versions_playing(redis_url: SecretStr) -> frozenset[tuple[str, str]]:
    """Title and version of every running session. Raises Unavailable: then nobody may take any for unwatched.

    A session that lasts from before this call to after it is seen (SCAN's guarantee).
    """
    client: redis.Redis = redis.Redis.from_url(
        redis_url.get_secret_value(), socket_timeout=5, socket_connect_timeout=2, decode_responses=True
    )
    found: set[tuple[str, str]] = set()
    try:
        keys = client.scan_iter(match=f"{_PREFIX}*", count=_AT_ONCE)
        while some := list(islice(keys, _AT_ONCE)):
            found.update(_watched(text) for text in client.mget(some) if text is not None)
    except (redis.RedisError, OSError) as error:
        message = f"The session store does not answer: {type(error).__name__}."  # its text may hold the URL's password
        raise Unavailable(message) from error
    finally:
        client.close()
    return frozenset(found)


def _watched(text: str | bytes) -> tuple[str, str]:
    try:
        session = Session.model_validate_json(text)
    except ValidationError as error:
        message = "A session in the session store cannot be read, so nobody knows which version it plays."
        raise Unavailable(message) from error
    return session.title, session.version
