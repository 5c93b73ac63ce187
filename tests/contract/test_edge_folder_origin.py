"""The edge over a folder as its origin: the agent in this process, Caddy and Redis for real."""

import hashlib
import os
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

from edge.app import AgentParts, create_app
from edge.client import await_pointer, fill_edge, pointer_at
from edge.invalidation import publish_invalidation
from telecine.protection import KeyAssignment
from telecine.publication import Edge, Inventory, InventoryEntry, Pointer, Publication
from telecine.storage.local import LocalStore

pytestmark = pytest.mark.server

TOKEN = SecretStr("a-token-of-this-test")
ROOT = Path(__file__).parents[2]
CONTENTS = {f"video/{number}.m4s": os.urandom(50_000) for number in range(6)} | {
    "video/init.mp4": os.urandom(900),
    "audio/index.m3u8": b"#EXTM3U\n",
    "manifest.mpd": b"<MPD/>",
}
TYPES = {
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".mpd": "application/dash+xml",
    ".m3u8": "application/vnd.apple.mpegurl",
}


class CountedFolder(LocalStore):
    """Counts the objects it hands out; ``gate`` closed, it keeps everybody waiting."""

    def __init__(self, root) -> None:
        super().__init__(root)
        self.handed = Counter()
        self.gate = threading.Event()
        self.gate.set()
        self._counting = threading.Lock()

    def get_file(self, key, path):
        with self._counting:
            self.handed[key] += 1
        self.gate.wait(10)
        return super().get_file(key, path)


@dataclass
class Stand:
    edge: Edge
    root: Path
    origin: CountedFolder
    redis_url: SecretStr

    def published(self, title, version="v1") -> Publication:
        prefix = f"p/{title}/{version}/"
        for path, content in CONTENTS.items():
            self.origin.put_bytes(prefix + path, content, content_type=TYPES[Path(path).suffix])
        entries = tuple(
            InventoryEntry(
                path=path,
                size_bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                content_type=TYPES[Path(path).suffix],
                role="segment",
            )
            for path, content in CONTENTS.items()
        )
        content = Inventory(title_id=title, version=version, entries=entries).model_dump_json().encode()
        self.origin.put_bytes(f"{prefix}inventory.json", content, content_type="application/json")
        return Publication(
            title_id=title,
            version=version,
            prefix=prefix,
            inventory_key=f"{prefix}inventory.json",
            inventory_sha256=hashlib.sha256(content).hexdigest(),
            objects=len(entries),
            size_bytes=sum(len(content) for content in CONTENTS.values()),
            dash_path="manifest.mpd",
            hls_path="audio/index.m3u8",
            keys=KeyAssignment(title_id=title, kids={"SD": "0" * 32}),
        )

    def flipped(self, title, seq) -> Pointer:
        pointer = Pointer(
            title_id=title,
            seq=seq,
            version=f"v{seq}",
            dash_path="manifest.mpd",
            hls_path="audio/index.m3u8",
            kids={},
            live_at=datetime.now(UTC),
        )
        key = f"t/{title}/current.json"
        self.origin.put_bytes(key, pointer.model_dump_json().encode(), content_type="application/json")
        publish_invalidation(self.redis_url, [key])
        return pointer

    def get(self, path, **headers) -> httpx.Response:
        port = httpx.URL(self.edge.base_url).port
        return httpx.get(f"http://127.0.0.1:{port}{path}", headers={"Host": f"edge-b.localhost:{port}"} | headers)


