"""One worker a key: whoever comes second waits for the first and finds the work done."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Flights"]


class Flights:
    """A lock per key that exists only while somebody uses it; between threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._users: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def over(self, key: str) -> Iterator[None]:
        """Be the only one at work on ``key``."""
        with self._guard:
            lock, users = self._users.get(key, (threading.Lock(), 0))
            self._users[key] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            self._leave(key)

    def _leave(self, key: str) -> None:
        with self._guard:
            lock, users = self._users[key]
            if users == 1:
                del self._users[key]
            else:
                self._users[key] = (lock, users - 1)
