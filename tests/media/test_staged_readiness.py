"""A title goes live with its minimum ladder and gains the other rungs; back again; new keys. Real encodes."""

import base64
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretBytes

from edge.files import EdgeFiles
from edge.fill import Filler, FillOrder
from edge.metrics import EdgeMetrics
from pipeline import placing, steps, versions
from pipeline.encoding_here import encode_here
from pipeline.installation import Installation
from pipeline.staging import plan_of_first_version, problem_of_rest
from playback.app import create_app
from playback.titles import RegistryTitles
from telecine.errors import NotFound, PreconditionFailed
from telecine.keystore import SealedKeyStore
from telecine.publication import Edge
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.storage.memory import MemoryStore
from telecine.title import SubmitRequest
from tests.unit.playback_fakes import TOKEN_KEY, parts, user_bearer

pytestmark = pytest.mark.media

TITLE = "bunny"
EDGE = Edge(name="edge-a", base_url="http://edge-a.localhost:8601", agent_url="http://127.0.0.1:8611")
PROFILE = """
name: staged
summary: a small ladder first
gop_seconds: 1
segment_gops: 2
video:
  - {name: large, codec: x264, width: 160, height: 90, crf: 30, max_bps: 500_000, preset: ultrafast, label: HD}
  - {name: small, codec: x264, width: 96, height: 54, crf: 30, max_bps: 300_000, preset: ultrafast, label: SD}
audio:
  - {name: stereo, codec: aac, channels: 2, bitrate_bps: 96_000}
minimum: [small]
"""


class CountingStore(LocalStore):
    """Remembers how often each file was written."""

    def __init__(self, root) -> None:
        super().__init__(root)
        self.written = Counter()

    def put_file(self, key, path, **facts):
        self.written[key] += 1
        return super().put_file(key, path, **facts)


@dataclass
class EdgeDisk:
    """An edge's own files behind the calls of the pipeline, and as the playback service reads them."""

    files: EdgeFiles
    filler: Filler

    def fill(self, _edge, publication, _token):
        order = FillOrder(
            title_id=publication.title_id,
            version=publication.version,
            inventory_sha256=publication.inventory_sha256,
        )
        return self.filler.ask(order, patience_s=30).receipt

    def held_by(self, _edge, title_id, version, _token):
        return self.files.held(title_id, version)

    async def read(self, address):
        return self.files.path(address.split("/", 3)[3]).read_bytes()

    async def close(self):
        """Nothing is open."""


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_clip):
    folder = tmp_path_factory.mktemp("staged")
    (folder / "staged.yaml").write_text(PROFILE)
    registry = Registry(f"sqlite:///{folder / 'registry.db'}")
    registry.migrate()
    work = CountingStore(folder / "store")
    return Installation(
        settings=Settings(data_dir=folder, catalogue_dir=folder, edges=(EDGE,), chunk_seconds=4, token_key=TOKEN_KEY),
        work=work,
        keys=SealedKeyStore(LocalStore(folder / "keys"), SecretBytes(b"m" * 32)),
        open_bucket=lambda _: work,
        origin=MemoryStore(),
        registry=registry,
    )


@pytest.fixture
def edge(place, tmp_path, monkeypatch):
    files = EdgeFiles(tmp_path / "edge")
    disk = EdgeDisk(files, Filler("edge-a", files, place.origin, EdgeMetrics()))
    monkeypatch.setattr(placing, "fill_edge", disk.fill)
    monkeypatch.setattr(versions, "held_by", disk.held_by)
    for module in (placing, versions):
        monkeypatch.setattr(module, "publish_invalidation", lambda *_: None)
    yield disk
    files.close()


def planned(place, make_clip):
    clip = make_clip("staged.mp4", seconds=8, size="160x90", rate="24", audio="stereo", noise=2)
    request = SubmitRequest(master_uri=clip.as_uri(), title_id=TITLE, name="Bunny", profile="staged")
    place.registry.submit(request, "run")
    master = steps.register(place, request)
    place.registry.remember_master(TITLE, master.sha256)
    return steps.plan(place, steps.inspect(place, master), "staged")


def ready(place, plan):
    """The tasks of one version up to go_live, as the DAG's ``version_of`` has them."""
    encode_here(plan, place)
    renditions = steps.assemble(place, plan)
    package = steps.package(place, TITLE, plan.ladder.packaging, renditions)
    steps.verify(place, package, renditions)
    rungs = [one.name for one in renditions.renditions]
    publication = placing.publish(place, package, rungs=rungs, partial=plan.partial)
    return publication, [placing.fill(place, EDGE, publication)]


