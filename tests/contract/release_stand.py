"""An installation of real servers without encoders: origin, Redis, two edges and the playback service, with a title."""

import hashlib
import os
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import SecretStr

from edge.client import pointer_at
from pipeline import placing
from pipeline.installation import Installation
from playback.tokens import user_token
from telecine.keys.opening import open_key_store
from telecine.publication import Edge, Inventory, InventoryEntry, Package, Publication
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.title import SubmitRequest
from tests.contract.conftest import Program, RedisServer, S3Server, free_ports, until

__all__ = ["ReleaseStand"]

ROOT = Path(__file__).parents[2]
_CREATED = 201


@dataclass
class ReleaseStand:
    """Start it in an empty folder; ``stop`` ends what it started, not the two servers it was given."""

    folder: Path
    s3: S3Server
    redis: RedisServer
    programs: list[Program] = field(default_factory=list)
    place: Installation = field(init=False)

    def start(self) -> "ReleaseStand":
        ports = free_ports(5)
        edges = tuple(
            Edge(
                name=name,
                base_url=f"http://{name}.localhost:{viewers}",
                agent_url=f"http://127.0.0.1:{agents}",
            )
            for name, viewers, agents in (("edge-a", ports[0], ports[1]), ("edge-b", ports[2], ports[3]))
        )
        settings = Settings(
            data_dir=self.folder / "data",
            s3_endpoint=self.s3.endpoint,
            s3_access_key=self.s3.access_key,
            s3_secret_key=self.s3.secret_key,
            origin_bucket=f"origin-{uuid.uuid4().hex[:12]}",
            redis_url=self.redis.url,
            edges=edges,
            agent_token=SecretStr("the-agent-token"),
            token_key=SecretStr("k" * 40),
            playback_url=f"http://127.0.0.1:{ports[4]}",
            keep_versions=1,
            keep_days=0,
        )
        registry = Registry(settings.registry_url)
        registry.migrate()
        work = LocalStore(self.folder / "work")
        self.place = Installation(
            settings=settings,
            work=work,
            keys=open_key_store(settings),
            open_bucket=lambda _: work,
            origin=self.s3.store(settings.origin_bucket),
            registry=registry,
        )
        for edge in edges:
            self._edge(edge)
        self._run("playback", [sys.executable, "-m", "playback", "--port", str(ports[4])])
        for edge in edges:
            until(lambda edge=edge: httpx.get(f"{edge.agent_url}/healthz").json()["invalidations"])
            until(lambda edge=edge: pointer_at(edge, "nothing") is None)
        until(lambda: httpx.get(f"{settings.playback_url}/healthz").status_code < 500)
        return self

    def stop(self) -> None:
        for program in self.programs:
            program.kill()

    def released(self, title_id: str, segments: int = 12, size: int = 20_000) -> Publication:
        """A version of random bytes with new keys, on every edge and live."""
        place = self.place
        place.registry.submit(SubmitRequest(master_uri="file:///m.mov", title_id=title_id, name="Bunny"), "run")
        place.keys.assign(title_id, ["SD"])
        package = self._package(title_id, segments, size)
        publication = placing.publish(place, package, rungs=["480p"])
        receipts = [placing.fill(place, edge, publication) for edge in place.settings.edges]
        placing.go_live(place, publication, receipts)
        return publication

    def session_version(self, title_id: str) -> str:
        """What the playback service opens a viewer's session on now; the session goes on."""
        token = user_token(uuid.uuid4().hex, self.place.settings.token_key, 600)
        answer = httpx.post(
            f"{self.place.settings.playback_url}/v1/sessions",
            json={"title": title_id, "device": "tv", "robustness": "hardware"},
            headers={"Authorization": f"Bearer {token}"},
            verify=False,  # it is plain HTTP: no certificates are read for it
        )
        assert answer.status_code == _CREATED, answer.text
        return str(answer.json()["version"])

    def seconds_until_all_answer(self, title_id: str, version: str) -> dict[str, float]:
        """Seconds from now until each edge, and the playback service, first answers with a version."""
        began = time.monotonic()

        def first(answer: Callable[[], str | None]) -> float:
            while answer() != version:
                assert time.monotonic() - began < 10, f"{version} did not come"
                time.sleep(0.005)
            return time.monotonic() - began

        def at(edge: Edge) -> Callable[[], str | None]:
            return lambda: found.version if (found := pointer_at(edge, title_id)) else None

        asked = {edge.name: at(edge) for edge in self.place.settings.edges}
        asked["playback"] = lambda: self.session_version(title_id)
        with ThreadPoolExecutor(len(asked)) as pool:
            return dict(zip(asked, pool.map(first, asked.values()), strict=True))

    def _edge(self, edge: Edge) -> None:
        both = ["--edge", edge.name, "--root", str(self.folder / edge.name)]
        viewers, agents = edge.base_url.rpartition(":")[2], edge.agent_url.rpartition(":")[2]
        self._run(f"agent {edge.name}", [sys.executable, "-m", "edge.agent", *both, "--port", agents])
        serve = ["--port", viewers, "--agent-url", edge.agent_url]
        self._run(f"caddy {edge.name}", [sys.executable, "-m", "edge.serve", *both, *serve])

    def _run(self, name: str, argv: list[str]) -> None:
        settings = self.place.settings
        env = {
            "TELECINE_DATA_DIR": str(settings.data_dir),
            "TELECINE_S3_ENDPOINT": settings.s3_endpoint,
            "TELECINE_S3_ACCESS_KEY": settings.s3_access_key,
            "TELECINE_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
            "TELECINE_ORIGIN_BUCKET": settings.origin_bucket,
            "TELECINE_AGENT_TOKEN": settings.agent_token.get_secret_value(),
            "TELECINE_TOKEN_KEY": settings.token_key.get_secret_value(),
            "TELECINE_REDIS_URL": settings.redis_url.get_secret_value(),
            "TELECINE_PLAYBACK_URL": settings.playback_url,
            "TELECINE_EDGES": f"[{','.join(edge.model_dump_json() for edge in settings.edges)}]",
            "PYTHONPATH": str(ROOT),
        }
        program = Program(argv=argv, folder=self.folder / name, env=env)
        program.start()
        self.programs.append(program)

    def _package(self, title_id: str, segments: int, size: int) -> Package:
        version = f"v{uuid.uuid4().hex[:16]}"
        contents = {f"480p/{index}.m4s": ("segment", os.urandom(size)) for index in range(segments)}
        contents |= {"480p/init.mp4": ("init", os.urandom(700)), "manifest.mpd": ("manifest", b"<MPD/>")}
        prefix = f"packages/{title_id}/{version}/"
        entries = []
        for path, (role, content) in contents.items():
            self.place.work.put_bytes(prefix + path, content, content_type="video/mp4")
            facts = {"path": path, "size_bytes": len(content), "content_type": "video/mp4", "role": role}
            entries.append(InventoryEntry.model_validate(facts | {"sha256": hashlib.sha256(content).hexdigest()}))
        return Package(
            title_id=title_id,
            version=version,
            prefix=prefix,
            inventory=Inventory(title_id=title_id, version=version, entries=tuple(entries)),
            dash_path="manifest.mpd",
            hls_path="master.m3u8",
            scheme="cbcs",
            keys=self.place.keys.assign(title_id, ["SD"]),
        )
