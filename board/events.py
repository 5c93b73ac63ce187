"""Server-sent events (WHATWG HTML, 9.2): the state of all titles, whenever it changed."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from board.documents import BoardState
from telecine.errors import TelecineError
from telecine.log import get_logger

__all__ = ["Change", "EventStream", "Watch"]

_log = get_logger("board")

_EVERY_S = 1.0
_HEARTBEAT_S = 10.0
_LIFE_S = 600.0  # then the browser comes back, and is asked again who it is
_RETRY_MS = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """A state of the board, named by its content, so that it is the same after a restart."""

    identity: str
    kind: str
    data: str

    def encoded(self) -> bytes:
        return f"id: {self.identity}\nevent: {self.kind}\ndata: {self.data}\n\n".encode()


class Watch:
    """Looks at the board once a second while anybody follows it; each look is in a thread."""

    def __init__(self, look: Callable[[], BoardState], every_s: float = _EVERY_S) -> None:
        self._look, self._every_s = look, every_s
        self._current: Change | None = None
        self._changed = asyncio.Condition()
        self._looking: asyncio.Task[None] | None = None
        self.followers = 0

    async def follow(self, last: str = "", heartbeat_s: float = _HEARTBEAT_S) -> AsyncGenerator[Change | None, None]:
        """Each state but ``last``, the identity of what the follower has; None when nothing changed for long."""
        self.followers += 1
        if self._looking is None or self._looking.done():
            self._current = None
            self._looking = asyncio.create_task(self._keep_looking())
        try:
            while True:
                found = await self._next(last, heartbeat_s)
                last = found.identity if found else last
                yield found
        finally:
            self.followers -= 1

    async def _next(self, last: str, patience_s: float) -> Change | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s), self._changed:
                await self._changed.wait_for(lambda: self._current is not None and self._current.identity != last)
                return self._current
        return None

    async def _keep_looking(self) -> None:
        while self.followers > 0:
            found = await asyncio.to_thread(self._seen)
            if self._current is None or found.identity != self._current.identity:
                async with self._changed:
                    self._current = found
                    self._changed.notify_all()
            await asyncio.sleep(self._every_s)

    def _seen(self) -> Change:
        try:
            state = self._look()
        except TelecineError as error:
            return _trouble(str(error))
        except Exception as error:  # noqa: BLE001 - one failed look must not end all looks: the page would show what was
            _log.error("board.failed", path="events", error=type(error).__name__)
            return _trouble("The board met a fault of its own; it is logged.")
        # when the forecast was made says nothing of any title
        named = state.model_dump_json(exclude={"forecast_at"})
        return Change(_digest(named), "titles", state.model_dump_json(exclude_defaults=True))


def _trouble(detail: str) -> Change:
    said = json.dumps({"detail": detail})
    return Change(_digest(said), "trouble", said)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class EventStream(Response):
    """The events of a watch, until the browser leaves or its time is over."""

    media_type = "text/event-stream"

    def __init__(self, watch: Watch, last: str) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._watch, self._last = watch, last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        tasks = [asyncio.create_task(self._pump(send)), asyncio.create_task(_until_gone(receive))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=_LIFE_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": f"retry: {_RETRY_MS}\n\n".encode(), "more_body": True})
        async with aclosing(self._watch.follow(self._last)) as changes:
            async for change in changes:
                body = b": still here\n\n" if change is None else change.encoded()
                await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
