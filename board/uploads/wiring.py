"""The working parts of uploads, made once for an application when the first request needs them."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from fastapi import FastAPI

from board.uploads.background import Background
from board.uploads.checking import Checks
from board.uploads.planning import Findings, PlanReport
from board.uploads.schemas import UploadView
from board.uploads.service import UploadService
from encoders.documents import EncodePlan
from pipeline.installation import Installation
from pipeline.release import Submitted, submit_title
from telecine.changes import TitleChange
from telecine.registry.changes import ChangeLog

__all__ = ["Desk", "desk_of"]

_making = threading.Lock()


def _record(place: Installation, change: TitleChange) -> None:
    ChangeLog(place.registry).record(change)


@dataclass(frozen=True, slots=True)
class Desk:
    """What endpoints of uploads work with."""

    place: Installation
    service: UploadService
    checks: Checks
    submit: Callable[[Installation, Mapping[str, object]], Submitted] = submit_title
    record: Callable[[Installation, TitleChange], None] = _record
    plans: Background[tuple[PlanReport, EncodePlan | None]] = field(
        default_factory=lambda: Background("upload-plan", at_once=1)
    )
    findings: Background[Findings] = field(default_factory=lambda: Background("upload-findings", at_once=1))

    def seen(self, view: UploadView) -> UploadView:
        """The view; a check that is due goes on beside."""
        self.checks.see(view.upload)
        return view


def desk_of(app: FastAPI) -> Desk:
    """The desk of an application; ``app.state.place_of`` opens the installation."""
    with _making:
        found = getattr(app.state, "upload_desk", None)
        if found is None:
            place = cast("Callable[[], Installation]", app.state.place_of)()
            service = UploadService(place)
            found = app.state.upload_desk = Desk(place, service, Checks(service))
        return cast("Desk", found)
