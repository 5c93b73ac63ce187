"""Real servers for contract tests: SeaweedFS and Redis on free loopback ports, stopped again by the test that asked."""

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import redis
from pydantic import SecretStr

from telecine.process import die_with_parent
from telecine.storage.s3 import S3Store
from telecine.tools import tool_path

SERVICES = ("master", "volume", "filer", "s3", "admin")


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def until(answers, timeout_s: float = 20):
    """The first true answer; fails with the last exception or answer after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while True:
        last: object = None
        with suppress(httpx.TransportError, redis.RedisError, OSError):
            if last := answers():
                return last
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {last!r}"
        time.sleep(0.03)


@dataclass
class Program:
    """A real server that can be killed and started again on the same port and folder."""

    argv: list[str]
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert self.child is None or self.child.poll() is not None, "it runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self.child = subprocess.Popen(
                self.argv,
                cwd=self.folder,
                env={**os.environ, **self.env},
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        if self.child is None:
            return
        self.child.send_signal(with_signal)
        try:
            self.child.wait(8)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def said(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")


@dataclass
class S3Server(Program):
    endpoint: str = ""
    access_key: str = "telecine-test"
    secret_key: SecretStr = field(default_factory=lambda: SecretStr(secrets.token_hex(20)))

    def store(self, bucket: str, patience_s: float = 40) -> S3Store:
        store = S3Store(
            bucket,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key=self.access_key,
            secret_key=self.secret_key,
            patience_s=patience_s,
        )
        store.ensure_bucket()
        return store

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        super().stop(with_signal)
        for word in self.argv:  # SeaweedFS keeps sockets in /tmp whatever TMPDIR says, and a killed one leaves them
            if ".port.grpc=" in word:
                for left in Path("/tmp").glob(f"seaweedfs-*-grpc-{word.partition('=')[2]}.sock"):
                    left.unlink(missing_ok=True)

    def ready(self) -> None:
        until(lambda: httpx.get(self.endpoint, timeout=1).status_code == 403)


@dataclass
class RedisServer(Program):
    url: SecretStr = field(default_factory=lambda: SecretStr(""))

    def ready(self) -> None:
        until(redis.Redis.from_url(self.url.get_secret_value()).ping)


def seaweedfs(folder: Path) -> S3Server:
    """One SeaweedFS with credentials; its internal doors need a JWT, so that S3 is the only way in."""
    ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
    grpc = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
    listen = [f"-{name}.port={ports[name]}" for name in SERVICES]
    listen += [f"-{name}.port.grpc={grpc[name]}" for name in SERVICES]
    switches = ["-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    switches += ["-filer.exposeDirectoryData=false", "-filer.disableDirListing", "-s3.autoCreateBucket=false"]
    switches += [f"-s3.localSocket={folder}/s3.sock", f"-filer.localSocket={folder}/filer.sock"]
    names = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
    env = {f"WEED_JWT_{name}_KEY": secrets.token_hex(32) for name in names} | {"GOMEMLIMIT": "400MiB"}
    mini = [tool_path("weed"), "-logtostderr=true", "mini", f"-dir={folder / 'store'}"]
    bind = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    server = S3Server(
        argv=[*mini, *bind, *switches, f"-s3.config={folder / 's3.json'}", *listen],
        folder=folder,
        env=env,
        endpoint=f"http://127.0.0.1:{ports['s3']}",
    )
    (folder / "store").mkdir(parents=True)
    credentials = {"accessKey": server.access_key, "secretKey": server.secret_key.get_secret_value()}
    rights = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "telecine", "credentials": [credentials], "actions": rights}
    descriptor = os.open(folder / "s3.json", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"identities": [identity]}, file)
    return server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """One SeaweedFS for all tests that leave it running; each takes buckets of its own."""
    server = seaweedfs(tmp_path_factory.mktemp("s3"))
    server.start()
    try:
        server.ready()
        yield server
    finally:
        server.kill()  # nothing of it is wanted any more, and SeaweedFS says a long goodbye


@pytest.fixture
def own_s3_server(tmp_path):
    """A SeaweedFS that the test may kill."""
    server = seaweedfs(tmp_path / "s3")
    server.start()
    try:
        server.ready()
        yield server
    finally:
        server.kill()  # nothing of it is wanted any more, and SeaweedFS says a long goodbye


def redis_server(folder: Path) -> RedisServer:
    (port,) = free_ports(1)
    quiet = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
    argv = [tool_path("redis-server"), "--port", str(port), *quiet]
    return RedisServer(argv=argv, folder=folder, url=SecretStr(f"redis://127.0.0.1:{port}/0"))


@pytest.fixture(scope="module")
def module_redis_server(tmp_path_factory):
    """A Redis that the tests of a module may kill."""
    server = redis_server(tmp_path_factory.mktemp("redis"))
    server.start()
    try:
        server.ready()
        yield server
    finally:
        server.kill()


def programs():
    made = []

    def make(argv, folder, env):
        made.append(Program(argv=argv, folder=folder, env=env))
        return made[-1]

    yield make
    for server in made:
        server.kill()


module_program = pytest.fixture(scope="module")(programs)
"""Makes a server of an argv, a folder for its log and an environment; the tests start it, the end of them stops it."""

program = pytest.fixture(programs)


@pytest.fixture(name="until", scope="session")
def _until():
    return until


@pytest.fixture(name="free_ports", scope="session")
def _free_ports():
    return free_ports
