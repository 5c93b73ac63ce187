"""``/api/v1``: what anyone with a role may look at."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from board.access import Caller, needs
from board.documents import BoardState, Me, TitleCard, VersionView, WhatIfWish
from board.events import EventStream
from board.problems import Problem
from board.service import Desk
from pipeline.poster import poster
from playback.entitlements import Entitlement
from playback.tokens import user_token
from profiles.load import known_profiles
from telecine.changes import TitleChange
from telecine.errors import MissingRequirement
from telecine.forecast import Forecasts, WhatIf
from telecine.registry.records import Stage
from telecine.title import TITLE_ID_PATTERN, Priority

__all__ = ["At", "Known", "Viewer", "desk_of", "router"]


def desk_of(request: Request) -> Desk:
    """What endpoints work with; opened by the first request."""
    return cast("Callable[[], Desk]", request.app.state.board_desk)()


Viewer = Annotated[Caller, Depends(needs("viewer"))]
At = Annotated[Desk, Depends(desk_of)]
Known = Annotated[str, Path(pattern=TITLE_ID_PATTERN, description="title id")]
Limit = Annotated[int, Query(ge=1, le=1000)]

_PLAYS_S = 4 * 3600  # a film, and the pauses of whoever looks at it

router = APIRouter(prefix="/api/v1", dependencies=[Depends(needs("viewer"))])


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> JSONResponse:
    """This interface, described (OpenAPI 3.1)."""
    return JSONResponse(request.app.openapi())


@router.get("/me", tags=["board"])
def me(caller: Viewer, desk: At) -> Me:
    """Who calls, and what there is to choose from."""
    profiles = known_profiles(desk.place.settings.catalogue_dir)
    return Me(caller=caller, profiles=profiles)


@router.get("/titles", tags=["titles"])
def titles(
    desk: At,
    stage: Stage | None = None,
    priority: Priority | None = None,
    q: Annotated[str, Query(max_length=200)] = "",
) -> BoardState:
    """All titles, or those at a stage, of a class, with ``q`` in id or name; the newest change first."""
    state = desk.gathering.state()
    words = q.casefold()
    found = (
        title
        for title in state.titles
        if (stage is None or title.stage == stage)
        and (priority is None or title.priority == priority)
        and (words in title.title_id or words in title.name.casefold())
    )
    return state.model_copy(update={"titles": tuple(found)})


@router.get("/titles/{title_id}", tags=["titles"])
def title(title_id: Known, desk: At) -> TitleCard:
    """One title."""
    return desk.gathering.title(title_id)


@router.get("/titles/{title_id}/poster", tags=["titles"], response_class=Response)
def poster_frame(title_id: Known, desk: At) -> Response:
    """A small JPEG of the title; 404 while there is no picture of it."""
    record = desk.place.registry.title(title_id)
    found = poster(desk.place, record)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "no-poster", f"There is no picture of {title_id} yet.")
    headers = {"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"}
    return Response(found, media_type="image/jpeg", headers=headers)


@router.get("/titles/{title_id}/play", tags=["titles"], status_code=HTTPStatus.SEE_OTHER, response_class=Response)
def play(title_id: Known, caller: Viewer, desk: At) -> RedirectResponse:
    """To the player page, with a viewer's token of the caller that is good for this title and four hours."""
    settings = desk.place.settings
    if desk.place.registry.title(title_id).live is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not-live", f"{title_id} is not live: there is nothing to play yet.")
    if not settings.token_key.get_secret_value():
        message = "No viewer can be signed in here: TELECINE_TOKEN_KEY is not set."
        raise MissingRequirement(message)
    token = user_token(caller.name, settings.token_key, _PLAYS_S, Entitlement(titles=(title_id,)))
    # a fragment (RFC 3986, 3.5) stays in the browser: the token is in no server's log
    to = f"{settings.playback_url}/player/{title_id}#token={token}"
    return RedirectResponse(to, HTTPStatus.SEE_OTHER, headers={"Cache-Control": "no-store"})


@router.get("/forecast", tags=["forecast"])
def forecast(desk: At) -> Forecasts:
    """When each title under way will be done."""
    return desk.operations.forecast(desk.place)


@router.post("/titles/{title_id}/what-if", tags=["forecast"])
def what_if(title_id: Known, wish: WhatIfWish, desk: At) -> WhatIf:
    """Which titles a change would move, and by how much; nothing is changed."""
    desk.place.registry.title(title_id)
    return desk.operations.what_if(desk.place, title_id, wish.change)


@router.get("/titles/{title_id}/versions", tags=["versions"])
def versions(title_id: Known, desk: At) -> list[VersionView]:
    """What was published of a title, the newest first."""
    desk.place.registry.title(title_id)
    return [VersionView.of(record) for record in desk.operations.versions(desk.place, title_id)]


@router.get("/audit", tags=["audit"])
def audit(desk: At, limit: Limit = 100) -> list[TitleChange]:
    """What people did to titles, the newest first."""
    return list(desk.operations.changes(desk.place, None, limit))


@router.get("/titles/{title_id}/audit", tags=["audit"])
def audit_of_title(title_id: Known, desk: At, limit: Limit = 100) -> list[TitleChange]:
    """What people did to one title, the newest first."""
    desk.place.registry.title(title_id)
    return list(desk.operations.changes(desk.place, title_id, limit))


@router.get("/events", tags=["board"], response_class=Response)
async def events(request: Request, last_event_id: Annotated[str, Header(max_length=64)] = "") -> EventStream:
    """Server-sent events: ``titles`` with the state of all titles when it changed, at most once a second."""
    return EventStream(request.app.state.board_watch, last_event_id)
