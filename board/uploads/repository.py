"""Uploads in the registry: every query of the table ``uploads``."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from board.uploads.schemas import Upload, UploadState
from telecine.errors import NotFound
from telecine.registry.models import UploadRow
from telecine.registry.repository import Registry

__all__ = ["UploadRepository"]


class UploadRepository:
    """Every method is one transaction. Raises NotFound for an upload that is not there, Unavailable as the registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def add(self, upload: Upload) -> bool:
        """False when its id is taken, by whomever."""
        try:
            with self._registry.transaction() as session:
                session.add(
                    UploadRow(
                        upload_id=upload.upload_id,
                        who=upload.who,
                        state=upload.state,
                        created_at=upload.created_at,
                        updated_at=upload.updated_at,
                        body=upload.model_dump(mode="json"),
                    )
                )
        except IntegrityError:
            return False
        return True

    def find(self, upload_id: str) -> Upload | None:
        with self._registry.transaction() as session:
            row = session.get(UploadRow, upload_id)
            return Upload.model_validate(row.body) if row else None

    def get(self, upload_id: str) -> Upload:
        found = self.find(upload_id)
        if found is None:
            message = f"There is no upload {upload_id}."
            raise NotFound(message)
        return found

    def change(self, upload_id: str, states: set[UploadState], change: Callable[[Upload], Upload]) -> Upload:
        """Apply ``change`` when the upload is in one of ``states``; as it is otherwise."""
        with self._registry.transaction() as session:
            row = session.get(UploadRow, upload_id, with_for_update=True)
            if row is None:
                message = f"There is no upload {upload_id}."
                raise NotFound(message)
            upload = Upload.model_validate(row.body)
            if upload.state not in states:
                return upload
            changed = change(upload)
            row.who, row.state, row.updated_at = changed.who, changed.state, changed.updated_at
            row.body = changed.model_dump(mode="json")
            return changed

    def touch(self, upload_id: str, now: datetime) -> None:
        """It is still being worked on."""
        self.change(upload_id, {UploadState.UPLOADING}, lambda found: found.model_copy(update={"updated_at": now}))

    def listed(
        self, *, who: str | None = None, states: set[UploadState] | None = None, before: datetime | None = None
    ) -> tuple[Upload, ...]:
        """The newest change first; only those of ``who``, in ``states``, at rest since ``before``, where given."""
        wanted = select(UploadRow).order_by(UploadRow.updated_at.desc())
        if who is not None:
            wanted = wanted.where(UploadRow.who == who)
        if states is not None:
            wanted = wanted.where(UploadRow.state.in_(states))
        if before is not None:
            wanted = wanted.where(UploadRow.updated_at < before)
        with self._registry.transaction() as session:
            return tuple(Upload.model_validate(row.body) for row in session.scalars(wanted))
