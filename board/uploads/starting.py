"""From an uploaded delivery to a title: the master with its sidecars, submitted as any other."""

from collections.abc import Mapping
from datetime import UTC, datetime

from board.access import Caller
from board.uploads.planning import uri_of_upload
from board.uploads.rules import UploadRefused, launch_time
from board.uploads.schemas import TitleStart, Upload, UploadState
from board.uploads.service import UploadService
from pipeline.gathering import gather
from pipeline.installation import Installation
from pipeline.release import Submitted
from telecine.changes import TitleChange

__all__ = ["change_of", "submission"]


def submission(place: Installation, service: UploadService, master: Upload, wanted: TitleStart) -> Mapping[str, object]:
    """What to submit. Raises UploadRefused while a file of the delivery is not ready, or says too little."""
    if master.kind != "master" or master.state is not UploadState.READY:
        message = f"{master.name} is {master.kind}, {master.state}: a title starts from a master that is ready."
        raise UploadRefused(message)
    beside = _beside(service, master)
    launch_at = launch_time(wanted.launch_local, wanted.zone)
    return {
        **_sources(place, master, [one for one in beside if one.kind == "audio"]),
        "title_id": wanted.title_id,
        "name": wanted.name,
        "profile": wanted.profile,
        "priority": wanted.priority.value,
        "launch_at": launch_at.isoformat() if launch_at else None,
        "texts": [_text(place, one, wanted) for one in beside if one.kind == "subtitles"],
    }


def change_of(submitted: Submitted, caller: Caller, params: Mapping[str, object]) -> TitleChange:
    """The entry of the audit."""
    fields = ("master_uri", "profile", "priority", "launch_at")
    after = {name: str(params[name]) if params[name] is not None else None for name in fields}
    return TitleChange(
        at=datetime.now(UTC), title_id=submitted.title_id, who=caller.name, action="submit", after=after, why="upload"
    )


def _beside(service: UploadService, master: Upload) -> list[Upload]:
    """The other files of the delivery, by the same person. Raises UploadRefused when one is on its way still."""
    states = set(UploadState) - {UploadState.GIVEN_UP}
    found = [
        one
        for one in service.uploads.listed(who=master.who, states=states)
        if one.delivery == master.delivery and one.kind != "master"
    ]
    for one in found:
        if one.state is not UploadState.READY:
            message = f"{one.name} is {one.state}: wait for it, or give it up."
            raise UploadRefused(message)
    return found


def _sources(place: Installation, master: Upload, sounds: list[Upload]) -> dict[str, object]:
    """The master where it was uploaded to; with a sidecar of sound, a folder of this machine with all of them."""
    if not sounds:
        return {"master_uri": uri_of_upload(place, master)}
    sidecars = [one for one in sounds if one.name.endswith((".yaml", ".yml"))]
    if len(sidecars) != 1:
        message = (
            f"Beside {master.name} lie {len(sounds)} files of sound and {len(sidecars)} sidecars: one YAML sidecar "
            "that says what they are was expected."
        )
        raise UploadRefused(message)
    ordered = [master, sidecars[0], *(one for one in sounds if one is not sidecars[0])]
    paths = gather(place, [uri_of_upload(place, one) for one in ordered])
    return {"master_uri": paths[0].as_uri(), "sound_uri": paths[1].as_uri()}


def _text(place: Installation, upload: Upload, wanted: TitleStart) -> dict[str, str]:
    language = wanted.languages.get(upload.upload_id) or _language_of(upload.name)
    if not language:
        message = f"The language of {upload.name} is not given: a tag as en or pt-BR."
        raise UploadRefused(message)
    return {"uri": uri_of_upload(place, upload), "language": language}


def _language_of(name: str) -> str:
    """``film.pt-BR.srt`` says its language; empty where the name does not."""
    parts = name.split(".")
    return parts[-2] if len(parts) > 2 else ""  # noqa: PLR2004 - name, language, ending