@contextmanager
def serving(app, port):
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def stand(module_redis_server, module_program, free_ports, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder origin")
    viewers, agents = free_ports(2)
    root, origin = folder / "edge b", CountedFolder(folder / "origin")
    agent_url = f"http://127.0.0.1:{agents}"
    place = ["--edge", "edge-b", "--root", str(root), "--port", str(viewers), "--agent-url", agent_url]
    caddy = module_program([sys.executable, "-m", "edge.serve", *place], folder / "caddy", {"PYTHONPATH": str(ROOT)})
    parts = AgentParts("edge-b", root, origin, origin, TOKEN, module_redis_server.url)
    edge = Edge(name="edge-b", base_url=f"http://edge-b.localhost:{viewers}", agent_url=agent_url)
    with serving(create_app(parts), agents):
        caddy.start()
        yield Stand(edge, root, origin, module_redis_server.url)


@pytest.fixture(autouse=True)
def _up(stand, until):
    until(lambda: httpx.get(f"{stand.edge.agent_url}/healthz").json()["invalidations"])
    until(lambda: stand.get("/healthz").status_code == 200)


def test_a_receipt_is_for_what_viewers_then_get(stand):
    publication = stand.published("whole")
    receipt = fill_edge(stand.edge, publication, TOKEN)
    assert receipt.fetched_bytes == publication.size_bytes
    for path, content in CONTENTS.items():
        answer = stand.get(f"/{publication.prefix}{path}")
        assert (answer.status_code, answer.content) == (200, content), path
        assert answer.headers["content-type"] == TYPES[Path(path).suffix]
        assert stand.origin.handed[publication.prefix + path] == 1, "the fill brought it, no viewer did"
    part = stand.get(f"/{publication.prefix}video/0.m4s", Range="bytes=7-16")
    assert (part.status_code, part.content) == (206, CONTENTS["video/0.m4s"][7:17])


def test_twenty_cold_viewers_are_one_fetch(stand, until):
    key = f"{stand.published('cold').prefix}video/2.m4s"
    stand.origin.gate.clear()
    try:
        with ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(stand.get, f"/{key}") for _ in range(20)]
            until(lambda: misses(stand) >= 20)  # all of them wait inside the agent
            stand.origin.gate.set()
            answers = [each.result() for each in asked]
    finally:
        stand.origin.gate.set()
    assert all(answer.content == CONTENTS["video/2.m4s"] for answer in answers)
    assert stand.origin.handed[key] == 1


def misses(stand) -> float:
    text = httpx.get(f"{stand.edge.agent_url}/metrics").text
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith("telecine_edge_misses_total"))


@pytest.mark.parametrize("damage", [lambda old: old[:-1] + bytes([old[-1] ^ 1]), lambda old: old[:-1]])
def test_a_damaged_file_is_mended_by_the_next_fill(stand, damage):
    publication = stand.published("mended")
    fill_edge(stand.edge, publication, TOKEN)
    file = stand.root / "www" / publication.prefix / "video/4.m4s"
    file.write_bytes(damage(file.read_bytes()))
    assert fill_edge(stand.edge, publication, TOKEN).fetched_bytes == len(CONTENTS["video/4.m4s"])
    assert file.read_bytes() == CONTENTS["video/4.m4s"]


def test_a_flip_is_seen_within_a_second(stand):
    assert pointer_at(stand.edge, "flipped") is None
    for seq in (1, 2, 3):
        pointer = stand.flipped("flipped", seq)
        await_pointer(stand.edge, pointer, timeout_s=1)
        assert pointer_at(stand.edge, "flipped") == pointer


def test_orders_need_the_token(stand):
    publication = stand.published("guarded")
    order = {"title_id": "guarded", "version": "v1", "inventory_sha256": publication.inventory_sha256}
    for headers in ({}, {"Authorization": "Bearer x"}):
        answer = httpx.post(f"{stand.edge.agent_url}/v1/fills", json=order, headers=headers)
        assert answer.status_code == 401
    assert not (stand.root / "www" / publication.prefix).exists()


@pytest.mark.parametrize(
    "path",
    ["video/0.m4s.etag", "video/x.part", "video/%2e%2e/%2e%2e/%2e%2e/x", "..%2f..%2f..%2f.lock", "video/0.m4s%00"],
)
def test_hidden_and_climbing_paths_are_not_found(stand, path):
    publication = stand.published("hidden")
    fill_edge(stand.edge, publication, TOKEN)
    (stand.root / "www" / publication.prefix / "video/x.part").write_bytes(b"half")
    assert stand.get(f"/{publication.prefix}{path}").status_code in {400, 404}
