"""``/api/v1``: what ops and release managers may do. Every one of these is in the audit, with who and why."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from board.access import Caller, needs
from board.documents import (
    Answer,
    OrderWish,
    PlanOutline,
    PlanWish,
    Reason,
    RollBackWish,
    SubmitWish,
    TitleCard,
)
from board.problems import Problem
from board.reading import At, Known
from pipeline.release import Submitted
from telecine.publication import Pointer

__all__ = ["router"]

Ops = Annotated[Caller, Depends(needs("ops"))]
ReleaseManager = Annotated[Caller, Depends(needs("manager"))]

_COOKIE = "_token"  # of Airflow's UI

router = APIRouter(prefix="/api/v1", tags=["titles"])


@router.post("/titles", status_code=HTTPStatus.CREATED)
def submit(wish: SubmitWish, caller: Ops, desk: At) -> Submitted:
    """Start a title, or a new version of one."""
    return desk.submit(caller, wish)


@router.post("/plan")
def plan(wish: PlanWish, caller: Ops, desk: At) -> PlanOutline:  # noqa: ARG001 - the role is what counts
    """What would be made of a master; nothing is started."""
    return desk.operations.plan(desk.place, wish)


@router.patch("/titles/{title_id}/order")
def prioritise(title_id: Known, wish: OrderWish, caller: ReleaseManager, desk: At) -> TitleCard:
    """Change class, launch time or hold, also of a title under way; it counts from the next chunk on."""
    return desk.reorder(caller, title_id, wish)


@router.post("/titles/{title_id}/hold")
def hold(title_id: Known, reason: Reason, caller: ReleaseManager, desk: At) -> TitleCard:
    """Start nothing more of a title; what runs ends."""
    return desk.hold(caller, title_id, reason.why, held=True)


@router.post("/titles/{title_id}/resume")
def resume(title_id: Known, reason: Reason, caller: ReleaseManager, desk: At) -> TitleCard:
    """Go on with a title that was held."""
    return desk.hold(caller, title_id, reason.why, held=False)


@router.post("/titles/{title_id}/cancel")
def cancel(title_id: Known, reason: Reason, caller: Ops, desk: At) -> TitleCard:
    """Stop a title that is under way; what was encoded stays."""
    return desk.cancel(caller, title_id, reason.why)


@router.post("/titles/{title_id}/retry")
def retry(title_id: Known, reason: Reason, caller: Ops, desk: At) -> TitleCard:
    """Go on with a title that failed, was rejected or cancelled, from what is there."""
    return desk.retry(caller, title_id, reason.why)


@router.post("/titles/{title_id}/rollback", tags=["versions"])
def roll_back(title_id: Known, wish: RollBackWish, caller: ReleaseManager, desk: At) -> Pointer:
    """Give viewers an earlier version, in under a second."""
    return desk.roll_back(caller, title_id, wish)


@router.post("/titles/{title_id}/decision")
def decide(title_id: Known, answer: Answer, request: Request, caller: ReleaseManager, desk: At) -> TitleCard:
    """Approve or reject what a run of the title asks a person."""
    return desk.decide(caller, _token(request), title_id, answer)


def _token(request: Request) -> str:
    """The caller's own token of Airflow, so that Airflow knows who answered."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found = token.strip() if scheme.lower() == "bearer" else request.cookies.get(_COOKIE, "")
    if not found:
        raise Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", "Sign in to Airflow first.")
    return found
