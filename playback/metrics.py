"""What the service counts, in the Prometheus text format."""

import time
from collections.abc import MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Metrics", "Timed"]

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5)


class Metrics:
    """The counters of one application, in a registry of their own so that two can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sessions = Counter(
            "telecine_playback_sessions", "Sessions asked for, by outcome", ["outcome"], registry=self.registry
        )
        self.licenses = Counter(
            "telecine_playback_licenses", "Licences asked for, by outcome", ["outcome"], registry=self.registry
        )
        self.keys = Counter("telecine_playback_license_keys", "Content keys given out", registry=self.registry)
        self.latency = Histogram(
            "telecine_playback_request_seconds",
            "Time to the first byte of the answer",
            ["endpoint", "status"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )


class Timed:
    """ASGI middleware: observes every answer under the name of its endpoint, never under its path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                elapsed_s = time.perf_counter() - started
                self._metrics.latency.labels(_endpoint(scope), str(message["status"])).observe(elapsed_s)
            await send(message)

        await self._app(scope, receive, observed)


def _endpoint(scope: MutableMapping[str, Any]) -> str:
    found = scope.get("endpoint")
    return "none" if found is None else getattr(found, "__name__", type(found).__name__)
