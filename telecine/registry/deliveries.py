"""Uploads by their delivery, for who looks after the bucket they lie in."""

from datetime import datetime

from sqlalchemy import select, update

from telecine.registry.models import UploadRow
from telecine.registry.repository import Registry

__all__ = ["Deliveries"]

_READY, _GIVEN_UP = "ready", "given_up"


class Deliveries:
    """Every method is one transaction. Raises Unavailable as the registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def touched(self) -> dict[str, datetime]:
        """When a file of each delivery changed last."""
        found: dict[str, datetime] = {}
        with self._registry.transaction() as session:
            for delivery, at in session.execute(select(UploadRow.body["delivery"].as_string(), UploadRow.updated_at)):
                found[delivery] = max(at, found.get(delivery, at))
        return found

    def digests(self) -> dict[str, set[str]]:
        """SHA-256 of the files of each delivery that arrived whole."""
        found: dict[str, set[str]] = {}
        named = UploadRow.body["delivery"].as_string(), UploadRow.body["sha256"].as_string()
        with self._registry.transaction() as session:
            for delivery, sha256 in session.execute(select(*named).where(UploadRow.state == _READY)):
                found.setdefault(delivery, set()).add(sha256)
        return found

    def removed(self, delivery: str, problem: str) -> None:
        """Its files are gone: the same ones can be uploaded again. When they changed last stays as it was."""
        mine = (UploadRow.body["delivery"].as_string() == delivery, UploadRow.state == _READY)
        with self._registry.transaction() as session:
            for row in session.scalars(select(UploadRow).where(*mine)).all():
                unchanged = (UploadRow.upload_id == row.upload_id, UploadRow.updated_at == row.updated_at)
                values = {"state": _GIVEN_UP, "body": {**row.body, "problem": problem}}
                session.execute(update(UploadRow).where(*unchanged).values(**values))