def went_live(place, plan, after=None):
    publication, receipts = ready(place, plan)
    placing.go_live(place, publication, receipts, after=after)
    return publication


class Viewer:
    """One session of the playback service on what is live when it opens."""

    def __init__(self, client) -> None:
        self.client = client
        wanted = {"title": TITLE, "device": "tv", "robustness": "hardware"}
        answer = client.post("/v1/sessions", json=wanted, headers=user_bearer())
        assert answer.status_code == 201, answer.text
        self.opened = answer.json()
        self.bearer = {"Authorization": f"Bearer {self.opened['playback_token']}"}

    @property
    def version(self):
        return self.opened["version"]

    def manifest(self):
        session = self.opened["session_id"]
        answer = self.client.get(f"/v1/sessions/{session}/manifest.mpd", headers=self.bearer)
        assert answer.status_code == 200, answer.text
        return answer.text

    def licensed(self, kids):
        token = self.client.post(f"/v1/sessions/{self.opened['session_id']}/license-token", headers=self.bearer).json()
        asked = [base64.urlsafe_b64encode(bytes.fromhex(kid)).rstrip(b"=").decode() for kid in kids]
        bearer = {"Authorization": f"Bearer {token['license_token']}"}
        body = json.dumps({"kids": asked, "type": "temporary"}).encode()
        answer = self.client.post("/v1/licenses/clearkey", content=body, headers=bearer)
        assert answer.status_code == 200, answer.text
        granted = {key["kid"]: base64.urlsafe_b64decode(key["k"] + "==") for key in answer.json()["keys"]}
        return [granted[kid] for kid in asked]


def test_a_title_goes_live_small_grows_and_goes_back_while_people_watch(place, edge, make_clip):
    plan = planned(place, make_clip)
    small = plan_of_first_version(place, TITLE, plan)
    assert (small.partial, [rung.name for rung in small.ladder.video]) == (True, ["small"])
    first = went_live(place, small)
    standing = replace(parts(), titles=RegistryTitles(place.registry), keys=place.keys, files=edge)
    client = TestClient(create_app(place.settings, standing))
    early = Viewer(client)
    assert early.version == first.version
    assert 'height="54"' in early.manifest()
    assert 'height="90"' not in early.manifest()

    assert "minimum ladder" in problem_of_rest(place, TITLE, "encode: no worker")
    assert place.registry.title(TITLE).live_profile is None

    second = went_live(place, plan, after=first.version)
    assert max(count for key, count in place.work.written.items() if key.startswith("chunks/")) == 1, "encoded twice"
    late = Viewer(client)
    assert late.version == second.version != first.version
    assert 'height="90"' in late.manifest()
    assert 'height="90"' not in early.manifest(), "a session stays on its version"
    for stored in place.origin.list(first.prefix):
        if not stored.key.endswith("inventory.json"):
            assert edge.files.path(stored.key).is_file(), "the early viewer's next segment"
    sd = first.keys.kids["SD"]
    assert early.licensed([sd]) == late.licensed([sd]) == [place.keys.key(TITLE, sd).key.get_secret_value()]
    assert place.registry.title(TITLE).live_profile == "staged"
    assert plan_of_first_version(place, TITLE, plan) == plan, "nobody is taken back to a few rungs"
    again, receipts = ready(place, small)
    assert placing.go_live(place, again, receipts).version == second.version, "nor by a repeated task"

    back = versions.roll_back(place, TITLE, None, who="cli:ada", why="the large rung flickers")
    assert back.version == first.version == Viewer(client).version
    assert late.licensed([second.keys.kids["HD"]]), "who watches the other version goes on"
    with pytest.raises(PreconditionFailed, match="was to follow vother"):
        placing.go_live(place, second, [placing.fill(place, EDGE, second)], after="vother")
    assert place.registry.live_pointer(TITLE).version == first.version

    place.keys.rekey(TITLE)
    third = went_live(place, plan)
    assert not set(third.keys.kids.values()) & set(second.keys.kids.values())
    versions.roll_back(place, TITLE, second.version, who="cli:ada", why="old keys work")
    viewer, kids = Viewer(client), list(second.keys.kids.values())
    assert viewer.version == second.version
    assert viewer.licensed(kids) == [place.keys.key(TITLE, kid).key.get_secret_value() for kid in kids]
    with pytest.raises(NotFound):
        versions.version_named(place, TITLE, "v-none")
    assert place.registry.live_pointer(TITLE).live_at <= datetime.now(UTC)
