"""Uploads, whoever restarts in between: their state is in the registry, their bytes in the store, nothing here."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

from board.access import Caller
from board.uploads.repository import UploadRepository
from board.uploads.rules import UploadRefused, check_request, content_type, part_bytes, upload_id_of
from board.uploads.schemas import SignedParts, StartRequest, Upload, UploadState, UploadView
from pipeline.installation import Installation
from telecine.document import Sha256
from telecine.errors import NotFound
from telecine.log import get_logger
from telecine.storage.multipart import MultipartStore, StoredPart

__all__ = ["UploadService", "forget_stale_uploads", "multipart_store"]

log = get_logger("board.uploads")

_EXPIRES_S = 6 * 3600
_OPEN = {UploadState.UPLOADING}
_OVER = {UploadState.WRONG, UploadState.GIVEN_UP}


def multipart_store(place: Installation) -> MultipartStore:
    """The work bucket, which an installation always has on S3."""
    return cast("MultipartStore", place.open_bucket(place.settings.work_bucket))


class UploadService:
    """What a page does with uploads. All calls block; NotFound also where an upload is somebody else's."""

    def __init__(self, place: Installation, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._place = place
        self._clock = clock
        self.uploads = UploadRepository(place.registry)
        self.store = multipart_store(place)

    def start(self, caller: Caller, wanted: StartRequest) -> UploadView:
        """Open an upload, or find the one of the same file again. Raises UploadRefused."""
        check_request(wanted)
        upload_id = upload_id_of(wanted.delivery, wanted.name)
        known = self.uploads.find(upload_id)
        if known is None or (known.state in _OVER and self._mine(caller, known)):
            self._open(caller, wanted, upload_id, known)
        return self._continued(caller, wanted, upload_id)

    def view(self, caller: Caller, upload_id: str) -> UploadView:
        """An upload and the parts that are there."""
        upload = self.own(caller, upload_id)
        if upload.state is not UploadState.UPLOADING:
            return UploadView(upload=upload)
        try:
            return UploadView(upload=upload, parts=self.store.list_parts(upload.key, upload.multipart_id))
        except NotFound:  # completed in the store while somebody died, or given up by the store's own rules
            return UploadView(upload=self._reopened(upload))

    def listed(self, caller: Caller) -> tuple[Upload, ...]:
        """The caller's uploads that are not given up; a manager's view holds everybody's."""
        states = set(UploadState) - {UploadState.GIVEN_UP}
        return self.uploads.listed(who=None if caller.role == "manager" else caller.name, states=states)

    def sign(self, caller: Caller, upload_id: str, numbers: tuple[int, ...]) -> SignedParts:
        """Addresses for parts. Raises UploadRefused for numbers it has not, or when it takes no more parts."""
        upload = self.own(caller, upload_id)
        _require_open(upload)
        for number in numbers:
            if not 1 <= number <= upload.parts_total:
                message = f"{upload.name} has the parts 1 to {upload.parts_total}; there is no part {number}."
                raise UploadRefused(message)
        self.uploads.touch(upload_id, self._clock())
        urls = {
            number: self.store.presign_part(upload.key, upload.multipart_id, number, expires_s=_EXPIRES_S)
            for number in numbers
        }
        return SignedParts(urls=urls, expires_s=_EXPIRES_S)

    def complete(self, caller: Caller, upload_id: str, sha256: Sha256) -> Upload:
        """Put the parts together and have the whole checked. Again is fine. Raises UploadRefused when parts lack."""
        upload = self.own(caller, upload_id)
        if upload.state in {UploadState.CHECKING, UploadState.READY}:
            return upload
        _require_open(upload)
        self._assemble(upload)
        now = self._clock()
        log.info("upload.complete", upload=upload_id, name=upload.name, bytes=upload.size_bytes, who=caller.name)
        return self.uploads.change(
            upload_id,
            _OPEN,
            lambda found: found.model_copy(update={"state": UploadState.CHECKING, "sha256": sha256, "updated_at": now}),
        )

    def give_up(self, caller: Caller, upload_id: str) -> Upload:
        """Free what was uploaded. Idempotent."""
        return _give_up(self, self.own(caller, upload_id), self._clock())

    def own(self, caller: Caller, upload_id: str) -> Upload:
        """The upload, when it is the caller's, or the caller is a manager. Raises NotFound."""
        found = self.uploads.get(upload_id)
        if not self._mine(caller, found):
            message = f"There is no upload {upload_id}."  # nor that there is one of somebody else
            raise NotFound(message)
        return found

    @staticmethod
    def _mine(caller: Caller, upload: Upload) -> bool:
        return caller.role == "manager" or upload.who == caller.name

    def _open(self, caller: Caller, wanted: StartRequest, upload_id: str, over: Upload | None) -> None:
        self.store.allow_pages()
        key = f"masters/{wanted.delivery}/{wanted.name}"
        if over is not None:
            self.store.delete(key)
        now = self._clock()
        upload = Upload(
            upload_id=upload_id,
            who=caller.name,
            delivery=wanted.delivery,
            name=wanted.name,
            kind=wanted.kind,
            size_bytes=wanted.size_bytes,
            part_bytes=part_bytes(wanted.size_bytes, self._place.settings.upload_part_bytes),
            title=wanted.title,
            key=key,
            multipart_id=self.store.create_multipart(key, content_type=content_type(wanted.name)),
            state=UploadState.UPLOADING,
            created_at=now,
            updated_at=now,
        )
        taken = self.uploads.change(upload_id, _OVER, lambda _: upload) == upload if over else self.uploads.add(upload)
        if not taken:  # another window was quicker: its upload is the one
            self.store.abort_multipart(key, upload.multipart_id)

    def _continued(self, caller: Caller, wanted: StartRequest, upload_id: str) -> UploadView:
        found = self.view(caller, upload_id)
        if found.upload.size_bytes != wanted.size_bytes:
            message = (
                f"{wanted.name} is being uploaded with {found.upload.size_bytes} bytes, and this file of that name has "
                f"{wanted.size_bytes}: give the other one up first, or rename this one."
            )
            raise UploadRefused(message)
        return found

    def _assemble(self, upload: Upload) -> None:
        if self._is_assembled(upload):
            return
        parts = self.store.list_parts(upload.key, upload.multipart_id)
        _require_all(upload, parts)
        self.store.complete_multipart(upload.key, upload.multipart_id, parts)

    def _is_assembled(self, upload: Upload) -> bool:
        """The store put it together before the registry was told."""
        stored = self.store.head(upload.key)
        if stored is None or stored.size_bytes != upload.size_bytes:
            return False
        try:
            self.store.list_parts(upload.key, upload.multipart_id)
        except NotFound:
            return True
        return False

    def _reopened(self, upload: Upload) -> Upload:
        """As it is when only the registry was not told; otherwise with all parts to send again."""
        if self._is_assembled(upload):
            return upload
        multipart_id = self.store.create_multipart(upload.key, content_type=content_type(upload.name))
        return self.uploads.change(
            upload.upload_id, _OPEN, lambda found: found.model_copy(update={"multipart_id": multipart_id})
        )


def forget_stale_uploads(place: Installation, now: datetime) -> tuple[Upload, ...]:
    """Give up what nobody went on with for the configured days. Idempotent; returns what was given up."""
    service = UploadService(place, lambda: now)
    before = now - timedelta(days=place.settings.upload_days)
    stale = service.uploads.listed(states={UploadState.UPLOADING, UploadState.WRONG}, before=before)
    return tuple(_give_up(service, upload, now) for upload in stale)


def _give_up(service: UploadService, upload: Upload, now: datetime) -> Upload:
    service.store.abort_multipart(upload.key, upload.multipart_id)
    changed = service.uploads.change(
        upload.upload_id,
        {UploadState.UPLOADING, UploadState.WRONG},
        lambda found: found.model_copy(update={"state": UploadState.GIVEN_UP, "updated_at": now}),
    )
    if changed.state is UploadState.GIVEN_UP:
        service.store.delete(upload.key)
    return changed


def _require_open(upload: Upload) -> None:
    if upload.state is not UploadState.UPLOADING:
        message = f"{upload.name} takes no more parts: it is {upload.state}. {upload.problem or ''}".rstrip()
        raise UploadRefused(message)


def _require_all(upload: Upload, parts: tuple[StoredPart, ...]) -> None:
    there = {part.number: part.size_bytes for part in parts}
    last = upload.size_bytes - (upload.parts_total - 1) * upload.part_bytes
    wrong = [
        number
        for number in range(1, upload.parts_total + 1)
        if there.get(number) != (last if number == upload.parts_total else upload.part_bytes)
    ]
    if wrong or len(there) != upload.parts_total:
        shown = ", ".join(map(str, wrong[:5])) or "more than expected"
        message = f"{upload.name} is not whole: of {upload.parts_total} parts these lack or differ in size: {shown}."
        raise UploadRefused(message)
