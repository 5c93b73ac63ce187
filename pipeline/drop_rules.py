"""What a dropped master asks for, and when it may be taken. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from urllib.parse import quote

import yaml
from pydantic import ValidationError

from telecine.document import Document, UtcTime, digest_of
from telecine.errors import SourceRejected
from telecine.registry.drops import Drop
from telecine.title import SubmitRequest

__all__ = [
    "CLAIM_S",
    "MASTERS",
    "SETTLE_S",
    "Dropped",
    "Seen",
    "content_fingerprint",
    "masters_among",
    "may_be_taken",
    "params_of",
]

SETTLE_S = 5.0
"""A file is whole when it was the same twice, this many seconds apart, and was not written to for as long."""

CLAIM_S = 900.0
"""A claim that rests for so long is that of a scanner that died."""

_SOUNDS = frozenset({".wav", ".flac"})
MASTERS = frozenset({".mov", ".mp4", ".m4v", ".mxf", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mpg"}) | _SOUNDS
_FIELDS = frozenset(SubmitRequest.model_fields) - {"master_uri", "sound_uri"}
_MOST_YAML_BYTES = 1 << 20


class Seen(Document):
    """A file of a watched place. ``version`` changes with its bytes: time of change, or ETag.

    ``changed_at`` None: the place never shows a file half written (an object store).
    """

    name: str
    uri: str
    size_bytes: int
    version: str
    changed_at: UtcTime | None = None


class Dropped(Document):
    """A master and what lies beside it under its name."""

    master: Seen
    title: Seen | None = None
    sound: Seen | None = None

    @property
    def fingerprint(self) -> str:
        """Of the master and its sidecars as they are now: a mended sidecar is a new try."""
        files = [self.master, self.title, self.sound]
        return digest_of("drop", [(one.uri, one.size_bytes, one.version) if one else None for one in files])

    @property
    def files(self) -> tuple[Seen, ...]:
        return tuple(one for one in (self.master, self.title, self.sound) if one)


def content_fingerprint(sha256: str) -> str:
    """Of a master's bytes, wherever they lie and whatever they are called."""
    return digest_of("dropped bytes", sha256)


def masters_among(files: Sequence[Seen]) -> tuple[Dropped, ...]:
    """Masters with their sidecars; hidden, empty and ``.part`` files are none.

    A file of sound alone is one only with a ``NAME.title.yaml``: otherwise it may be another master's sound.
    """
    named = {one.name: one for one in files}
    found = []
    for one in sorted(files, key=lambda seen: seen.name):
        path = PurePosixPath(one.name)
        if path.suffix.lower() not in MASTERS or one.name.startswith(".") or one.size_bytes == 0:
            continue
        sidecars = {kind: named.get(f"{path.stem}.{kind}.yaml") for kind in ("title", "audio")}
        if path.suffix.lower() in _SOUNDS and sidecars["title"] is None:
            continue
        found.append(Dropped(master=one, title=sidecars["title"], sound=sidecars["audio"]))
    return tuple(found)


def may_be_taken(dropped: Dropped, before: Drop, now: datetime) -> bool:
    """``before``: the same files as they were seen first, unchanged."""
    since = now - timedelta(seconds=SETTLE_S)
    rests = all(one.changed_at is None or one.changed_at <= since for one in dropped.files)
    return before.waits and before.seen_at <= since and rests


def params_of(dropped: Dropped, title_yaml: bytes | None) -> Mapping[str, object]:
    """The fields of a submission. Raises SourceRejected with one sentence for every mistake of the sidecar."""
    if dropped.title is None or title_yaml is None:
        fields: Mapping[str, object] = {}
    else:
        fields = _fields(title_yaml, dropped.title.name)
    texts = fields.get("texts") or []
    if not isinstance(texts, list):
        raise SourceRejected(f"{_title_name(dropped)}: texts: a list was expected, found {type(texts).__name__}.")
    beside = [_beside(dropped, text) for text in texts]
    params = {"name": PurePosixPath(dropped.master.name).stem.replace("_", " "), **fields}
    return {**params, "texts": beside, "master_uri": dropped.master.uri}


def _fields(content: bytes, name: str) -> Mapping[str, object]:
    if len(content) > _MOST_YAML_BYTES:
        raise SourceRejected(f"{name} has {len(content)} bytes; {_MOST_YAML_BYTES} at most were expected.")
    try:
        found = yaml.safe_load(content.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceRejected(f"{name} is not valid YAML: {' '.join(str(error).split())}.") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise SourceRejected(f"{name}: fields were expected, as 'profile: standard', found {type(found).__name__}.")
    unknown = sorted(str(field) for field in found if field not in _FIELDS)
    if unknown:
        known = ", ".join(sorted(_FIELDS))
        raise SourceRejected(f"{name} has the unknown field {', '.join(unknown)}; known are: {known}.")
    _check(found, name)
    return found


def _check(found: dict[str, object], name: str) -> None:
    """Whatever can be told of values before the master is looked at."""
    try:
        SubmitRequest.model_validate({"master_uri": "file:///x", "title_id": "x", "name": "x", **found, "texts": ()})
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SourceRejected(f"{name} has mistakes: {'; '.join(faults)}.") from None


def _beside(dropped: Dropped, text: object) -> object:
    """A text of the sidecar with its address: only files of the master's own folder are read."""
    named = text.get("uri") if isinstance(text, dict) else text
    if not isinstance(named, str) or "://" in named or named.startswith("/") or ".." in PurePosixPath(named).parts:
        raise SourceRejected(f"{_title_name(dropped)}: texts: a file beside the master was expected, found {named!r}.")
    folder = dropped.master.uri.rpartition("/")[0]
    uri = f"{folder}/{quote(named, safe='/:')}"
    return {**text, "uri": uri} if isinstance(text, dict) else uri


def _title_name(dropped: Dropped) -> str:
    return dropped.title.name if dropped.title else dropped.master.name
