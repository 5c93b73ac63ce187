"""Starting and stopping a stack."""

import importlib.metadata
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from telecine.errors import MissingRequirement, ToolFailed, Unavailable
from telecine.keystore import load_or_create_master_key
from telecine.process import Command, run
from telecine.registry.repository import Registry
from telecine.settings import Settings, clone_root, load_settings, usable_cores
from telecine.stack.credentials import airflow_passwords, load_or_create, write_private
from telecine.stack.environment import airflow_environment, common_environment, settings_environment
from telecine.stack.health import checks
from telecine.stack.pools import settle_airflow
from telecine.stack.programs import Program, programs, supervisor_conf
from telecine.stack.state import Layout, StackInfo, StackState, load_state, settle_state
from telecine.stack.status import urls
from telecine.stack.supervisor import Supervisor, marked_processes, sweep
from telecine.tools import tool_path

__all__ = ["down", "up"]

POOLS = {"control": (8, "tasks of releases; the encode task holds no slot while it waits")}
_NEEDED_BYTES = 3 << 30
_PATIENCE_S = 180

_TOOLS = ("redis-server", "weed", "airflow", "caddy", "ffmpeg", "ffprobe", "packager")

OnEvent = Callable[[str], None]


def up(data_dir: Path, on_event: OnEvent) -> StackInfo:
    """Start the stack of a data folder and wait until every program serves. Idempotent and quick when it is up.

    Raises MissingRequirement (disk, ports, tools) and Unavailable, naming the program that does not come up and the
    end of its log.
    """
    layout = Layout(data_dir)
    with layout.locked():
        state = load_state(layout)
        if state is not None and layout.env.exists() and _is_up(layout, state):
            settings = load_settings(data_dir)
            return _info(layout, state, settings, started=False)
        _need_disk(data_dir)
        if state is not None:
            sweep(state.stack_id)
        layout.make()
        state = settle_state(layout)
        return _start(layout, state, on_event)


def down(data_dir: Path) -> int:
    """Stop every process of the stack, also after its supervisor was killed. Returns how many there were."""
    layout = Layout(data_dir)
    state = load_state(layout)
    if state is None:
        return 0
    with layout.locked():
        count = len(marked_processes(state.stack_id))
        supervisor = Supervisor(layout, state, load_or_create(layout.secrets)["supervisor_password"])
        supervisor.shutdown()
        deadline = time.monotonic() + 30
        while supervisor.alive() and time.monotonic() < deadline:
            time.sleep(0.1)
        sweep(state.stack_id)
        _remove_sockets(state)
        return count


def _remove_sockets(state: StackState) -> None:
    """SeaweedFS makes sockets in /tmp, named after its gRPC ports, whatever TMPDIR says; a killed one leaves them."""
    for name in ("master", "volume", "filer", "s3", "admin"):
        socket = Path(f"/tmp/seaweedfs-{name}-grpc-{state.ports[f'{name}-grpc']}.sock")  # noqa: S108 - its own choice
        socket.unlink(missing_ok=True)


def _is_up(layout: Layout, state: StackState) -> bool:
    supervisor = Supervisor(layout, state, load_or_create(layout.secrets)["supervisor_password"])
    try:
        return all(row["statename"] == "RUNNING" for row in supervisor.processes())
    except Unavailable:
        return False


def _start(layout: Layout, state: StackState, on_event: OnEvent) -> StackInfo:
    secret = load_or_create(layout.secrets)
    load_or_create_master_key(layout.secrets / "master.key")
    environment = settings_environment(layout, state, secret)
    write_private(layout.env, "".join(f"{name}='{value}'\n" for name, value in environment.items()))
    settings = load_settings(layout.data)
    Registry(settings.registry_url).migrate()
    made = _write_configuration(layout, state, secret, environment)
    airflow = next(program.environment for program in made if program.name == "airflow-api")
    _prepare_airflow(layout, airflow, on_event)
    on_event(f"starting {len(made)} programs")
    _start_supervisor(layout, made[0].environment)
    _await_all(layout, settings, {program.name for program in made}, on_event)
    settle_airflow(settings, POOLS)
    return _info(layout, state, settings, started=True)


