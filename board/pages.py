"""The board's page and what it loads: an allow-list, so nothing else of the folder can be fetched."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import FileResponse

from board.access import Caller, needs
from board.problems import Problem

__all__ = ["POLICY", "router"]

WEB_ROOT = Path(__file__).resolve().parent / "web"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self' data:; "
    "connect-src 'self'; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'self'; "  # Airflow's UI shows the page in its own frame
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@router.get("/")
def board_page(caller: Annotated[Caller, Depends(needs("viewer"))]) -> FileResponse:  # noqa: ARG001
    return FileResponse(WEB_ROOT / "board.html", media_type="text/html", headers=_HEADERS)


@router.get("/assets/{name}")
def asset(name: str) -> FileResponse:
    """Scripts, styles and pictures of the board; they hold nothing of the installation."""
    path = {path.name: path for path in WEB_ROOT.glob("board*") if path.suffix in _TYPES}.get(name)
    if path is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no asset '{name}'.")
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=_HEADERS)
