"""Uploads in the registry: every query of the table ``uploads``."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, update
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
            return _upload(row) if row else None

    def get(self, upload_id: str) -> Upload:
        found = self.find(upload_id)
        if found is None:
            message = f"There is no upload {upload_id}."
            raise NotFound(message)
        return found

    def change(self, upload_id: str, states: set[UploadState], change: Callable[[Upload], Upload]) -> Upload:
        """Apply ``change`` when the upload is in one of ``states``; as it is otherwise.

        By compare-and-set: of two changes at once each sees the other's, and none is lost.
        """
        while True:
            upload = self.get(upload_id)
            if upload.state not in states:
                return upload
            changed = change(upload)
            if self._replace(upload, changed):
                return changed

    def touch(self, upload_id: str, now: datetime) -> None:
        """It is still being worked on."""
        mine = (UploadRow.upload_id == upload_id, UploadRow.state == UploadState.UPLOADING)
        with self._registry.transaction() as session:
            session.execute(update(UploadRow).where(*mine).values(updated_at=now))

    def _replace(self, old: Upload, new: Upload) -> bool:
        as_it_was = (
            UploadRow.upload_id == old.upload_id,
            UploadRow.state == old.state,
            UploadRow.updated_at == old.updated_at,
        )
        values = {"who": new.who, "state": new.state, "updated_at": new.updated_at, "body": new.model_dump(mode="json")}
        with self._registry.transaction() as session:
            done = session.execute(update(UploadRow).where(*as_it_was).values(**values))
            return bool(getattr(done, "rowcount", 0))

    def listed(
        self,
        *,
        who: str | None = None,
        states: set[UploadState] | None = None,
        before: datetime | None = None,
        limit: int = 500,
    ) -> tuple[Upload, ...]:
        """The newest change first; only those of ``who``, in ``states``, at rest since ``before``, where given."""
        wanted = select(UploadRow).order_by(UploadRow.updated_at.desc()).limit(limit)
        if who is not None:
            wanted = wanted.where(UploadRow.who == who)
        if states is not None:
            wanted = wanted.where(UploadRow.state.in_(states))
        if before is not None:
            wanted = wanted.where(UploadRow.updated_at < before)
        with self._registry.transaction() as session:
            return tuple(_upload(row) for row in session.scalars(wanted))


def _upload(row: UploadRow) -> Upload:
    return Upload.model_validate({**row.body, "who": row.who, "state": row.state, "updated_at": row.updated_at})
