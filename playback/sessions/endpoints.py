"""Sessions over HTTP. The heartbeat is a raw route: it is the most frequent call by far."""

from http import HTTPStatus
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from playback.bearer import bearer_of
from playback.metrics import Metrics
from playback.problems import Problem
from playback.sessions.schemas import (
    LONGEST_POSITION_S,
    Heartbeat,
    LicenseToken,
    LiveTitle,
    OpenedSession,
    ResumePosition,
    SessionRequest,
)
from playback.sessions.service import SessionService
from telecine.log import get_logger
from telecine.title import TitleId

__all__ = ["heartbeat", "router"]

_log = get_logger("playback.sessions")
_bearer = HTTPBearer(auto_error=False, description="the user token, or the playback token of the session")


def _service(request: Request) -> SessionService:
    return cast("SessionService", request.app.state.sessions)


Service = Annotated[SessionService, Depends(_service)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]

router = APIRouter(prefix="/v1", tags=["sessions"])


@router.get("/titles")
async def list_titles(service: Service) -> list[LiveTitle]:
    """The titles that can be watched now."""
    titles = await run_in_threadpool(service.titles.titles)
    return [LiveTitle(title=t.title_id, name=t.name, version=t.live.version) for t in titles if t.live is not None]


@router.get("/titles/{title_id}/position")
async def resume_position(title_id: TitleId, service: Service, bearer: Bearer) -> ResumePosition:
    """Where the viewer of the user token stopped in a title, on whatever device; 0 when never watched."""
    viewer = service.user(_token(bearer))
    return ResumePosition(title=title_id, position_s=await service.sessions.position(viewer.sub, title_id))


@router.post("/sessions", status_code=HTTPStatus.CREATED)
async def open_session(
    wanted: SessionRequest, request: Request, response: Response, service: Service, bearer: Bearer
) -> OpenedSession:
    """Open a session for the viewer of the user token on the live version of a title."""
    metrics = cast("Metrics", request.app.state.metrics)
    try:
        opened = await service.open(wanted, service.user(_token(bearer)), request.app.state.links(request))
    except Problem as problem:
        metrics.sessions.labels(problem.reason).inc()
        _log.info("session.refused", title=wanted.title, reason=problem.reason)
        raise
    metrics.sessions.labels("opened").inc()
    _log.info("session.opened", title=opened.title, version=opened.version, session=opened.session_id)
    response.headers["Location"] = f"/v1/sessions/{opened.session_id}"
    response.headers["Cache-Control"] = "no-store"
    return opened


@router.post("/sessions/{session_id}/license-token")
async def license_token(session_id: str, response: Response, service: Service, bearer: Bearer) -> LicenseToken:
    """A token of one more licence of this session; with the playback token. A player asks before each licence."""
    response.headers["Cache-Control"] = "no-store"
    return await service.license_token(service.player_of(session_id, _token(bearer)))


@router.delete("/sessions/{session_id}", status_code=HTTPStatus.NO_CONTENT)
async def end_session(
    session_id: str,
    service: Service,
    bearer: Bearer,
    position_s: Annotated[float | None, Query(ge=0, le=LONGEST_POSITION_S, allow_inf_nan=False)] = None,
) -> None:
    """End a session; its licences stop. ``position_s`` is kept as the resume position. Idempotent."""
    player = service.player_of(session_id, _token(bearer))
    if position_s is not None:
        await service.sessions.set_position(player.sub, player.title, position_s)
    await service.sessions.end(session_id)
    _log.info("session.ended", title=player.title, session=session_id)


async def heartbeat(request: Request) -> Response:
    """``POST /v1/sessions/{id}/heartbeat`` with a Heartbeat: 204, or 410 when the session has ended."""
    service = _service(request)
    player = service.player_of(request.path_params["session_id"], bearer_of(request))
    try:
        beat = Heartbeat.model_validate_json(await request.body())
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise Problem(HTTPStatus.BAD_REQUEST, "malformed-request", f"This is not a heartbeat: {faults}") from error
    await service.heartbeat(player, beat)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _token(bearer: HTTPAuthorizationCredentials | None) -> str | None:
    return None if bearer is None else bearer.credentials
