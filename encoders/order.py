"""In which order chunks of all titles are encoded. Pure: the one place that knows."""

from datetime import UTC, datetime

from telecine.registry.queue import FollowedTitle, QueuedJob

__all__ = ["broker_priority", "dispatch_order", "title_order"]

_NEVER = datetime.max.replace(tzinfo=UTC)


def title_order(title: FollowedTitle) -> tuple[int, datetime, datetime, str]:
    """Sort key of titles: class, then earliest launch, then age."""
    return (title.priority.rank, title.launch_at or _NEVER, title.submitted_at, title.title_id)


def dispatch_order(queued: QueuedJob) -> tuple[int, datetime, datetime, str, int]:
    """Sort key: class of the title, then earliest launch, then age, then place in the title."""
    return (
        queued.priority.rank,
        queued.launch_at or _NEVER,
        queued.submitted_at,
        queued.job.title_id,
        queued.job.position,
    )


def broker_priority(queued: QueuedJob) -> int:
    """Celery's priority on Redis, 0 first; only matters for the few jobs that wait in the broker."""
    return queued.priority.rank * 3
