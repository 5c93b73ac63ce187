"""``GET /v1/sessions/{id}/manifest.mpd`` and ``/master.m3u8``: what a session may play."""

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from playback.manifests.service import ManifestService
from playback.sessions.service import SessionService

__all__ = ["router"]

router = APIRouter(prefix="/v1/sessions", tags=["manifests"])
_bearer = HTTPBearer(auto_error=False, description="the playback token of the session")

Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
Token = Annotated[str | None, Query(description="the playback token, for devices that send no header of their own")]
EdgeName = Annotated[str | None, Query(max_length=100, description="which edge to prefer")]


@router.get("/{session_id}/manifest.mpd")
async def dash_manifest(
    session_id: str, request: Request, bearer: Bearer, token: Token = None, edge: EdgeName = None
) -> Response:
    """The MPD of a session: every edge as a BaseURL, only what the session's keys open."""
    content = await _manifest(request, session_id, bearer.credentials if bearer else token, "dash", edge)
    return Response(content, media_type="application/dash+xml", headers=_PRIVATE)


@router.get("/{session_id}/master.m3u8")
async def hls_playlist(
    session_id: str, request: Request, bearer: Bearer, token: Token = None, edge: EdgeName = None
) -> Response:
    """The multivariant playlist of a session: whole addresses of one edge, only what the session's keys open."""
    content = await _manifest(request, session_id, bearer.credentials if bearer else token, "hls", edge)
    return Response(content, media_type="application/vnd.apple.mpegurl", headers=_PRIVATE)


_PRIVATE = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}


async def _manifest(
    request: Request, session_id: str, token: str | None, form: Literal["dash", "hls"], edge: str | None
) -> bytes:
    sessions = cast("SessionService", request.app.state.sessions)
    manifests = cast("ManifestService", request.app.state.manifests)
    session = await sessions.running(sessions.player_of(session_id, token))
    return await manifests.manifest(session, form, edge)
