"""Whether what arrived is what was sent: the whole object's SHA-256, computed here from the store's bytes."""

import hashlib
from datetime import UTC, datetime

from board.uploads.background import Background
from board.uploads.schemas import Upload, UploadState
from board.uploads.service import UploadService
from telecine.errors import NotFound
from telecine.log import get_logger

__all__ = ["Checks", "check"]

log = get_logger("board.uploads")

_CHECKING = {UploadState.CHECKING}


class Checks:
    """Checks under way in this process. One whose process died is begun again by whoever looks at the upload next."""

    def __init__(self, service: UploadService) -> None:
        self._service = service
        self._running: Background[Upload] = Background("upload-check")

    def see(self, upload: Upload) -> Upload:
        """The upload; its check goes on beside, when it is due."""
        if upload.state is UploadState.CHECKING:
            # a failed try (a store that is away) is tried again on the next look
            self._running.forget(upload.upload_id)
            self._running.ask(upload.upload_id, lambda: check(self._service, upload.upload_id))
        return upload


def check(service: UploadService, upload_id: str) -> Upload:
    """Read the object through and settle the upload as ready or wrong. Idempotent; Unavailable is for a retry."""
    upload = service.uploads.get(upload_id)
    if upload.state is not UploadState.CHECKING:
        return upload
    try:
        found, size_bytes = _digest(service, upload.key)
    except NotFound:
        problem: str | None = f"{upload.name} is no longer in the store: upload it again."
    else:
        problem = None
        if (found, size_bytes) != (upload.sha256, upload.size_bytes):
            problem = (
                f"{upload.name} arrived damaged: the browser read {upload.size_bytes} bytes with the SHA-256 "
                f"{upload.sha256}, the store has {size_bytes} with {found}. Upload it again."
            )
    state = UploadState.WRONG if problem else UploadState.READY
    log.info("upload.checked", upload=upload_id, name=upload.name, state=state)
    now = datetime.now(UTC)
    return service.uploads.change(
        upload_id,
        _CHECKING,
        lambda one: one.model_copy(update={"state": state, "problem": problem, "updated_at": now}),
    )


def _digest(service: UploadService, key: str) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    for block in service.store.blocks(key):
        digest.update(block)
        size_bytes += len(block)
    return digest.hexdigest(), size_bytes
