"""``/api/v1/uploads``, and the page that uses it. Endpoints block in threads, never on the event loop."""

from collections.abc import Callable
from concurrent.futures import Future
from http import HTTPStatus
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response

from board.access import Caller, needs
from board.uploads.outlook import outlook_of
from board.uploads.pages import pages
from board.uploads.planning import Findings, PlanReport, findings_of, plan_of, with_outlook
from board.uploads.rules import UploadRefused
from board.uploads.schemas import (
    CompleteRequest,
    SignedParts,
    SignRequest,
    StartRequest,
    TitleStart,
    Upload,
    UploadState,
    UploadView,
)
from board.uploads.starting import change_of, submission
from board.uploads.wiring import Desk, desk_of
from pipeline.release import Submitted
from profiles.load import known_profiles
from telecine.document import Document

__all__ = ["router"]

T = TypeVar("T")


def _desk(request: Request) -> Desk:
    return desk_of(request.app)


Ops = Annotated[Caller, Depends(needs("ops"))]
At = Annotated[Desk, Depends(_desk)]
Profile = Annotated[str, Query(max_length=64)]


class Working(Document):
    """Not known yet; ask again."""

    state: Literal["working"] = "working"


class Options(Document):
    """What a person may choose from."""

    profiles: tuple[str, ...]


router = APIRouter()
router.include_router(pages)
api = APIRouter(prefix="/api/v1/uploads", tags=["uploads"])


@api.post("", status_code=HTTPStatus.CREATED)
def start(wanted: StartRequest, caller: Ops, desk: At) -> UploadView:
    """Open an upload; the same file again goes on with the one that is there."""
    return desk.seen(desk.service.start(caller, wanted))


@api.get("")
def list_uploads(caller: Ops, desk: At) -> list[Upload]:
    """The caller's uploads; everybody's for a release manager."""
    return [desk.checks.see(upload) for upload in desk.service.listed(caller)]


@api.get("/options")
def options(caller: Ops, desk: At) -> Options:  # noqa: ARG001 - the role is what counts
    """Profiles of the catalogue."""
    return Options(profiles=known_profiles(desk.place.settings.catalogue_dir))


@api.get("/{upload_id}")
def show(upload_id: str, caller: Ops, desk: At) -> UploadView:
    """One upload and the parts that are there already."""
    return desk.seen(desk.service.view(caller, upload_id))


@api.post("/{upload_id}/sign")
def sign(upload_id: str, wanted: SignRequest, response: Response, caller: Ops, desk: At) -> SignedParts:
    """Addresses for parts; a secret of whoever asked, so nothing on the way keeps them."""
    response.headers["Cache-Control"] = "no-store"
    return desk.service.sign(caller, upload_id, wanted.parts)


@api.post("/{upload_id}/complete")
def complete(upload_id: str, wanted: CompleteRequest, caller: Ops, desk: At) -> Upload:
    """All parts are there: put them together; whether they are what was sent is checked beside."""
    return desk.checks.see(desk.service.complete(caller, upload_id, wanted.sha256))


@api.delete("/{upload_id}")
def give_up(upload_id: str, caller: Ops, desk: At) -> Upload:
    """Free what was uploaded."""
    return desk.service.give_up(caller, upload_id)


@api.get("/{upload_id}/plan")
def plan(
    upload_id: str, response: Response, caller: Ops, desk: At, profile: Profile = "standard"
) -> PlanReport | Working:
    """What is in the master and what would be made of it; 202 while it is looked at."""
    upload = _ready(desk, caller, upload_id)
    piece = f"{upload_id}:{upload.sha256}:{profile}"
    future = desk.plans.ask(piece, lambda: plan_of(desk.place, upload, profile))
    found = _if_done(future, response, lambda: desk.plans.forget(piece))
    if isinstance(found, Working):
        return found
    report, planned = found
    return report if planned is None else with_outlook(desk.place.settings, report, outlook_of(desk.place, planned))


@api.get("/{upload_id}/findings")
def findings(
    upload_id: str, response: Response, caller: Ops, desk: At, profile: Profile = "standard"
) -> Findings | Working:
    """What is wrong with the whole master, as its profile judges; 202 while it is decoded."""
    upload = _ready(desk, caller, upload_id)
    piece = f"{upload_id}:{upload.sha256}:{profile}"
    future = desk.findings.ask(piece, lambda: findings_of(desk.place, upload, profile))
    return _if_done(future, response, lambda: desk.findings.forget(piece))


@api.post("/{upload_id}/start")
def start_release(upload_id: str, wanted: TitleStart, caller: Ops, desk: At) -> Submitted:
    """A person pressed Start: submit the title."""
    params = submission(desk.place, desk.service, desk.service.own(caller, upload_id), wanted)
    submitted = desk.submit(desk.place, params)
    if not (submitted.attached or submitted.already_live):
        desk.record(desk.place, change_of(submitted, caller, params))
    return submitted


router.include_router(api)


def _ready(desk: Desk, caller: Caller, upload_id: str) -> Upload:
    upload = desk.checks.see(desk.service.own(caller, upload_id))
    if upload.state is not UploadState.READY or upload.kind != "master":
        message = f"{upload.name} is {upload.kind}, {upload.state}: only a master that is ready is planned."
        raise UploadRefused(message)
    return upload


def _if_done(future: Future[T], response: Response, forget: Callable[[], None]) -> T | Working:
    if not future.done():
        response.status_code = HTTPStatus.ACCEPTED
        return Working()
    if future.exception() is not None:
        forget()  # told once; the next look tries again
    return future.result()
