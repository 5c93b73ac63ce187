"""Work that outlasts a request: each piece once at a time, by name, in threads of its own.

Nothing is lost with the process: a piece is asked for again by name, and the next process starts it anew.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["Background"]

T = TypeVar("T")


class Background(Generic[T]):
    """At most ``at_once`` pieces run; the latest ``kept`` results are remembered, failures included."""

    def __init__(self, name: str, *, at_once: int = 2, kept: int = 200) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)
        self._kept = kept
        self._pieces: dict[str, Future[T]] = {}
        self._lock = threading.Lock()

    def ask(self, piece: str, work: Callable[[], T]) -> Future[T]:
        """The future of a piece, begun now if it is not under way or done."""
        with self._lock:
            found = self._pieces.get(piece)
            if found is None:
                found = self._pieces[piece] = self._threads.submit(work)
                self._drop_oldest()
            return found

    def _drop_oldest(self) -> None:
        done = [name for name, one in self._pieces.items() if one.done()]
        for name in done[: max(0, len(self._pieces) - self._kept)]:
            del self._pieces[name]

    def forget(self, piece: str) -> None:
        """Have the piece done anew when it is asked for next; one under way is left alone."""
        with self._lock:
            found = self._pieces.get(piece)
            if found is not None and found.done():
                del self._pieces[piece]