def _write_configuration(
    layout: Layout, state: StackState, secret: Mapping[str, str], environment: Mapping[str, str]
) -> tuple[Program, ...]:
    clone = clone_root()
    plain = common_environment(layout, state, clone)
    jwt = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
    names = ("s3_jwt_signing", "s3_jwt_signing_read", "s3_jwt_filer", "s3_jwt_filer_read")
    weed = {f"WEED_JWT_{part}_KEY": secret[name] for part, name in zip(jwt, names, strict=True)}
    environments = {
        "plain": plain,
        "ours": {**plain, **environment},
        "airflow": {**plain, **environment, **airflow_environment(layout, state, secret, clone)},
        "s3": {**plain, **weed, "GOMEMLIMIT": "400MiB"},
    }
    tools = {
        "python": sys.executable,
        "slots": str(usable_cores()),
        **{
            name: tool_path(name)
            for name in ("redis-server", "weed", "airflow", "caddy", "ffmpeg", "ffprobe", "packager")
        },
    }
    if nvenc_works():
        tools["nvenc"] = "yes"
    identity = {
        "name": "telecine",
        "credentials": [{"accessKey": secret["s3_access_key"], "secretKey": secret["s3_secret_key"]}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write_private(layout.etc / "s3.json", json.dumps({"identities": [identity]}))
    write_private(layout.etc / "airflow-passwords.json", json.dumps(airflow_passwords(secret)))
    write_private(layout.etc / "redis.conf", _redis_conf(layout, state, secret["redis_password"]))
    made = programs(layout, state, tools, environments)
    write_private(layout.supervisor_conf, supervisor_conf(state, secret["supervisor_password"], made))
    return made


def _redis_conf(layout: Layout, state: StackState, password: str) -> str:
    """Append-only, so that a killed Redis forgets at most a second."""
    folder = str(layout.data / "redis").replace('"', '\\"')
    return f"""bind 127.0.0.1
port {state.ports["redis"]}
protected-mode yes
requirepass {password}
dir "{folder}"
appendonly yes
appendfsync everysec
save ""
daemonize no
set-proc-title no
"""


def _prepare_airflow(layout: Layout, environment: Mapping[str, str], on_event: OnEvent) -> None:
    """Create or upgrade Airflow's database, once per version of Airflow."""
    stamp = layout.data / "airflow" / "migrated"
    version = importlib.metadata.version("apache-airflow-core")
    if stamp.exists() and stamp.read_text() == version:
        return
    on_event("preparing Airflow's database")
    stamp.parent.mkdir(exist_ok=True)
    try:
        run(Command((tool_path("airflow"), "db", "migrate"), env=environment, timeout_s=180), cwd=layout.data)
    except ToolFailed as error:
        message = f"Airflow's database could not be prepared: {error}"
        raise Unavailable(message) from error
    stamp.write_text(version)


def _start_supervisor(layout: Layout, environment: Mapping[str, str]) -> None:
    """Supervisord makes itself a daemon; PYTHONDONTWRITEBYTECODE would make each start of Airflow needlessly slow."""
    argv = (
        "/usr/bin/env",
        "-u",
        "PYTHONDONTWRITEBYTECODE",
        tool_path("supervisord"),
        "-c",
        str(layout.supervisor_conf),
    )
    log = layout.logs / "supervisord.log"
    try:
        run(Command(argv, env={**environment, "PYTHONWARNINGS": "ignore"}, timeout_s=30), cwd=layout.data)
    except ToolFailed as error:
        # its own words may quote the configuration, which holds secrets
        message = f"The supervisor does not start (status {error.status}); see {log} and {layout.supervisor_conf}."
        raise Unavailable(message) from None


def _await_all(layout: Layout, settings: Settings, names: set[str], on_event: OnEvent) -> None:
    questions = {name: ask for name, ask in checks(settings).items() if name in names}
    deadline = time.monotonic() + _PATIENCE_S
    while questions:
        for name in list(questions):
            if questions[name]():
                del questions[name]
                on_event(f"{name} is up")
        if questions and time.monotonic() > deadline:
            first = min(questions)
            tail = _log_tail(layout.logs / f"{first}.log")
            message = f"{', '.join(sorted(questions))} did not come up within {_PATIENCE_S} s. {first} says:\n{tail}"
            raise Unavailable(message)
        time.sleep(0.2)


def _log_tail(path: Path) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-12:])
    except OSError:
        return "(no log)"


def _need_disk(data_dir: Path) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(data_dir).free
    if free < _NEEDED_BYTES:
        message = (
            f"{data_dir} has {free / 1e9:.1f} GB free and the stack needs {_NEEDED_BYTES / 1e9:.1f} GB: "
            "free some, or choose another folder with TELECINE_DATA_DIR."
        )
        raise MissingRequirement(message)


def nvenc_works() -> bool:
    """Whether NVENC really encodes here: one frame, to nowhere."""
    picture = ("-f", "lavfi", "-i", "color=size=256x256:rate=1:duration=1", "-frames:v", "1")
    argv = (tool_path("ffmpeg"), "-v", "error", *picture, "-c:v", "h264_nvenc", "-f", "null", "-")
    try:
        run(Command(argv, timeout_s=20))
    except (ToolFailed, Unavailable):
        return False
    return True


def _info(layout: Layout, state: StackState, settings: Settings, *, started: bool) -> StackInfo:
    return StackInfo(stack_id=state.stack_id, data_dir=str(layout.data), urls=urls(settings), started=started)
