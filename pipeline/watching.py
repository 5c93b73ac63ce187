"""A watched folder and a watched prefix on S3: a master dropped there becomes a title, exactly once.

However often and by however many scanners at once: a file is first only seen; when it is seen unchanged again, its
bytes are hashed, and whoever writes the row of these bytes into the registry submits the title, nobody else.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from pipeline import steps
from pipeline.drop_rules import CLAIM_S, Dropped, Seen, content_fingerprint, masters_among, may_be_taken, params_of
from pipeline.gathering import gather, sound_files
from pipeline.installation import Installation
from pipeline.release import Submitted, submit_title
from pipeline.submission import request_from
from telecine.changes import TitleChange
from telecine.document import Document
from telecine.errors import MissingRequirement, NotFound, TelecineError, Unavailable
from telecine.log import get_logger
from telecine.registry.changes import ChangeLog
from telecine.registry.drops import BEING_STARTED, Drop, Drops
from telecine.storage.keys import bucket_and_key

__all__ = ["DropScan", "scan_drops"]

log = get_logger("pipeline.watching")

Submit = Callable[[Installation, Mapping[str, object]], Submitted]
Outcome = Literal["waits", "started", "known", "refused", "busy", "later"]


class DropResult(Document):
    """What this scan made of one master. ``known``: its bytes are a title's already, or it was dealt with before."""

    uri: str
    outcome: Outcome
    title_id: str | None = None
    problem: str | None = None


class DropScan(Document):
    """One scan of all watched places."""

    places: tuple[str, ...]
    results: tuple[DropResult, ...]


