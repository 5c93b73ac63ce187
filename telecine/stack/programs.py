"""The programs of the stack, and the supervisor's configuration that runs them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from telecine.stack.state import EDGES, Layout, StackState

__all__ = ["Program", "programs", "supervisor_conf"]


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised program: argv without secrets, and an environment that may hold some."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    stop_wait_s: int = 10
    priority: int = 500


def programs(
    layout: Layout,
    state: StackState,
    tools: Mapping[str, str],
    environments: Mapping[str, Mapping[str, str]],
) -> tuple[Program, ...]:
    """All programs. ``environments``: those of ``ours``, ``airflow`` and ``s3``; ``slots`` in tools' place is text."""
    python, ours, airflow = tools["python"], environments["ours"], environments["airflow"]
    ports = state.ports
    made = [
        Program("redis", (tools["redis-server"], str(layout.etc / "redis.conf")), environments["plain"], priority=10),
        Program("s3", _weed(layout, ports, tools["weed"]), environments["s3"], priority=10),
        Program("airflow-api", (tools["airflow"], "api-server"), airflow, priority=20),
        Program("airflow-scheduler", (tools["airflow"], "scheduler", "--skip-serve-logs"), airflow),
        Program("airflow-dag-processor", (tools["airflow"], "dag-processor"), airflow),
        Program("airflow-triggerer", (tools["airflow"], "triggerer", "--skip-serve-logs"), airflow),
        Program("worker-cpu", _worker(python, "cpu", tools["slots"]), ours),
        Program("playback", (python, "-m", "playback", "--port", str(ports["playback"])), ours),
    ]
    if tools.get("nvenc"):
        made.append(Program("worker-gpu", _worker(python, "gpu", "2"), ours))
    for edge in EDGES:
        root = ("--edge", edge, "--root", str(layout.data / "edges" / edge))
        agent = ("--port", str(ports[f"{edge}-agent"]))
        serve = ("--port", str(ports[edge]), "--agent-url", f"http://127.0.0.1:{ports[f'{edge}-agent']}")
        made.append(Program(f"{edge}-agent", (python, "-m", "edge.agent", *root, *agent), ours))
        made.append(Program(edge, (python, "-m", "edge.serve", *root, *serve), ours))
    return tuple(made)


def _worker(python: str, queue: str, slots: str) -> tuple[str, ...]:
    app = (python, "-m", "celery", "-A", "encoders.queue", "worker")
    quiet = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
    return (*app, "--queues", queue, "--concurrency", slots, "--hostname", f"{queue}@%h", *quiet)


def _weed(layout: Layout, ports: Mapping[str, int], weed: str) -> tuple[str, ...]:
    """SeaweedFS as one process on loopback; every extra door is shut, and its sockets stay in the data folder."""
    services = ("master", "volume", "filer", "s3", "admin")
    listen = [f"-{name}.port={ports[name]}" for name in services]
    listen += [f"-{name}.port.grpc={ports[f'{name}-grpc']}" for name in services]
    return (
        weed,
        "-logtostderr=true",
        "mini",
        f"-dir={layout.data / 's3'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-filer.exposeDirectoryData=false",
        "-filer.disableDirListing",
        "-s3.autoCreateBucket=false",
        f"-s3.config={layout.etc / 's3.json'}",
        f"-s3.localSocket={layout.tmp / 's3.sock'}",
        f"-filer.localSocket={layout.tmp / 'filer.sock'}",
        *listen,
    )


def supervisor_conf(state: StackState, password: str, made: tuple[Program, ...]) -> str:
    """supervisord.conf, to be started in the data folder: paths are relative, since some '%' in them is expanded twice.

    It listens on loopback TCP with a password, since Unix socket paths end at 108 bytes.
    """
    sections = [
        f"""[supervisord]
logfile=logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile=supervisord.pid
childlogdir=logs
identifier=telecine
minfds=1024

[inet_http_server]
port=127.0.0.1:{state.ports["supervisor"]}
username=telecine
password={password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    ]
    sections += [_program(program) for program in made]
    return "\n".join(sections)


def _program(program: Program) -> str:
    environment = ",".join(f"{name}={_quoted(value)}" for name, value in program.environment.items())
    return f"""[program:{program.name}]
command={" ".join(_quoted(word) for word in program.argv)}
environment={environment}
priority={program.priority}
autostart=true
autorestart=true
startsecs=1
startretries=1000
stopasgroup=true
killasgroup=true
stopwaitsecs={program.stop_wait_s}
redirect_stderr=true
stdout_logfile=logs/{program.name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1
"""


def _quoted(word: str) -> str:
    """A word for supervisor's lexer, which knows no escapes inside quotes, with its %-expansion undone."""
    quote = "'" if '"' in word else '"'
    return quote + word.replace("%", "%%") + quote
