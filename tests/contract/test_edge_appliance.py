"""A whole edge on a real origin: SeaweedFS, Redis, the fill agent and Caddy, each a process of its own."""

import hashlib
import os
import socket
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from edge.client import await_pointer, fill_edge, pointer_at
from edge.invalidation import publish_invalidation
from origin.pointer import go_live, pointer_key
from origin.publish import publish
from telecine.errors import MissingRequirement, NotFound, PackageRejected, TelecineError, Unavailable
from telecine.protection import KeyAssignment
from telecine.publication import Edge, Inventory, InventoryEntry, Package, Publication
from telecine.storage.local import LocalStore

pytestmark = pytest.mark.server

TOKEN = SecretStr("the-agent-token")
ROLES = {".m4s": "segment", ".mp4": "init", ".mpd": "manifest", ".m3u8": "playlist"}
TYPES = {
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".mpd": "application/dash+xml",
    ".m3u8": "application/vnd.apple.mpegurl",
}
ROOT = Path(__file__).parents[2]


@dataclass
class Stand:
    """One edge with its agent, and the stores behind it."""

    edge: Edge
    root: Path
    origin: object
    work: LocalStore
    work_dir: Path
    redis: object
    agent: object
    caddy: object
    ports: tuple[int, int]
    title: str = "bunny"

    def published(self, version="v1", segments=12, size=20_000) -> Publication:
        title_id = self.title
        contents = {f"video/{index}.m4s": os.urandom(size) for index in range(segments)}
        contents["video/init.mp4"] = os.urandom(700)
        contents["video.m3u8"] = b"#EXTM3U\n" + b"#EXTINF:6,\nsegment\n" * 60
        contents["manifest.mpd"] = b"<MPD>" + b"<S d='144'/>" * 100 + version.encode() + b"</MPD>"
        prefix = f"packages/{title_id}/{version}/"
        for path, content in contents.items():
            self.work.put_bytes(prefix + path, content, content_type=TYPES[Path(path).suffix])
        entries = tuple(
            InventoryEntry(
                path=path,
                size_bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                content_type=TYPES[Path(path).suffix],
                role=ROLES[Path(path).suffix],
            )
            for path, content in contents.items()
        )
        package = Package(
            title_id=title_id,
            version=version,
            prefix=prefix,
            inventory=Inventory(title_id=title_id, version=version, entries=entries),
            dash_path="manifest.mpd",
            hls_path="video.m3u8",
            scheme="cbcs",
            keys=KeyAssignment(title_id=title_id, kids={"SD": "0" * 32}),
        )
        self.package = package
        return publish(package, self.work, self.origin, self.work_dir)

    def live(self, publication):
        pointer = go_live(publication, self.origin, now=datetime.now(UTC))
        publish_invalidation(self.redis.url, [pointer_key(publication.title_id)])
        return pointer

    def get(self, path, method="GET", **headers) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        host = {"Host": f"edge-a.localhost:{self.ports[0]}"}
        return httpx.request(method, f"http://127.0.0.1:{self.ports[0]}{path}", headers=host | names)

    def counted(self, sample) -> float:
        text = httpx.get(f"{self.edge.agent_url}/metrics").text
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(sample)), 0.0)

    def www(self, key) -> Path:
        return self.root / "www" / key


