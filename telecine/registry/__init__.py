"""The title registry: titles, their progress, their live pointer, and the queue of encode jobs."""

from telecine.registry.records import JobRecord, JobState, Stage, TitleRecord
from telecine.registry.repository import Registry

__all__ = ["JobRecord", "JobState", "Registry", "Stage", "TitleRecord"]
