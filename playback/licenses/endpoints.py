"""The Clear Key licence endpoint: a raw route, since players send JSON without saying so in a Content-Type."""

from http import HTTPStatus
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from playback.bearer import bearer_of
from playback.licenses.schemas import MalformedLicenseRequest, clear_key_ask, license_text
from playback.licenses.service import LicenseService
from playback.metrics import Metrics
from playback.problems import Problem
from telecine.errors import Unavailable
from telecine.log import get_logger

__all__ = ["LICENSE_PATH", "clearkey_license"]

LICENSE_PATH = "/v1/licenses/clearkey"
_log = get_logger("playback.licenses")


async def clearkey_license(request: Request) -> Response:
    """``POST /v1/licenses/clearkey``: W3C EME JSON in and out; the playback token as bearer token."""
    metrics = cast("Metrics", request.app.state.metrics)
    try:
        response = await _answer(request, metrics)
    except Problem as problem:
        metrics.licenses.labels(problem.reason).inc()
        _log.info("license.refused", reason=problem.reason)
        raise
    except Unavailable:
        metrics.licenses.labels("unavailable").inc()
        raise
    metrics.licenses.labels("granted").inc()
    return response


async def _answer(request: Request, metrics: Metrics) -> Response:
    service = cast("LicenseService", request.app.state.licenses)
    try:
        ask = clear_key_ask(await request.body())
    except MalformedLicenseRequest as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "malformed-request", str(error)) from error
    keys = await service.grant(bearer_of(request), ask)
    metrics.keys.inc(len(keys))
    text = license_text(keys, persistent=ask.persistent)
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})
