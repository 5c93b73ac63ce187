"""Whether the service can do its work, and what it has counted."""

from http import HTTPStatus
from typing import cast

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from playback.metrics import Metrics
from playback.parts import Parts
from telecine.errors import Unavailable

__all__ = ["healthz", "metrics_text"]


async def healthz(request: Request) -> JSONResponse:
    """200 when Redis and the registry answer, 503 when one does not; each is named."""
    parts = cast("Parts", request.app.state.parts)
    checks = {"redis": await _redis(parts), "registry": await run_in_threadpool(_registry, parts)}
    healthy = all(found == "ok" for found in checks.values())
    status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
    content = {"status": "ok" if healthy else "failing", "checks": checks}
    return JSONResponse(content, status_code=status, headers={"Cache-Control": "no-store"})


async def metrics_text(request: Request) -> Response:
    """Prometheus text format."""
    metrics = cast("Metrics", request.app.state.metrics)
    return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _redis(parts: Parts) -> str:
    try:
        await parts.sessions.ping()
    except Unavailable as error:
        return str(error)
    return "ok"


def _registry(parts: Parts) -> str:
    try:
        parts.titles.titles()
    except Unavailable:
        return "The title registry does not answer."  # the driver's text may hold an address
    return "ok"
