"""From what a person typed to a SubmitRequest, and from there to a run."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from telecine.errors import TelecineError
from telecine.protection import KeyRecord, further_label
from telecine.registry.records import Stage, TitleRecord
from telecine.text import Chapter, TextKind, TextSource
from telecine.title import Priority, SubmitRequest, title_id_from_name

__all__ = ["is_current", "is_rekeyed", "new_run_id", "request_from", "uri_of"]

_KINDS: dict[str, TextKind] = {
    "forced": "forced",
    "sdh": "captions",
    "captions": "captions",
    "subtitles": "subtitles",
}


def uri_of(master: str) -> str:
    """The address of a master: URLs stay, paths become absolute file URIs."""
    if "://" in master:
        return master
    return Path(master).expanduser().absolute().as_uri()


def request_from(params: Mapping[str, object]) -> SubmitRequest:
    """A request from form fields or options; empty ones are made of the master's name. Raises TelecineError."""
    uri = uri_of(str(params.get("master_uri") or ""))
    stem = Path(unquote(urlsplit(uri).path)).stem
    name = str(params.get("name") or "") or stem.replace("_", " ") or "Untitled"
    launch_at = params.get("launch_at") or None
    try:
        return SubmitRequest(
            master_uri=uri,
            title_id=str(params.get("title_id") or "") or title_id_from_name(name),
            name=name[:200],
            profile=str(params.get("profile") or "standard"),
            priority=Priority(str(params.get("priority") or Priority.NORMAL)),
            launch_at=launch_at,
            sound_uri=uri_of(str(params["sound_uri"])) if params.get("sound_uri") else None,
            texts=tuple(_text_of(found) for found in _listed(params.get("texts"))),
            chapters=tuple(Chapter.model_validate(found) for found in _listed(params.get("chapters"))),
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = f"{field}: {first['msg']} (given: {first['input']!r})."
        raise TelecineError(message) from error
    except ValueError as error:
        message = f"{error}; known priorities: {', '.join(Priority)}."
        raise TelecineError(message) from error


def _listed(found: object) -> Sequence[object]:
    return found if isinstance(found, list | tuple) else []


def _text_of(found: object) -> TextSource:
    """A text as a document, or as ``FILE:LANGUAGE[:forced|sdh]``. Raises TelecineError for what is neither."""
    if isinstance(found, TextSource):
        return found
    if not isinstance(found, str):
        return TextSource.model_validate(found)
    rest, _, last = found.rpartition(":")
    kind = _KINDS.get(last, "subtitles")
    file, _, language = rest.rpartition(":") if last in _KINDS else (rest, "", last)
    if not file or "/" in language:
        message = f"The text '{found}': expected FILE:LANGUAGE, FILE:LANGUAGE:forced or FILE:LANGUAGE:sdh."
        raise TelecineError(message)
    return TextSource(uri=uri_of(file), language=language, kind=kind)


def is_current(record: TitleRecord, request: SubmitRequest, master_sha256: str) -> bool:
    """True when exactly this master under this profile is live already, so that there is nothing to do."""
    return (
        record.live is not None
        and record.stage == Stage.LIVE
        and record.live_sha256 == master_sha256
        and record.live_profile == request.profile
    )


def is_rekeyed(record: TitleRecord, keys: Iterable[KeyRecord]) -> bool:
    """True when the next package of a title would have other keys than its live version."""
    if record.live is None:
        return False
    current = {key.label: key.kid for key in keys if key.current}
    used = dict(record.live.kids)
    used |= {further_label(label): kid for found in record.live.further for label, kid in found.kids.items()}
    return any(current.get(label, kid) != kid for label, kid in used.items())


def new_run_id(title_id: str) -> str:
    """A run id that names the title and the moment."""
    return f"{title_id}__{datetime.now(UTC):%Y-%m-%dT%H-%M-%S-%f}"
