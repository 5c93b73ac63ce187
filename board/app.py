"""The release board as one ASGI application: the page at ``/``, the interface under ``/api/v1``."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from fastapi import FastAPI, Request

from board.access import Caller
from board.changing import router as changing
from board.documents import BoardState
from board.events import Watch
from board.evidence import router as evidence
from board.gather import Gathering
from board.operations import Operations, pipeline_operations
from board.pages import router as pages
from board.problems import install_problems
from board.reading import router as reading
from board.same_origin import SameOrigin
from board.service import Desk
from board.uploads import router as uploads
from encoders.leases import LeaseBoard
from pipeline.installation import Installation

__all__ = ["create_app"]

_ABOUT = """Titles, their order, forecasts, versions and audit.

Callers are users of Airflow, by its bearer token or the cookie of its UI. A change with a cookie needs the header
`X-Telecine-Request` and must come from this origin. Refusals are problem documents (RFC 9457)."""


def create_app(
    place_of: Callable[[], Installation],
    identify: Callable[[Request], Awaitable[Caller | None]],
    operations: Operations | None = None,
) -> FastAPI:
    """The application on the installation that ``place_of`` opens at the first request.

    ``identify`` says who calls, None for nobody; it may raise HTTPException 403 for a user without a role here.
    """
    held = _Held(place_of)
    app = FastAPI(
        lifespan=held.until_shutdown,
        title="Telecine release control",
        version="1",
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": "../.."}],
        root_path_in_servers=False,
    )
    app.state.place_of, app.state.identify = held.place, identify
    app.state.board_desk = _opened_once(held.place, operations or pipeline_operations())
    app.state.board_watch = Watch(lambda: _state_of(app))
    for router in (pages, reading, changing, uploads, evidence):
        app.include_router(router)
    app.add_middleware(SameOrigin)
    install_problems(app)
    return app


class _Held:
    """The installation, opened once, with one board of leases for all looks of this process."""

    def __init__(self, place_of: Callable[[], Installation]) -> None:
        self._place_of = place_of
        self._lock = threading.Lock()
        self._place: Installation | None = None

    def place(self) -> Installation:
        with self._lock:
            if self._place is None:
                self._place = _with_leases(self._place_of())
            return self._place

    @asynccontextmanager
    async def until_shutdown(self, _: FastAPI) -> AsyncIterator[None]:
        """Airflow runs this with its own start and end, as Starlette does where the board is all there is."""
        yield
        if self._place is not None and self._place.leases is not None:
            self._place.leases.close()


def _with_leases(place: Installation) -> Installation:
    settings = place.settings
    if not settings.redis_url.get_secret_value():
        return place
    return replace(place, leases=LeaseBoard(settings.redis_url, settings.lease_s))


def _opened_once(place_of: Callable[[], Installation], operations: Operations) -> Callable[[], Desk]:
    lock = threading.Lock()
    opened: list[Desk] = []

    def desk() -> Desk:
        with lock:
            if not opened:
                place = place_of()
                opened.append(Desk(place, operations, Gathering(place, operations)))
            return opened[0]

    return desk


def _state_of(app: FastAPI) -> BoardState:
    desk: Desk = app.state.board_desk()
    return desk.gathering.state()
