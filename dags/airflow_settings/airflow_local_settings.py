"""What every Airflow process of a Telecine stack does when it starts, and the priority policy."""

import os
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from telecine.errors import Unavailable
from telecine.order import Place, weight
from telecine.process import die_with_parent
from telecine.registry.repository import Registry
from telecine.settings import load_settings
from telecine.title import Priority

__all__ = ["task_instance_mutation_hook"]

# Executor workers and task processes are forked: without this, those of a killed scheduler would run on unseen.
os.register_at_fork(after_in_child=die_with_parent)


@lru_cache(maxsize=1)
def _registry(_pid: int) -> Registry:
    """One of each process: connections do not survive a fork."""
    return Registry(load_settings().registry_url)


def task_instance_mutation_hook(task_instance: Any, dag_run: Any = None) -> None:
    """Give all tasks of a release the weight of its title's place: the package of a critical title goes first too.

    The place is the registry's, which people may have changed since the run was asked for; else that of its form.
    """
    if task_instance.dag_id != "release_title":
        return
    place = _registered(getattr(task_instance, "run_id", None) or getattr(dag_run, "run_id", None))
    task_instance.priority_weight = weight(place or _asked(getattr(dag_run, "conf", None) or {}))


def _registered(run_id: str | None) -> Place | None:
    try:
        return _registry(os.getpid()).place_of_run(run_id) if run_id else None
    except Unavailable:
        return None


def _asked(conf: dict[str, Any]) -> Place:
    try:
        priority = Priority(conf.get("priority") or Priority.NORMAL)
    except ValueError:
        priority = Priority.NORMAL
    try:
        launch_at = datetime.fromisoformat(str(conf.get("launch_at")))
    except ValueError:
        launch_at = None
    if launch_at is not None and launch_at.tzinfo is None:
        launch_at = launch_at.replace(tzinfo=UTC)
    return Place(title_id="asked", priority=priority, launch_at=launch_at, submitted_at=datetime.now(UTC))
