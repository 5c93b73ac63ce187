"""A LocalExecutor that takes no more tasks than it has processes, so that priority counts for all that wait."""

from typing import Any

from airflow.executors.local_executor import LocalExecutor

__all__ = ["BoundedLocalExecutor"]


class BoundedLocalExecutor(LocalExecutor):
    """The parent hands every scheduled task to its FIFO at once; counted as running, they wait in order instead."""

    def _process_workloads(self, workload_list: Any) -> None:
        super()._process_workloads(workload_list)
        for workload in workload_list:
            self.running.add(workload.key)
