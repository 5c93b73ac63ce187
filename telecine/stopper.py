"""Ending a command from another thread: a person cancelled, or nothing moves any more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

__all__ = ["Stopper", "current_stopper", "stoppable"]


class Stopper:
    """Ends the commands that run inside ``stoppable``, at once, and every later one as it starts.

    The command's caller gets the error given to ``stop``; the first one counts. Safe from any thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._error: Exception | None = None
        self._kills: list[Callable[[], None]] = []

    def stop(self, error: Exception) -> None:
        """End what runs; whoever waits for it gets ``error``."""
        with self._lock:
            self._error = self._error or error
            for kill in self._kills:
                kill()

    def raise_if_stopped(self) -> None:
        """Raise the error of ``stop`` once it was called: for work that is no command."""
        if self._error is not None:
            raise self._error

    @contextmanager
    def ending(self, kill: Callable[[], None]) -> Iterator[None]:
        """Have ``kill`` called by ``stop`` meanwhile; at once when it was called already."""
        with self._lock:
            self._kills.append(kill)
            if self._error is not None:
                kill()
        try:
            yield
        finally:
            with self._lock:
                self._kills.remove(kill)


_CURRENT: ContextVar[Stopper | None] = ContextVar("stopper", default=None)


def current_stopper() -> Stopper:
    """That of the innermost ``stoppable`` of this thread; one that nobody stops outside of any."""
    return _CURRENT.get() or Stopper()


@contextmanager
def stoppable(stopper: Stopper) -> Iterator[None]:
    """Commands that this thread runs meanwhile can be ended by ``stopper``."""
    token = _CURRENT.set(stopper)
    try:
        yield
    finally:
        _CURRENT.reset(token)