@pytest.fixture(scope="module")
def appliance(s3_server, module_redis_server, module_program, free_ports, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("appliance")
    bucket = f"origin-{uuid.uuid4().hex[:12]}"
    viewers, agents = free_ports(2)
    root = tmp_path / 'edge a {x} "quoted"'
    env = {
        "TELECINE_DATA_DIR": str(tmp_path / "data"),
        "TELECINE_S3_ENDPOINT": s3_server.endpoint,
        "TELECINE_S3_ACCESS_KEY": s3_server.access_key,
        "TELECINE_S3_SECRET_KEY": s3_server.secret_key.get_secret_value(),
        "TELECINE_ORIGIN_BUCKET": bucket,
        "TELECINE_AGENT_TOKEN": TOKEN.get_secret_value(),
        "TELECINE_REDIS_URL": module_redis_server.url.get_secret_value(),
        "PYTHONPATH": str(ROOT),
    }
    both = ["--edge", "edge-a", "--root", str(root)]
    agent_url = f"http://127.0.0.1:{agents}"
    agent = module_program([sys.executable, "-m", "edge.agent", *both, "--port", str(agents)], tmp_path / "agent", env)
    serve = [*both, "--port", str(viewers), "--agent-url", agent_url]
    caddy = module_program([sys.executable, "-m", "edge.serve", *serve], tmp_path / "caddy", env)
    return Stand(
        edge=Edge(name="edge-a", base_url=f"http://edge-a.localhost:{viewers}", agent_url=agent_url),
        root=root,
        origin=s3_server.store(bucket),
        work=LocalStore(tmp_path / "work"),
        work_dir=tmp_path / "scratch",
        redis=module_redis_server,
        agent=agent,
        caddy=caddy,
        ports=(viewers, agents),
    )


@pytest.fixture
def stand(appliance, until):
    """The appliance with every server up, whatever the test before did to it, and a title of the test's own."""
    for server in (appliance.redis, appliance.agent, appliance.caddy):
        if server.child is None:
            server.start()
    until(lambda: httpx.get(f"{appliance.edge.agent_url}/healthz").json()["invalidations"])
    until(lambda: appliance.get("/healthz").status_code == 200)
    return replace(appliance, title=f"bunny-{uuid.uuid4().hex[:8]}")


def test_a_title_is_filled_served_changed_and_mended(stand):
    """The life of a title on an edge, in its order."""
    publication = stand.published()
    again = publish(stand.package, stand.work, stand.origin, stand.work_dir)
    assert again == publication, "publishing again changes nothing"
    missed = stand.counted("telecine_edge_misses_total")
    assert pointer_at(stand.edge, stand.title) is None

    heard = []
    receipt = fill_edge(stand.edge, publication, TOKEN, on_progress=lambda done, total: heard.append((done, total)))
    assert (receipt.objects, receipt.size_bytes) == (publication.objects, publication.size_bytes)
    assert receipt.fetched_bytes == publication.size_bytes
    assert all(done <= total for done, total in heard)

    expect_every_object_as_published(stand, publication)
    assert stand.counted("telecine_edge_misses_total") == missed + 1, "only the pointer that was not there was missed"
    expect_ranges_and_conditions(stand, publication)
    expect_a_browser_may_read_it(stand, publication)

    pointer = stand.live(publication)
    await_pointer(stand.edge, pointer, timeout_s=1)
    assert stand.get(f"/t/{stand.title}/current.json").headers["cache-control"] == "no-cache"
    second = stand.live(stand.published(version="v2"))
    await_pointer(stand.edge, second, timeout_s=1)
    assert (second.seq, second.previous) == (2, "v1")

    again = fill_edge(stand.edge, publication, TOKEN)
    assert again.fetched_bytes == 0
    damaged = stand.www(f"{publication.prefix}video/3.m4s")
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + b"!")
    mended = fill_edge(stand.edge, publication, TOKEN)
    assert mended.fetched_bytes == len(content)
    assert damaged.read_bytes() == content

    told = httpx.get(
        f"{stand.edge.agent_url}/v1/titles/{stand.title}", headers={"Authorization": f"Bearer {'the-agent-token'}"}
    )
    assert [item["version"] for item in told.json()["receipts"]] == ["v1"]


def expect_every_object_as_published(stand, publication):
    for entry in stand.package.inventory.entries:
        answer = stand.get(f"/{publication.prefix}{entry.path}")
        assert answer.status_code == 200, entry.path
        assert hashlib.sha256(answer.content).hexdigest() == entry.sha256
        assert answer.headers["content-type"] == entry.content_type
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert entry.sha256 in answer.headers["etag"]


