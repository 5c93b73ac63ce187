"""Pages: the list of live titles, the player, the interface description, and what they load."""

from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse

from playback.player.pages import PLAYER_LIBRARY, WEB_ROOT, assets
from playback.problems import Problem
from telecine.title import TitleId

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/")
async def titles_page(request: Request) -> FileResponse:
    return _page(request, "titles.html")


@router.get("/player/{title_id}")
async def player_page(title_id: TitleId, request: Request) -> FileResponse:  # noqa: ARG001 - the page reads its address
    return _page(request, "player.html")


@router.get("/docs")
async def interface_page(request: Request) -> FileResponse:
    """Our own reader of ``/openapi.json``: FastAPI's would load its scripts from other people's servers."""
    return _page(request, "docs.html")


@router.get("/assets/{name}")
async def asset(name: str) -> FileResponse:
    found = assets().get(name)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no asset '{name}'.")
    if not found.path.is_file():
        detail = "The player library shaka-player is not installed on this server: run 'make install'."
        raise Problem(HTTPStatus.NOT_FOUND, "player-not-installed", detail)
    # revalidated each time: the names carry no digest
    return FileResponse(found.path, media_type=found.content_type, headers={"Cache-Control": "no-cache", **_SAFE})


_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def _page(request: Request, name: str) -> FileResponse:
    policy = {"Content-Security-Policy": request.app.state.page_policy, "Cache-Control": "no-cache"}
    return FileResponse(Path(WEB_ROOT, name), media_type="text/html", headers={**policy, **_SAFE})


def library_installed() -> bool:
    """Whether ``npm ci`` has been run in the web folder."""
    return PLAYER_LIBRARY.is_file()
