"""Tables of the registry. Change them only together with a migration."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
    false,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "Base",
    "ChangeRow",
    "ChunkRow",
    "DispatcherRow",
    "DropRow",
    "JobRow",
    "LicenceRow",
    "NoticeRow",
    "TitleRow",
    "UploadRow",
    "UtcDateTime",
    "VersionRow",
]


class UtcDateTime(TypeDecorator[datetime]):
    """A time with zone, kept in UTC: SQLite forgets zones, so they are put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        found: datetime = value
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""


class TitleRow(Base):
    """One title."""

    __tablename__ = "titles"

    title_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    profile: Mapped[str] = mapped_column(String(64))
    priority: Mapped[str] = mapped_column(String(16))
    launch_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    master_uri: Mapped[str] = mapped_column(Text)
    master_sha256: Mapped[str | None] = mapped_column(String(64))
    stage: Mapped[str] = mapped_column(String(16))
    problem: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[str | None] = mapped_column(String(250))
    live: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    live_sha256: Mapped[str | None] = mapped_column(String(64))
    live_profile: Mapped[str | None] = mapped_column(String(64))
    documents: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    encode_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    encode_attempt: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    held: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    remaining_s: Mapped[float | None] = mapped_column(Float)


class JobRow(Base):
    """One encode job of one title; ``body`` is the whole EncodeJob as JSON."""

    __tablename__ = "encode_jobs"
    __table_args__ = (
        # in the order of dispatch, and with all that progress counts: bodies of thousands of jobs are never read for it
        Index("ix_encode_jobs_order", "title_id", "state", "queue", "sends", "position", "may_fall_back", "units"),
        Index("ix_encode_jobs_fell_back", "title_id", "fell_back"),
    )

    title_id: Mapped[str] = mapped_column(ForeignKey("titles.title_id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    sends: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    units: Mapped[int] = mapped_column(Integer)
    queue: Mapped[str] = mapped_column(String(16))
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text, deferred=True)
    may_fall_back: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    fell_back: Mapped[str | None] = mapped_column(Text)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LicenceRow(Base):
    """One answer of the licence service; ``body`` is the whole LicenceRecord as JSON. Never changed."""

    __tablename__ = "licence_audit"
    __table_args__ = (
        Index("ix_licence_audit_title", "title_id", "id"),
        Index("ix_licence_audit_user", "user", "id"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    title_id: Mapped[str | None] = mapped_column(String(63))
    user: Mapped[str | None] = mapped_column(String(128))
    outcome: Mapped[str] = mapped_column(String(16))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class ChangeRow(Base):
    """One thing a person did to a title; ``body`` is the whole TitleChange as JSON. Never changed."""

    __tablename__ = "title_audit"
    __table_args__ = (Index("ix_title_audit_title", "title_id", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    title_id: Mapped[str] = mapped_column(String(63))
    who: Mapped[str] = mapped_column(String(128))
    action: Mapped[str] = mapped_column(String(32))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class ChunkRow(Base):
    """What one job cost a worker: what forecasts are made of. ``features`` names jobs that cost alike."""

    __tablename__ = "chunk_history"
    __table_args__ = (Index("ix_chunk_history_features", "features", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    features: Mapped[str] = mapped_column(String(250))
    seconds: Mapped[float] = mapped_column(Float)
    units: Mapped[int] = mapped_column(Integer)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class VersionRow(Base):
    """One version of a title that was published; ``body`` is its Publication and what it was made of, as JSON."""

    __tablename__ = "title_versions"

    title_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    version: Mapped[str] = mapped_column(String(32), primary_key=True)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    live_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class UploadRow(Base):
    """One upload from a browser, in parts; ``body`` is the whole Upload as JSON."""

    __tablename__ = "uploads"
    __table_args__ = (Index("ix_uploads_who", "who", "updated_at"),)

    upload_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    who: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class DropRow(Base):
    """One file found in a watched folder or prefix; its fingerprint is taken once, whoever scans."""

    __tablename__ = "drops"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    uri: Mapped[str] = mapped_column(Text)
    title_id: Mapped[str | None] = mapped_column(String(63))
    problem: Mapped[str | None] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class NoticeRow(Base):
    """One event to tell the world of, until it was told; ``once`` is its identity, so it is told once."""

    __tablename__ = "notices"
    __table_args__ = (Index("ix_notices_due", "sent_at", "due_at"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    once: Mapped[str] = mapped_column(String(200), unique=True)
    title_id: Mapped[str] = mapped_column(String(63))
    event: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    attempts: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str | None] = mapped_column(Text)


class DispatcherRow(Base):
    """One row: who dispatches now, and until when. Others may take over after that. ``turn``: dispatches so far."""

    __tablename__ = "dispatcher"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    turn: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
