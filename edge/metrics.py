"""What an agent counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["EdgeMetrics"]


class EdgeMetrics:
    """One registry an agent. Every number starts at zero with the process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.misses = Counter("telecine_edge_misses", "Requests for files that were not here", registry=registry)
        self.fetches = Counter(
            "telecine_edge_origin_fetches", "Objects fetched from the origin", ["why"], registry=registry
        )
        self.fetched_bytes = Counter(
            "telecine_edge_origin_bytes", "Bytes fetched from the origin", ["why"], registry=registry
        )
        self.fills = Counter("telecine_edge_fills", "Fills that ended", ["outcome"], registry=registry)
        self.fill_seconds = Histogram(
            "telecine_edge_fill_seconds", "How long complete fills took", registry=registry, buckets=_BUCKETS
        )
        self.listening = Gauge(
            "telecine_edge_invalidations_connected", "1 while invalidations are followed", registry=registry
        )

    def fetched(self, why: str, size_bytes: int) -> None:
        """Count one object that came from the origin for a ``fill``, a ``miss`` or a ``pointer``."""
        self.fetches.labels(why).inc()
        self.fetched_bytes.labels(why).inc(size_bytes)

    def text(self) -> bytes:
        """Prometheus text format 0.0.4."""
        return generate_latest(self._registry)


_BUCKETS = (1, 5, 15, 60, 300, 900, 3600)
