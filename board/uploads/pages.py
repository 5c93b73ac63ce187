"""The upload page and what it loads: an allow-list, so nothing else of the folder can be fetched."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import FileResponse

from board.access import Caller, needs
from board.uploads.wiring import desk_of
from telecine.settings import Settings

__all__ = ["library_installed", "pages"]

WEB_ROOT = Path(__file__).resolve().parent.parent / "web"
_MODULES = WEB_ROOT / "node_modules"
_ASSETS = {
    "upload.js": (WEB_ROOT / "upload.js", "text/javascript"),
    "upload_api.js": (WEB_ROOT / "upload_api.js", "text/javascript"),
    "upload_plan.js": (WEB_ROOT / "upload_plan.js", "text/javascript"),
    "upload_digest.js": (WEB_ROOT / "upload_digest.js", "text/javascript"),
    "upload.css": (WEB_ROOT / "upload.css", "text/css"),
    "uppy.mjs": (_MODULES / "uppy" / "dist" / "uppy.min.mjs", "text/javascript"),
    "uppy.css": (_MODULES / "uppy" / "dist" / "uppy.min.css", "text/css"),
    "sha256.js": (_MODULES / "hash-wasm" / "dist" / "sha256.umd.min.js", "text/javascript"),
}
_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-cache"}

pages = APIRouter(include_in_schema=False)


def library_installed() -> bool:
    """Whether ``npm ci`` has been run in the web folder."""
    return all(path.is_file() for path, _ in _ASSETS.values())


@pages.get("/upload")
def upload_page(request: Request, caller: Annotated[Caller, Depends(needs("ops"))]) -> FileResponse:  # noqa: ARG001
    policy = _policy(desk_of(request.app).place.settings)
    headers = {**_SAFE, "Content-Security-Policy": policy}
    return FileResponse(WEB_ROOT / "upload.html", media_type="text/html", headers=headers)


@pages.get("/upload-assets/{name}")
def upload_asset(name: str, request: Request) -> FileResponse:
    path, content_type = _ASSETS.get(name, (None, ""))
    if path is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no asset '{name}'.")
    if not path.is_file():
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{name} is not installed on this server: run 'make install'.")
    headers = {**_SAFE, "Content-Security-Policy": _policy(desk_of(request.app).place.settings)}
    return FileResponse(path, media_type=content_type, headers=headers)


def _policy(settings: Settings) -> str:
    """Own scripts alone; parts go to the store's address; the digest is WebAssembly, in a worker under this policy."""
    url = urlsplit(settings.s3_public_endpoint or settings.s3_endpoint)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "worker-src 'self'",
            "style-src 'self' 'unsafe-inline'",  # Uppy sets widths of progress bars in style attributes
            "img-src 'self' data: blob:",
            f"connect-src 'self' {url.scheme}://{url.netloc}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        )
    )
