"""What jobs and stages cost on this installation, in the registry's table ``chunk_history``; bounded."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Select, case, delete, func, select

from telecine.document import Document, UtcTime
from telecine.registry.models import ChunkRow, JobRow
from telecine.registry.records import JobState
from telecine.registry.repository import Registry

__all__ = ["KEPT", "Took", "WorkHistory", "now_took"]

KEPT = 400
"""Rows kept for each features, the newest: enough for a distribution, and old machines are forgotten."""

_PRIOR_ATTEMPTS, _PRIOR_FAILED = 200, 1
"""What an installation that has done nothing yet is taken to have seen."""


class Took(Document):
    """What one job, or one stage of a title, took.

    ``seconds``: of a slot; ``nominal_s``: what it was reckoned to take; ``content``: the same for all jobs of a master.
    """

    at: UtcTime
    features: str
    seconds: float
    units: int
    nominal_s: float
    content: str = ""

    @property
    def ratio(self) -> float:
        """True by reckoned seconds."""
        return max(self.seconds, 1e-3) / max(self.nominal_s, 1e-3)


class WorkHistory:
    """History by features: words from coarse to fine, joined by slashes."""

    def __init__(self, registry: Registry, kept: int = KEPT) -> None:
        self._registry = registry
        self._kept = kept

    def record(self, took: Iterable[Took]) -> None:
        """Append, and forget the oldest of the same features beyond what is kept."""
        listed = list(took)
        with self._registry.transaction() as session:
            for one in listed:
                body = one.model_dump(mode="json", include={"nominal_s", "content"})
                row = {"at": one.at.astimezone(UTC), "features": one.features, "seconds": one.seconds}
                session.add(ChunkRow(**row, units=one.units, body=body))
            session.flush()
            for features in {one.features for one in listed}:
                mine = select(ChunkRow.id).where(ChunkRow.features == features).order_by(ChunkRow.id.desc())
                oldest = session.scalar(mine.offset(self._kept - 1).limit(1))
                if oldest is not None:
                    session.execute(delete(ChunkRow).where(ChunkRow.features == features, ChunkRow.id < oldest))

    def alike(self, features: str) -> tuple[Took, ...]:
        """Of exactly these features, the newest first."""
        return self._found(select(ChunkRow).where(ChunkRow.features == features))

    def similar(self, features: str, enough: int) -> tuple[Took, ...]:
        """Of features that begin alike: as many words as give ``enough`` rows, down to kind and queue."""
        words = features.split("/")
        found: tuple[Took, ...] = ()
        for count in range(len(words) - 1, 1, -1):
            begin = "/".join(words[:count]) + "/"
            kin = ChunkRow.features.startswith(begin, autoescape=True) & (ChunkRow.features != features)
            found = self._found(select(ChunkRow).where(kin))
            if len(found) >= enough:
                break
        return found

    def failure_rate(self) -> float:
        """The share of attempts at jobs that failed or were lost with their workers, of all jobs still known."""
        done = (JobRow.state == JobState.DONE) & (JobRow.sends > 0)
        spoilt = case((JobRow.sends > 1, JobRow.sends - 1), else_=0)
        counted = select(func.coalesce(func.sum(JobRow.sends), 0), func.coalesce(func.sum(spoilt), 0)).where(done)
        with self._registry.transaction() as session:
            attempts, failed = session.execute(counted).one()
        return float((failed + _PRIOR_FAILED) / (attempts + _PRIOR_ATTEMPTS))

    def _found(self, query: Select[ChunkRow]) -> tuple[Took, ...]:
        with self._registry.transaction() as session:
            rows = session.scalars(query.order_by(ChunkRow.id.desc()).limit(self._kept)).all()
        return tuple(
            Took(at=row.at, features=row.features, seconds=row.seconds, units=row.units, **row.body) for row in rows
        )


def now_took(features: str, seconds: float, units: int, nominal_s: float, content: str = "") -> Took:
    """What has just ended."""
    at = datetime.now(UTC)
    return Took(at=at, features=features, seconds=seconds, units=units, nominal_s=nominal_s, content=content)
