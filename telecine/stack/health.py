"""Is each program of the stack really serving? One question a program, all cheap."""

from collections.abc import Callable, Mapping

import httpx
import redis

from telecine.errors import TelecineError
from telecine.settings import Settings
from telecine.storage.s3 import s3_store

__all__ = ["checks"]


def checks(settings: Settings) -> Mapping[str, Callable[[], bool]]:
    """Question by program name; each answers True when the program serves, and never raises."""
    client = redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=2)
    found: dict[str, Callable[[], bool]] = {
        "redis": lambda: _quietly(lambda: bool(client.ping())),
        "s3": lambda: _quietly(lambda: _buckets(settings)),
        "playback": lambda: _answers(f"{_loopback(settings.playback_url)}/healthz"),
        "worker-cpu": lambda: _quietly(lambda: bool(list(client.scan_iter("telecine:worker:cpu:*", count=100)))),
    }
    for edge in settings.edges:
        found[edge.name] = lambda url=edge.base_url: _answers(f"{_loopback(url)}/healthz")  # type: ignore[misc]
        found[f"{edge.name}-agent"] = lambda url=edge.agent_url: _answers(f"{url}/healthz")  # type: ignore[misc]
    airflow = _loopback(settings.airflow_url)
    for part in ("scheduler", "triggerer", "dag_processor"):
        name = f"airflow-{part.replace('_', '-')}"
        found[name] = lambda part=part: _airflow_part(airflow, part)  # type: ignore[misc]
    found["airflow-api"] = lambda: _airflow_part(airflow, "metadatabase")
    return found


def _buckets(settings: Settings) -> bool:
    """Both buckets are there; they are made at the first start."""
    httpx.get(settings.s3_endpoint, timeout=2)  # a refused connection here spares the store's patient retries
    for bucket in (settings.work_bucket, settings.origin_bucket):
        s3_store(settings, bucket).ensure_bucket()
    return True


def _airflow_part(url: str, part: str) -> bool:
    def healthy() -> bool:
        answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=5)
        return bool(answer.is_success and answer.json()[part]["status"] == "healthy")

    return _quietly(healthy)


def _answers(url: str) -> bool:
    return _quietly(lambda: httpx.get(url, timeout=3).is_success)


def _loopback(url: str) -> str:
    """The same port on 127.0.0.1: not every resolver knows *.localhost."""
    return f"http://127.0.0.1:{httpx.URL(url).port}"


def _quietly(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except (httpx.HTTPError, redis.RedisError, TelecineError, KeyError, ValueError, OSError):
        return False
