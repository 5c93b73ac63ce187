"""Licences of vendors' key systems over HTTP: raw routes, since a challenge is octets, not JSON."""

from http import HTTPStatus
from pathlib import Path
from typing import cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from playback.bearer import bearer_of
from playback.metrics import Metrics
from playback.problems import Problem
from playback.vendors.proxy import VendorLicenses
from telecine.log import get_logger

__all__ = ["CERTIFICATE_PATH", "VENDOR_PATH", "fairplay_certificate", "vendor_license"]

VENDOR_PATH = "/v1/licenses/{system}"
CERTIFICATE_PATH = "/v1/licenses/fairplay/certificate"
_log = get_logger("playback.licenses")


async def vendor_license(request: Request) -> Response:
    """``POST /v1/licenses/{widevine,playready,fairplay}``: the player's challenge in, the vendor's licence out."""
    metrics = cast("Metrics", request.app.state.metrics)
    vendors = cast("VendorLicenses", request.app.state.vendors)
    system = request.path_params["system"]
    content_type = request.headers.get("content-type", "")
    try:
        granted = await vendors.grant(system, bearer_of(request), await request.body(), content_type)
    except Problem as problem:
        metrics.licenses.labels(problem.reason).inc()
        _log.info("license.refused", reason=problem.reason)
        raise
    metrics.licenses.labels("granted").inc()
    return Response(granted.body, media_type=granted.content_type, headers={"Cache-Control": "no-store"})


async def fairplay_certificate(request: Request) -> Response:
    """``GET /v1/licenses/fairplay/certificate``: the public certificate that an SPC is made for (no token needed)."""
    path = cast("Path | None", request.app.state.fairplay_certificate)
    if path is None:
        detail = "This installation has no FairPlay certificate: TELECINE_FAIRPLAY_CERTIFICATE names none."
        raise Problem(HTTPStatus.NOT_FOUND, "system-not-configured", detail)
    try:
        content = await run_in_threadpool(path.read_bytes)
    except OSError as error:
        detail = "The FairPlay certificate of this installation cannot be read."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "certificate-missing", detail) from error
    return Response(content, media_type="application/octet-stream", headers={"Cache-Control": "max-age=3600"})
