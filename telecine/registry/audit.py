"""The audit of licences: who got or was refused which key, when and why. Appended to, never changed; holds no key."""

from typing import Literal, Protocol

from pydantic import Field
from sqlalchemy import select

from telecine.document import Document, UtcTime
from telecine.protection import Kid
from telecine.registry.models import LicenceRow
from telecine.registry.repository import Registry

__all__ = ["LicenceAudit", "LicenceRecord", "RegistryAudit"]


class LicenceRecord(Document):
    """One answer of the licence service. What a refused request did not prove is None or empty."""

    at: UtcTime
    outcome: Literal["granted", "refused"]
    reason: str = Field(description="'granted', or the code of the refusal")
    system: str = Field(description="clearkey, widevine, playready or fairplay")
    user: str | None = None
    session: str | None = None
    device: str | None = None
    title: str | None = None
    version: str | None = None
    asked: tuple[Kid, ...] = Field(default=(), description="KIDs of the request, as far as it names any")
    granted: tuple[Kid, ...] = ()
    labels: tuple[str, ...] = Field(default=(), description="labels of the granted KIDs")


class LicenceAudit(Protocol):
    """Where answers are written down. Blocking; raises Unavailable when it cannot, and then nothing may be granted."""

    def record(self, record: LicenceRecord) -> None:
        """Append one answer."""
        ...


class RegistryAudit:
    """The audit in the registry's table ``licence_audit``, whose rows SQLite itself refuses to change or delete."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def record(self, record: LicenceRecord) -> None:
        with self._registry.transaction() as session:
            session.add(
                LicenceRow(
                    at=record.at,
                    title_id=record.title,
                    user=record.user,
                    outcome=record.outcome,
                    body=record.model_dump(mode="json"),
                )
            )

    def records(
        self, *, title: str | None = None, user: str | None = None, outcome: str | None = None, limit: int = 100
    ) -> tuple[LicenceRecord, ...]:
        """The newest ``limit`` answers that match, the newest first."""
        wanted = select(LicenceRow).order_by(LicenceRow.id.desc()).limit(limit)
        for column, value in ((LicenceRow.title_id, title), (LicenceRow.user, user), (LicenceRow.outcome, outcome)):
            if value is not None:
                wanted = wanted.where(column == value)
        with self._registry.transaction() as session:
            return tuple(LicenceRecord.model_validate(row.body) for row in session.scalars(wanted))
