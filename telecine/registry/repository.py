"""The registry's door: every query of titles is here; those of the encode queue are in ``telecine.registry.queue``."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event, select, update
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from telecine.errors import NotFound, Unavailable
from telecine.order import Place
from telecine.publication import Pointer
from telecine.registry.models import TitleRow
from telecine.registry.records import Stage, TitleRecord
from telecine.title import SubmitRequest

__all__ = ["Registry", "record_of"]

_MIGRATIONS = Path(__file__).parent / "migrations"


class Registry:
    """Titles and their progress, in SQLite (embedded) or any database SQLAlchemy reaches.

    Every method is one transaction. Raises Unavailable when the database does not answer or stays locked.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)

    def migrate(self) -> None:
        """Bring the schema to the newest revision. Idempotent."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with self._engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction; Unavailable instead of the driver's error when the database cannot be reached."""
        try:
            with self._sessions.begin() as session:
                yield session
        except OperationalError as error:
            message = f"The title registry does not answer: {error.orig}"
            raise Unavailable(message) from error

    def submit(self, request: SubmitRequest, run_id: str | None) -> TitleRecord:
        """Create the title, or start a new version of it. What is live stays live until the new version is.

        The same run again leaves class and launch time as they are: they may have been changed since it started.
        """
        now = datetime.now(UTC)
        with self.transaction() as session:
            row = session.get(TitleRow, request.title_id)
            if row is None:
                row = TitleRow(title_id=request.title_id, created_at=now)
                session.add(row)
            if row.run_id != run_id or run_id is None:
                row.stage, row.problem, row.documents = Stage.SUBMITTED, None, {}
                row.priority, row.launch_at, row.remaining_s = request.priority, request.launch_at, None
            row.name, row.profile, row.master_uri = request.name, request.profile, request.master_uri
            row.run_id, row.updated_at = run_id, now
            session.flush()
            return record_of(row)

    def title(self, title_id: str) -> TitleRecord:
        """Raises NotFound."""
        with self.transaction() as session:
            return record_of(_row(session, title_id))

    def titles(self) -> tuple[TitleRecord, ...]:
        """All titles, the newest change first."""
        with self.transaction() as session:
            return tuple(
                record_of(row) for row in session.scalars(select(TitleRow).order_by(TitleRow.updated_at.desc()))
            )

    def live_pointer(self, title_id: str) -> Pointer | None:
        """What viewers get, None when the title is unknown or was never live."""
        with self.transaction() as session:
            row = session.get(TitleRow, title_id)
            return None if row is None or row.live is None else Pointer.model_validate(row.live)

    def enter(self, title_id: str, stage: Stage) -> None:
        """The title is at ``stage`` now."""
        with self.transaction() as session:
            row = _row(session, title_id)
            row.stage, row.problem, row.updated_at = stage, None, datetime.now(UTC)

    def ask(self, title_id: str, sentence: str) -> None:
        """The title waits for a person, who reads ``sentence`` in lists meanwhile."""
        with self.transaction() as session:
            row = _row(session, title_id)
            row.stage, row.problem, row.updated_at = Stage.APPROVE, sentence, datetime.now(UTC)

    def fail(self, title_id: str, stage: Stage, problem: str) -> None:
        """The title ended as rejected, failed or cancelled, with the sentence a person reads.

        What fails because it was cancelled leaves it cancelled.
        """
        with self.transaction() as session:
            row = session.get(TitleRow, title_id)
            if row is not None and row.stage != Stage.CANCELLED:
                row.stage, row.problem, row.updated_at = stage, problem, datetime.now(UTC)

    def remember_master(self, title_id: str, sha256: str) -> None:
        """Which bytes the current run works on."""
        with self.transaction() as session:
            _row(session, title_id).master_sha256 = sha256

    def remember_document(self, title_id: str, name: str, key: str) -> None:
        """Where a document of the current run is in the work store, for ``telecine show``."""
        with self.transaction() as session:
            row = _row(session, title_id)
            row.documents = {**row.documents, name: key}

    def title_of_run(self, run_id: str) -> TitleRecord | None:
        """The title a run works on; None when it works on none, or another run took over from it."""
        with self.transaction() as session:
            row = session.scalars(select(TitleRow).where(TitleRow.run_id == run_id)).first()
            return record_of(row) if row is not None else None

    def place_of_run(self, run_id: str) -> Place | None:
        """The place in the order of the title a run works on; None when it works on none."""
        found = self.title_of_run(run_id)
        return found.place if found is not None else None

    def forecast(self, remaining_s: dict[str, float]) -> None:
        """Wall seconds that titles still need when served first, by title id: what their slack is reckoned by."""
        with self.transaction() as session:
            for title_id, seconds in remaining_s.items():
                session.execute(update(TitleRow).where(TitleRow.title_id == title_id).values(remaining_s=seconds))

    def set_live(self, title_id: str, pointer: Pointer, *, partial: bool = False) -> None:
        """The pointer was flipped: the current run's master and profile are what viewers get.

        Not the whole profile where the version is ``partial``: submitted again, the title is not current.
        """
        with self.transaction() as session:
            row = _row(session, title_id)
            row.live = pointer.model_dump(mode="json")
            row.live_sha256, row.live_profile = row.master_sha256, None if partial else row.profile
            row.stage, row.problem, row.updated_at = Stage.LIVE, None, datetime.now(UTC)


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _tune(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # a DB-API connection
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine


def _row(session: Session, title_id: str) -> TitleRow:
    row = session.get(TitleRow, title_id)
    if row is None:
        message = f"There is no title '{title_id}' in the registry."
        raise NotFound(message)
    return row


def record_of(row: TitleRow) -> TitleRecord:
    """A row as the rest of the world knows it."""
    return TitleRecord(
        title_id=row.title_id,
        name=row.name,
        profile=row.profile,
        priority=row.priority,
        launch_at=row.launch_at,
        master_uri=row.master_uri,
        master_sha256=row.master_sha256,
        stage=row.stage,
        problem=row.problem,
        run_id=row.run_id,
        live=row.live,
        live_sha256=row.live_sha256,
        live_profile=row.live_profile,
        documents=row.documents or {},
        created_at=row.created_at,
        updated_at=row.updated_at,
        held=row.held,
        remaining_s=row.remaining_s,
    )