def scan_drops(
    place: Installation, submit: Submit = submit_title, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> DropScan:
    """Look once at every watched place. Raises Unavailable when a place or the registry does not answer.

    A refused master is kept with its sentence and not tried again until it, or a sidecar of it, changes.
    """
    scanner = _Scanner(place, submit, clock)
    places: list[str] = []
    results: list[DropResult] = []
    if place.settings.watch_dir is not None:
        places.append(str(place.settings.watch_dir))
        results += [scanner.look(one) for one in masters_among(_in_folder(place.settings.watch_dir))]
    if place.settings.watch_prefix:
        places.append(place.settings.watch_prefix)
        results += [scanner.look(one) for one in masters_among(_under_prefix(place))]
    return DropScan(places=tuple(places), results=tuple(results))


class _Scanner:
    def __init__(self, place: Installation, submit: Submit, clock: Callable[[], datetime]) -> None:
        self._place = place
        self._submit = submit
        self._clock = clock
        self._drops = Drops(place.registry)

    def look(self, dropped: Dropped) -> DropResult:
        uri = dropped.master.uri
        before = self._drops.find(dropped.fingerprint)
        if before is None:
            self._drops.saw(Drop(fingerprint=dropped.fingerprint, uri=uri, seen_at=self._clock()))
            return DropResult(uri=uri, outcome="waits")
        if not before.waits:
            return DropResult(uri=uri, outcome="known", title_id=before.title_id, problem=before.problem)
        if not may_be_taken(dropped, before, self._clock()):
            return DropResult(uri=uri, outcome="waits")
        try:
            return self._take(dropped)
        except Unavailable as error:
            log.warning("drop.later", uri=uri, why=str(error))
            return DropResult(uri=uri, outcome="later", problem=str(error))
        except TelecineError as error:
            log.info("drop.refused", uri=uri, why=str(error))
            self._drops.settle(dropped.fingerprint, title_id=None, problem=str(error))
            return DropResult(uri=uri, outcome="refused", problem=str(error))

    def _take(self, dropped: Dropped) -> DropResult:
        """Submit the master, unless somebody else does or did."""
        params = self._gathered(dropped, params_of(dropped, self._read(dropped.title)))
        request = request_from(params)
        content = content_fingerprint(steps.register(self._place, request).sha256)
        uri = dropped.master.uri
        claim = Drop(fingerprint=content, uri=uri, problem=BEING_STARTED, seen_at=self._clock())
        if not self._drops.add(claim):
            known = self._drops.find(content)
            if known is None or (known.is_claim and not self._take_over(known)):
                return DropResult(uri=uri, outcome="busy")
            if not known.is_claim:
                self._drops.settle(dropped.fingerprint, title_id=known.title_id)
                return DropResult(uri=uri, outcome="known", title_id=known.title_id)
        return self._start(dropped, content, params)

    def _take_over(self, claim: Drop) -> bool:
        now = self._clock()
        return claim.seen_at < now - timedelta(seconds=CLAIM_S) and self._drops.take_over(claim, now)

    def _start(self, dropped: Dropped, content: str, params: Mapping[str, object]) -> DropResult:
        try:
            title_id = self._submitted(params)
        except TelecineError:
            self._drops.release(content)
            raise
        self._drops.settle(content, title_id=title_id)
        self._drops.settle(dropped.fingerprint, title_id=title_id)
        self._tell(title_id, dropped.master.uri)
        log.info("drop.started", uri=dropped.master.uri, title=title_id)
        return DropResult(uri=dropped.master.uri, outcome="started", title_id=title_id)

    def _tell(self, title_id: str, uri: str) -> None:
        after: dict[str, str | None] = {"master_uri": uri}
        why = "dropped into a watched place"
        change = TitleChange(at=self._clock(), title_id=title_id, who="pipeline", action="submit", after=after, why=why)
        ChangeLog(self._place.registry).record(change)

    def _submitted(self, params: Mapping[str, object]) -> str:
        """A scanner that died may have submitted it already: then the title is there, of this very master."""
        request = request_from(params)
        try:
            record = self._place.registry.title(request.title_id)
        except NotFound:
            return self._submit(self._place, params).title_id
        if record.master_uri == request.master_uri and not record.stage.ended:
            return record.title_id
        return self._submit(self._place, params).title_id

    def _gathered(self, dropped: Dropped, params: Mapping[str, object]) -> Mapping[str, object]:
        """On a disk the sidecar of sound is found beside its master; one on S3 is brought to this machine with it."""
        sound, master = dropped.sound, dropped.master
        if sound is None or not master.uri.startswith("s3:"):
            return params
        folder = master.uri.rpartition("/")[0]
        beside = [f"{folder}/{quote(name)}" for name in sound_files(self._read(sound) or b"", sound.name)]
        paths = gather(self._place, [master.uri, sound.uri, *beside])
        return {**params, "master_uri": paths[0].as_uri(), "sound_uri": paths[1].as_uri()}

    def _read(self, sidecar: Seen | None) -> bytes | None:
        if sidecar is None:
            return None
        url = urlsplit(sidecar.uri)
        if url.scheme == "file":
            return Path(unquote(url.path)).read_bytes()
        bucket, key = bucket_and_key(sidecar.uri)
        return self._place.open_bucket(bucket).get_bytes(key)[0]


def _in_folder(folder: Path) -> list[Seen]:
    """Regular files of the folder itself. Raises MissingRequirement where there is no folder."""
    if not folder.is_dir():
        message = f"The watched folder {folder} does not exist (TELECINE_WATCH_DIR)."
        raise MissingRequirement(message)
    found = []
    for path in folder.absolute().iterdir():
        try:
            status = path.stat()
        except OSError:
            continue  # gone, or a link to nowhere
        if path.is_file():
            found.append(
                Seen(
                    name=path.name,
                    uri=path.as_uri(),
                    size_bytes=status.st_size,
                    version=str(status.st_mtime_ns),
                    changed_at=datetime.fromtimestamp(status.st_mtime, UTC),
                )
            )
    return found


def _under_prefix(place: Installation) -> list[Seen]:
    """Objects right under the prefix. Raises MissingRequirement for an address that is none."""
    url = urlsplit(place.settings.watch_prefix)
    if url.scheme != "s3" or not url.netloc:
        message = (
            f"The watched prefix '{place.settings.watch_prefix}' is not s3://bucket/prefix (TELECINE_WATCH_PREFIX)."
        )
        raise MissingRequirement(message)
    prefix = f"{unquote(url.path).strip('/')}/".lstrip("/")
    return [
        Seen(
            name=one.key.removeprefix(prefix),
            uri=f"s3://{url.netloc}/{quote(one.key)}",
            size_bytes=one.size_bytes,
            version=one.etag,
        )
        for one in place.open_bucket(url.netloc).list(prefix)
        if "/" not in one.key.removeprefix(prefix)
    ]
