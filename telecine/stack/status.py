"""What runs of a stack."""

import contextlib
from pathlib import Path

import psutil

from telecine.errors import Unavailable
from telecine.settings import Settings, load_settings
from telecine.stack.credentials import load_or_create
from telecine.stack.state import Layout, ProgramStatus, StackStatus, load_state
from telecine.stack.supervisor import Supervisor, marked_processes

__all__ = ["status", "urls"]


def status(data_dir: Path) -> StackStatus:
    """All programs of the stack in a data folder; none when it was never started or does not run."""
    layout = Layout(data_dir)
    state = load_state(layout)
    if state is None:
        return StackStatus(healthy=False, programs=())
    supervisor = Supervisor(layout, state, load_or_create(layout.secrets)["supervisor_password"])
    try:
        found = supervisor.processes()
    except Unavailable:
        return StackStatus(healthy=False, programs=())
    memory = _memory_by_group(state.stack_id)
    addresses = urls(load_settings(data_dir))
    rows = tuple(
        ProgramStatus(
            name=row["name"],
            state=row["statename"],
            pid=row["pid"] or None,
            uptime_s=row["now"] - row["start"] if row["pid"] else None,
            memory_mib=memory.get(row["pid"]),
            url=addresses.get(row["name"]),
        )
        for row in found
    )
    return StackStatus(healthy=bool(rows) and all(row.state == "RUNNING" for row in rows), programs=rows)


def urls(settings: Settings) -> dict[str, str]:
    """Addresses for people, by program name."""
    found = {"airflow-api": settings.airflow_url, "playback": settings.playback_url, "s3": settings.s3_endpoint}
    found |= {edge.name: edge.base_url for edge in settings.edges}
    return {name: url for name, url in found.items() if url}


def _memory_by_group(stack_id: str) -> dict[int, int]:
    """MiB by process group leader; the proportional set size, so that shared pages count once."""
    sums: dict[int, int] = {}
    for process in marked_processes(stack_id):
        with contextlib.suppress(psutil.Error, OSError):
            group = _group_of(process.pid)
            sums[group] = sums.get(group, 0) + process.memory_full_info().pss
    return {group: size >> 20 for group, size in sums.items()}


def _group_of(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[2])  # pgrp, proc(5)
