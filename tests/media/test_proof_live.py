"""A live title is verified as a viewer gets it: from its edge, with a session and a licence of the running service."""

import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from pydantic import SecretStr

from origin.layout import inventory_key
from packagers.work import package
from pipeline.installation import open_installation
from pipeline.verifying import Asked, verify_any
from playback.app import create_app
from playback.manifests.files import HttpFiles
from playback.parts import Parts
from playback.titles import RegistryTitles
from telecine.errors import NotFound
from telecine.publication import Edge, Pointer
from telecine.registry.audit import RegistryAudit
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.title import SubmitRequest
from tests.e2e.playback_stand import free_port, static_edge, wait_for_port
from tests.unit.playback_fakes import MemorySessions

sys.path.insert(0, str(Path(__file__).parent))
from packagers_clips import TITLE, Bench

pytestmark = [pytest.mark.media, pytest.mark.server]


@pytest.fixture
def installation(request, tmp_path, monkeypatch):
    """A title on an edge, live in a real registry, its keys with a real playback service on a port."""
    scheme = getattr(request, "param", "cbcs")
    bench = Bench(tmp_path / "bench", scheme=scheme, sound=("stereo",), pictures=("180p",))
    made = package(bench.request, bench.keys, bench.store, bench.work_dir)
    root = tmp_path / "edge" / "p" / TITLE / made.version
    for entry in made.inventory.entries:
        target = root / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        bench.store.get_file(made.prefix + entry.path, target)
    origin = LocalStore(tmp_path / "origin")
    inventory = made.inventory.model_dump_json().encode()
    origin.put_bytes(inventory_key(TITLE, made.version), inventory, content_type="application/json")
    opened = open_installation
    monkeypatch.setattr("pipeline.installation.open_installation", lambda told: replace(opened(told), origin=origin))
    port = free_port()
    with static_edge(tmp_path / "edge") as edge:
        settings = Settings(
            data_dir=tmp_path / "data",
            s3_endpoint="http://127.0.0.1:9",  # its origin is a folder
            s3_access_key="none",
            s3_secret_key=SecretStr("none"),
            token_key=SecretStr("k" * 40),
            playback_url=f"http://127.0.0.1:{port}",
            edges=(Edge(name="a", base_url=f"http://127.0.0.1:{edge.server_port}", agent_url="http://127.0.0.1:9"),),
        )
        settings.data_dir.mkdir()
        registry = Registry(settings.registry_url)
        registry.migrate()
        registry.submit(SubmitRequest(master_uri="file:///m.mp4", title_id=TITLE, name="A card"), "run")
        live = Pointer(
            title_id=TITLE, seq=1, version=made.version, dash_path=made.dash_path, hls_path=made.hls_path,
            kids=made.keys.kids, live_at=datetime.now(UTC), scheme=made.scheme, further=made.further,
        )  # fmt: skip
        registry.set_live(TITLE, live)
        sessions = MemorySessions(time.time)
        parts = Parts(
            titles=RegistryTitles(registry),
            keys=bench.keys,
            sessions=sessions,
            audit=RegistryAudit(registry),
            files=HttpFiles(),
        )
        app = create_app(settings, parts)
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        wait_for_port(port)
        yield settings, root, sessions
        server.should_exit = True
        thread.join(timeout=10)


@pytest.mark.parametrize(("installation", "sets"), [("cbcs", 1), ("both", 2)], indirect=["installation"])
def test_a_live_title_is_opened_by_the_running_licence_service(installation, sets):
    settings, _, sessions = installation
    report = verify_any(Asked(TITLE), settings)
    assert [fault.sentence for fault in report.rejections] == []
    assert all(track.decoded for track in report.tracks)
    assert (len(report.manifests), len(report.tracks), len(report.granted)) == (2 * sets,) * 3
    assert len({track.name for track in report.tracks}) == len(report.tracks)
    assert sessions.kept == {}, "a proof takes no viewer's place"


def test_what_an_edge_serves_is_held_to_the_inventory(installation):
    settings, root, _ = installation
    path = root / "video/180p/2.m4s"
    held = bytearray(path.read_bytes())
    held[-1] ^= 1
    path.write_bytes(bytes(held))
    told = [one for one in verify_any(Asked(TITLE), settings).rejections if one.clause == "Telecine inventory"]
    assert [one.where.rpartition("/p/")[2] for one in told] == [f"{TITLE}/{root.name}/video/180p/2.m4s"]


def test_a_manifest_that_leads_out_of_its_version_is_a_breach(installation):
    settings, root, _ = installation
    elsewhere = root.parent / "v0"
    elsewhere.mkdir()
    (root / "video/180p/init.mp4").rename(elsewhere / "init.mp4")
    path = root / "manifest.mpd"
    path.write_text(path.read_text().replace('"video/180p/init.mp4"', '"../v0/init.mp4"'))
    told = [one for one in verify_any(Asked(TITLE), settings).rejections if one.clause == "Telecine inventory"]
    assert f"{TITLE}/v0/init.mp4" in {one.where.rpartition("/p/")[2] for one in told}


def test_a_refusing_service_is_a_breach(installation):
    settings, _, _ = installation
    report = verify_any(Asked(TITLE), settings.model_copy(update={"token_key": SecretStr("x" * 40)}))
    assert "W3C EME 9.1.4" in {fault.clause for fault in report.rejections}
    assert report.granted == ()


def test_a_title_nobody_knows_is_not_found(installation):
    settings, _, _ = installation
    with pytest.raises(NotFound):
        verify_any(Asked("no-such-title"), settings)
