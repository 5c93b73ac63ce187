"""What every Airflow process of a Telecine stack does when it starts, and the priority policy."""

import os
from typing import Any

from telecine.process import die_with_parent
from telecine.title import Priority

__all__ = ["task_instance_mutation_hook"]

# Executor workers and task processes are forked: without this, those of a killed scheduler would run on unseen.
os.register_at_fork(after_in_child=die_with_parent)


def task_instance_mutation_hook(task_instance: Any, dag_run: Any = None) -> None:
    """Give all tasks of a release the weight of its title's class: the package of a critical title goes first too."""
    conf = getattr(dag_run, "conf", None) or {}
    try:
        task_instance.priority_weight = Priority(conf.get("priority") or Priority.NORMAL).weight
    except ValueError:
        task_instance.priority_weight = Priority.NORMAL.weight
