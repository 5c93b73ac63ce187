"""The playback service: sessions, Clear Key licences, and the player page, in one ASGI application."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from starlette.middleware.cors import CORSMiddleware

from playback.health import healthz, metrics_text
from playback.licenses.endpoints import LICENSE_PATH, clearkey_license
from playback.licenses.gate import LicenseGate
from playback.licenses.service import LicenseService
from playback.limits import BoundedBody
from playback.manifests.endpoints import router as manifest_router
from playback.manifests.service import ManifestService
from playback.metrics import Metrics, Timed
from playback.openapi import with_raw_routes
from playback.parts import Parts
from playback.player.endpoints import library_installed
from playback.player.endpoints import router as player_router
from playback.player.pages import content_security_policy
from playback.problems import install_problems
from playback.quiet import hide_queries_in_access_log
from playback.quotas import quotas_of
from playback.sessions.endpoints import heartbeat
from playback.sessions.endpoints import router as session_router
from playback.sessions.service import ServiceLinks, SessionRules, SessionService
from playback.tokens import Tokens
from playback.vendors.endpoints import CERTIFICATE_PATH, VENDOR_PATH, fairplay_certificate, vendor_license
from playback.vendors.proxy import VendorLicenses, upstreams_of, vendor_client
from playback.wiring import parts_of
from telecine.log import get_logger
from telecine.settings import Settings, load_settings

__all__ = ["create_app"]

_log = get_logger("playback")


def create_app(settings: Settings | None = None, parts: Parts | None = None) -> FastAPI:
    """The application on ``parts``, or on what ``settings`` name. Raises MissingRequirement when one is absent."""
    settings = settings or load_settings()
    parts = parts or parts_of(settings)
    tokens = Tokens(settings.token_key)
    app = FastAPI(title="Telecine playback", version="1", docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.state.parts = parts
    app.state.metrics = Metrics()
    rules = SessionRules(quotas_of(settings), settings.unstated_robustness)
    app.state.sessions = SessionService(parts.titles, parts.sessions, tokens, settings.edges, parts.clock, rules)
    gate = LicenseGate(parts.sessions, tokens, parts.audit, parts.clock, rules.quotas)
    app.state.licenses = LicenseService(parts.keys, gate)
    app.state.vendors = VendorLicenses(
        gate, upstreams_of(settings), vendor_client(settings.vendor_timeout_s), parts.clock
    )
    app.state.fairplay_certificate = settings.fairplay_certificate
    app.state.manifests = ManifestService(parts.files, settings.edges)
    app.state.links = _links(settings.playback_url, tuple(app.state.vendors.upstreams))
    app.state.page_policy = content_security_policy(
        (settings.playback_url, *(edge.base_url for edge in settings.edges)),
    )
    _add_middleware(app)
    _add_routes(app)
    install_problems(app)
    return app


def _add_routes(app: FastAPI) -> None:
    app.include_router(session_router)
    app.include_router(manifest_router)
    app.include_router(player_router)
    app.add_route(LICENSE_PATH, clearkey_license, methods=["POST"])
    app.add_route(CERTIFICATE_PATH, fairplay_certificate, methods=["GET"])
    app.add_route(VENDOR_PATH, vendor_license, methods=["POST"])
    app.add_route("/v1/sessions/{session_id}/heartbeat", heartbeat, methods=["POST"])
    app.add_route("/healthz", healthz, methods=["GET"])
    app.add_route("/metrics", metrics_text, methods=["GET"])
    described: Callable[[], dict[str, Any]] = app.openapi
    app.openapi = lambda: with_raw_routes(described())  # type: ignore[method-assign]


def _add_middleware(app: FastAPI) -> None:
    app.add_middleware(BoundedBody)
    app.add_middleware(
        CORSMiddleware,
        # any origin may ask, since a token in a header, never a cookie, is what counts; echoed rather than '*', since
        # dash.js sends its licence request in credentials mode
        allow_origin_regex=".*",
        allow_credentials=True,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["Location", "Retry-After"],
    )
    app.add_middleware(Timed, metrics=app.state.metrics)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    hide_queries_in_access_log()
    if not library_installed():
        _log.warning("player.not_installed", do="run 'make install'")
    yield
    await app.state.parts.sessions.close()
    await app.state.parts.files.close()
    await app.state.vendors.client.aclose()


def _links(playback_url: str, vendors: tuple[str, ...]) -> Callable[[Request], ServiceLinks]:
    def links(request: Request) -> ServiceLinks:
        base = (playback_url or str(request.base_url)).rstrip("/")
        return ServiceLinks(base, {name: f"{base}/v1/licenses/{name}" for name in ("clearkey", *vendors)})

    return links
