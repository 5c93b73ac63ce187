"""What a stack remembers between starts: its id and ports; and what it tells."""

import fcntl
import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from telecine.document import Document
from telecine.errors import MissingRequirement

__all__ = ["EDGES", "PORTS", "Layout", "ProgramStatus", "StackInfo", "StackState", "StackStatus", "load_state"]

EDGES = ("edge-a", "edge-b")

PORTS = (
    "supervisor",
    "redis",
    "s3",
    "s3-grpc",
    "master",
    "master-grpc",
    "volume",
    "volume-grpc",
    "filer",
    "filer-grpc",
    "admin",
    "admin-grpc",
    "airflow",
    "playback",
    *(f"{edge}" for edge in EDGES),
    *(f"{edge}-agent" for edge in EDGES),
)


class StackState(Document):
    """``stack.json``: stays the same from start to start, so that published URLs keep working."""

    stack_id: str
    ports: dict[str, int]


class StackInfo(Document):
    """A stack that is up; ``urls`` by what they are."""

    stack_id: str
    data_dir: str
    urls: dict[str, str]
    started: bool


class ProgramStatus(Document):
    """One program under the supervisor; memory is of its whole process group, proportional where known."""

    name: str
    state: str
    pid: int | None
    uptime_s: int | None
    memory_mib: int | None
    url: str | None


class StackStatus(Document):
    """All programs. ``healthy``: every one runs."""

    healthy: bool
    programs: tuple[ProgramStatus, ...]


class Layout:
    """Where the files of a stack are, all under one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data = data_dir
        self.state = data_dir / "stack.json"
        self.env = data_dir / "stack.env"
        self.secrets = data_dir / "secrets"
        self.logs = data_dir / "logs"
        self.etc = data_dir / "etc"
        self.tmp = data_dir / "tmp"
        self.home = data_dir / "home"
        self.supervisor_conf = self.etc / "supervisord.conf"

    def make(self) -> None:
        """Create the folders; those that hold secrets are private."""
        for folder in (self.data, self.logs, self.tmp, self.home, self.data / "redis", self.data / "s3"):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.secrets, self.etc):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One ``up`` or ``down`` at a time."""
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / ".stack.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def load_state(layout: Layout) -> StackState | None:
    """The remembered state, None before the first start."""
    try:
        return StackState.model_validate(json.loads(layout.state.read_text()))
    except FileNotFoundError:
        return None


def settle_state(layout: Layout) -> StackState:
    """The remembered state, its ports still free; made at the first start. Raises MissingRequirement."""
    state = load_state(layout)
    if state is None or set(state.ports) != set(PORTS):
        state = StackState(stack_id=state.stack_id if state else uuid.uuid4().hex, ports=_free_ports())
        layout.state.write_text(state.model_dump_json(indent=2) + "\n")
        return state
    for name, port in state.ports.items():
        if not _is_free(port):
            message = (
                f"Port {port} on this machine, which this stack uses for {name}, is taken by another program. "
                f"Stop that program, or delete {layout.state} to let the stack choose new ports "
                "(titles published before must then be submitted again)."
            )
            raise MissingRequirement(message)
    return state


def _free_ports() -> dict[str, int]:
    """Distinct free loopback ports; SeaweedFS wants its gRPC ports said too, so every port is chosen here."""
    with ExitStack() as stack:
        ports = {}
        for name in PORTS:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            ports[name] = listener.getsockname()[1]
        return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