def expect_ranges_and_conditions(stand, publication):
    url = f"/{publication.prefix}video/0.m4s"
    whole = stand.get(url)
    part = stand.get(url, range="bytes=100-199")
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    assert stand.get(url, if_none_match=whole.headers["etag"]).status_code == 304
    assert stand.get(url, range="bytes=99999999-").status_code == 416
    head = stand.get(url, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    packed = stand.get(f"/{publication.prefix}manifest.mpd", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content.startswith(b"<MPD>")


def expect_a_browser_may_read_it(stand, publication):
    url = f"/{publication.prefix}video/0.m4s"
    answer = stand.get(url, origin="http://player.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Content-Range" in answer.headers["access-control-expose-headers"]
    assert "server" not in answer.headers
    asked = stand.get(url, method="OPTIONS", origin="http://player.example", access_control_request_method="GET")
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    for method in ("POST", "PUT", "DELETE"):
        assert stand.get(url, method=method).status_code == 405


def test_a_crowd_that_misses_one_object_costs_one_fetch(stand):
    publication = stand.published(size=2_000_000, segments=2)
    url = f"/{publication.prefix}video/1.m4s"
    fetched = stand.counted('telecine_edge_origin_fetches_total{why="miss"}')
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: stand.get(url, range="bytes=5-"), range(20)))
    assert {answer.status_code for answer in answers} == {206}
    assert len({answer.content for answer in answers}) == 1
    entry = next(entry for entry in stand.package.inventory.entries if entry.path == "video/1.m4s")
    whole = stand.get(url)
    assert hashlib.sha256(whole.content).hexdigest() == entry.sha256
    assert answers[0].content == whole.content[5:]
    for answer in (*answers, whole):
        assert answer.headers["content-type"] == "video/iso.segment"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["etag"] == f'"{entry.sha256}"'
    assert stand.counted('telecine_edge_origin_fetches_total{why="miss"}') == fetched + 1


def test_what_was_never_published_is_not_served(stand, s3_server):
    publication = stand.published()
    stand.origin.put_bytes("secret/key.txt", b"secret", content_type="text/plain")
    stand.origin.put_bytes(f"{publication.prefix}not-in-inventory.m4s", b"x", content_type="text/plain")
    assert stand.get(f"/{publication.prefix}video/0.m4s").status_code == 200
    refused = [
        "/secret/key.txt",
        f"/{publication.prefix}../../../secret/key.txt",
        f"/{publication.prefix}%2e%2e/%2e%2e/%2e%2e/secret/key.txt",
        f"/{publication.prefix}..%2f..%2f..%2fsecret/key.txt",
        f"/p/{stand.title}/v9/video/0.m4s",
        "/p/nobody/v1/video/0.m4s",
        "/t/nobody/current.json",
        f"/t/{stand.title}/other.json",
        f"/{publication.prefix}not-in-inventory.m4s",
        f"/{publication.prefix}inventory.json",
        f"/{publication.prefix}video/0.m4s.etag",
        f"/{publication.prefix}video/",
        "/.lock",
        "/Caddyfile",
        "/v1/fills",
        "/metrics",
        "/",
    ]
    for path in refused:
        answer = raw(stand.ports[0], path)
        assert answer.startswith("HTTP/1.1 404 "), (path, answer)
        assert "immutable" not in answer, path
        assert "Access-Control-Allow-Origin: *" in answer, path
        direct = raw(stand.ports[1], path) if path not in {"/v1/fills", "/metrics"} else "HTTP/1.1 404 "
        assert direct.startswith("HTTP/1.1 404 "), (path, direct)
    assert httpx.get(f"{s3_server.endpoint}/{stand.origin.bucket}/{publication.prefix}video/0.m4s").status_code == 403


def raw(port, path) -> str:
    """The head of an answer to a path as it is, which a client library would clean."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: edge-a.localhost\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while block := connection.recv(65536):
            received += block
    return received.split(b"\r\n\r\n", 1)[0].decode()


def test_an_agent_without_the_token_does_nothing(stand):
    publication = stand.published()
    for given in ("Bearer wrong", "Bearer", "the-agent-token", "Basic the-agent-token", None):
        headers = {} if given is None else {"Authorization": given}
        answer = httpx.post(f"{stand.edge.agent_url}/v1/fills", content=b"{}", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert httpx.get(f"{stand.edge.agent_url}/v1/titles/{stand.title}", headers=headers).status_code == 401
    with pytest.raises(TelecineError, match="token"):
        fill_edge(stand.edge, publication, SecretStr("wrong"))
    assert not stand.www(publication.prefix).exists()


def test_a_fill_of_what_is_not_published_is_refused(stand):
    publication = stand.published()
    with pytest.raises(PackageRejected, match="expected"):
        fill_edge(stand.edge, publication.model_copy(update={"inventory_sha256": "0" * 64}), TOKEN)
    with pytest.raises(NotFound, match="v9"):
        fill_edge(stand.edge, publication.model_copy(update={"version": "v9"}), TOKEN)
    with pytest.raises(PackageRejected, match="receipt"):
        fill_edge(stand.edge, publication.model_copy(update={"objects": 3}), TOKEN)
    order = {"title_id": "../up", "version": "v1", "inventory_sha256": "0" * 64}
    answer = httpx.post(
        f"{stand.edge.agent_url}/v1/fills", json=order, headers={"Authorization": f"Bearer {TOKEN.get_secret_value()}"}
    )
    assert answer.status_code == 400


def test_a_killed_agent_goes_on_where_it_was(stand, until):
    publication = stand.published(segments=100, size=300_000)
    with ThreadPoolExecutor(1) as pool:
        filling = pool.submit(fill_edge, stand.edge, publication, TOKEN)
        until(lambda: len(list(stand.www(publication.prefix).rglob("*.m4s"))) > 10)
        stand.agent.kill()
        here = sum(path.stat().st_size for path in stand.www(publication.prefix).rglob("*.m4s"))
        assert not filling.done()
        stand.agent.start()
        receipt = filling.result(timeout=60)
    assert here > 0
    assert receipt.objects == publication.objects
    assert receipt.fetched_bytes <= publication.size_bytes - here
    expect_every_object_as_published(stand, publication)
    assert list((stand.root / "incoming").iterdir()) == []


def test_pointers_are_right_again_after_redis_and_the_agent_were_away(stand, until):
    pointer = stand.live(stand.published())
    await_pointer(stand.edge, pointer, timeout_s=1)
    stand.redis.kill()
    second = go_live(stand.published(version="v2"), stand.origin, now=datetime.now(UTC))
    stand.redis.start()
    await_pointer(stand.edge, second, timeout_s=5)  # no message was sent: the lost connection was enough
    stand.agent.kill()
    third = stand.live(stand.published(version="v3"))
    assert pointer_at(stand.edge, stand.title) == second, "what is held is served without the agent"
    stand.agent.start()
    await_pointer(stand.edge, third, timeout_s=10)
    fourth = stand.live(stand.published(version="v4"))
    await_pointer(stand.edge, fourth, timeout_s=1)


def test_a_miss_waits_for_an_agent_that_restarts(stand):
    publication = stand.published()
    stand.agent.kill()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.get, f"http://127.0.0.1:{stand.ports[0]}/{publication.prefix}video/0.m4s", timeout=20)
        time.sleep(0.5)
        stand.agent.start()
        assert asked.result().status_code == 200


def test_a_second_agent_in_the_same_folder_is_refused(stand, program, tmp_path):
    second = program([*stand.agent.argv[:-1], "0"], tmp_path / "second", stand.agent.env)
    second.start()
    assert second.child.wait(20) == 2
    assert "Another fill agent works in" in second.said()
    assert "Traceback" not in second.said()


def test_nothing_is_written_outside_the_edges_folder_and_no_secret_is_told(stand, s3_server):
    publication = stand.published()
    fill_edge(stand.edge, publication, TOKEN)
    stand.agent.stop()
    stand.caddy.stop()
    secrets = [s3_server.secret_key.get_secret_value(), TOKEN.get_secret_value()]
    said = stand.agent.said() + stand.caddy.said() + (stand.root / "Caddyfile").read_text()
    assert not [secret for secret in secrets if secret in said]
    assert sorted(path.name for path in stand.agent.folder.iterdir()) == ["server.log"]
    assert sorted(path.name for path in stand.caddy.folder.iterdir()) == ["server.log"]


def test_caddy_keeps_the_process_id_holds_no_secret_and_leaves_when_told(stand):
    child = stand.caddy.child
    assert "caddy" in Path(f"/proc/{child.pid}/exe").resolve().name
    environment = Path(f"/proc/{child.pid}/environ").read_bytes().decode()
    assert "the-agent-token" not in environment
    assert "TELECINE_DATA_DIR" in environment
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    port = f":{stand.ports[0]:04X} "
    addresses = {line.split()[1].split(":")[0] for line in listening.splitlines() if port in line and " 0A " in line}
    assert addresses <= {"0100007F", "00000000000000000000000001000000"}
    started = time.monotonic()
    stand.caddy.stop()
    assert child.returncode == 0
    assert time.monotonic() - started < 5
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", stand.ports[0]))


def test_an_agent_that_stays_away_is_unavailable(stand, monkeypatch):
    monkeypatch.setattr("edge.client._SILENCE_S", 1)
    publication = stand.published()
    stand.agent.kill()
    with pytest.raises(Unavailable, match="edge-a"):
        fill_edge(stand.edge, publication, TOKEN)


def test_a_full_disk_is_said_so(stand):
    publication = stand.published()
    key = f"{publication.prefix}inventory.json"
    content, _ = stand.origin.get_bytes(key)
    vast = Inventory.model_validate_json(content)
    entry = vast.entries[0].model_copy(update={"size_bytes": 1 << 60})
    vast = vast.model_copy(update={"entries": (entry, *vast.entries[1:]), "version": "v2"})
    content = vast.model_dump_json().encode()
    stand.origin.put_bytes(f"p/{stand.title}/v2/inventory.json", content, content_type="application/json")
    changed = {"version": "v2", "inventory_sha256": hashlib.sha256(content).hexdigest()}
    with pytest.raises(MissingRequirement, match="make room"):
        fill_edge(stand.edge, publication.model_copy(update=changed), TOKEN)
