"""A real browser plays an encrypted title through the player page, the playback service and its licences."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from playback.entitlements import Entitlement
from playback.tokens import user_token
from telecine.keystore import SealedKeyStore, load_or_create_master_key
from telecine.publication import Edge, Pointer
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.title import SubmitRequest
from tests.e2e.playback_browser import find_browser, missing_for_browser_tests, watch
from tests.e2e.playback_stand import LABELS, encrypted_title, free_port, redis_server, static_edge, wait_for_port

_MISSING = missing_for_browser_tests()
pytestmark = [pytest.mark.server, pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))]

TOKEN_KEY = SecretStr("e2e-" + "k" * 40)
TITLE, VERSION = "test-card", "v0123456789abcdef"


@dataclass(frozen=True)
class Installation:
    """A published title: the settings of its installation and the folder that edges serve."""

    settings: Settings
    root: Path


@dataclass(frozen=True)
class Stand:
    """Where a running stand answers, and a viewer of it."""

    url: str
    token: str

    def page(self, *, token: str | None = None, **query: str) -> str:
        asked = httpx.QueryParams({**query, **({} if token is None else {"token": token})})
        return f"{self.url}/player/{TITLE}?{asked}"


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Installation:
    """Keys from the real key store, a title live in the real registry, files encrypted by the real packager."""
    root, clips = tmp_path_factory.mktemp("origin"), tmp_path_factory.mktemp("clips")
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        token_key=TOKEN_KEY,
        playback_url=f"http://localhost:{free_port()}",
    )
    store = SealedKeyStore(LocalStore(settings.data_dir / "keys"), load_or_create_master_key(settings.kek_file))
    assignment = store.assign(TITLE, LABELS)
    license_url = f"{settings.playback_url}/v1/licenses/clearkey"
    encrypted_title(root / "p" / TITLE / VERSION, clips, license_url, store.keys(assignment))
    go_live(settings, assignment.kids)
    return Installation(settings, root)


def go_live(settings: Settings, kids: dict[str, str], version: str = VERSION) -> None:
    registry = Registry(settings.registry_url)
    registry.migrate()
    registry.submit(SubmitRequest(master_uri="file:///master.mov", title_id=TITLE, name="Test card"), None)
    pointer = Pointer(
        title_id=TITLE,
        seq=1,
        version=version,
        dash_path="manifest.mpd",
        hls_path="master.m3u8",
        kids=kids,
        live_at=datetime.now(UTC),
    )
    registry.set_live(TITLE, pointer)


@contextmanager
def standing(tmp_path, installation: Installation, edges: tuple[Edge, ...]) -> Iterator[Stand]:
    """The service as an installation runs it: a process of its own, told everything by its environment."""
    settings = installation.settings
    port = httpx.URL(settings.playback_url).port
    with redis_server(tmp_path) as redis_url:
        told = {
            "TELECINE_DATA_DIR": str(settings.data_dir),
            "TELECINE_REDIS_URL": redis_url,
            "TELECINE_TOKEN_KEY": TOKEN_KEY.get_secret_value(),
            "TELECINE_PLAYBACK_URL": settings.playback_url,
            "TELECINE_EDGES": json.dumps([edge.model_dump() for edge in edges]),
        }
        argv = [sys.executable, "-m", "playback", "--port", str(port), "--verbose"]
        with (tmp_path / "service.log").open("w") as log:
            service = subprocess.Popen(argv, env={**os.environ, **told}, stdout=log, stderr=log)
        try:
            wait_for_port(port)
            yield Stand(settings.playback_url, user_token("ada", TOKEN_KEY, 600))
        finally:
            service.terminate()
            status = service.wait(timeout=20)
    logged = (tmp_path / "service.log").read_text()
    assert status == -signal.SIGTERM, logged  # uvicorn stops in order, then lets the signal have its way
    assert "token=" not in logged, logged
    assert "Traceback" not in logged, logged


@pytest.fixture
def stand(tmp_path, installation):
    with static_edge(installation.root) as first, static_edge(installation.root) as second:
        edges = (edge("edge-a", first.server_port), edge("edge-b", second.server_port))
        with standing(tmp_path, installation, edges) as up:
            yield up


def edge(name: str, port: int) -> Edge:
    return Edge(name=name, base_url=f"http://{name}.localhost:{port}", agent_url="http://127.0.0.1:9")


def assert_plays(seen) -> None:
    assert seen["state"] in {"playing", "ended"}, seen
    assert seen["advanced_s"] > 1, seen
    assert seen["decoded_frames"] > 24, seen
    assert seen["encrypted"], seen
    assert seen["message"] == "", seen


@pytest.mark.parametrize("form", ["dash", "hls"])
def test_a_browser_plays_the_title_through_the_licence_service(stand, form):
    seen = watch(stand.page(token=stand.token, format=form), find_browser())
    assert_plays(seen)
    assert seen["console"] == []
    assert seen["facts"]["edge"] == "edge-a"
    assert seen["facts"]["format"] == form.upper()
    assert "token" not in seen["address"]
    extension = ".mpd" if form == "dash" else ".m3u8"
    assert any(address.endswith(extension) for address in seen["requests"])
    assert all(stand.token not in address for address in seen["requests"][1:])
    assert httpx.get(f"{stand.url}/metrics").text.count('licenses_total{outcome="granted"}') == 1


def test_without_a_token_it_does_not_play_and_says_why(stand):
    seen = watch(stand.page(), find_browser(), seconds=1)
    assert (seen["state"], seen["reason"]) == ("signed-out", "token-missing")
    assert seen["decoded_frames"] == 0
    assert seen["position_s"] == 0
    assert "This title needs a signed-in viewer" in seen["message"]
    assert not any(address.endswith((".mpd", ".m3u8", ".m4s")) for address in seen["requests"])


def test_with_an_expired_token_it_does_not_play_and_says_why(stand):
    seen = watch(stand.page(token=user_token("ada", TOKEN_KEY, -1)), find_browser(), seconds=1)
    assert (seen["state"], seen["reason"]) == ("signed-out", "token-expired")
    assert seen["decoded_frames"] == 0


@pytest.mark.parametrize("form", ["dash", "hls"])
def test_a_dead_edge_is_passed_over_for_the_next(tmp_path, installation, form):
    with static_edge(installation.root) as alive:
        edges = (edge("edge-a", free_port()), edge("edge-b", alive.server_port))
        with standing(tmp_path, installation, edges) as up:
            seen = watch(up.page(token=up.token, format=form), find_browser())
    assert_plays(seen)
    assert seen["facts"]["edge"] == "edge-b"


def test_with_no_edge_alive_it_says_so(tmp_path, installation):
    with standing(tmp_path, installation, (edge("edge-a", free_port()),)) as up:
        seen = watch(up.page(token=up.token), find_browser(), seconds=0)
    assert (seen["state"], seen["reason"]) == ("failed", "edges-failed")
    assert "No edge could deliver" in seen["message"]


def test_a_viewer_resumes_where_they_stopped(stand):
    first = watch(stand.page(token=stand.token), find_browser(), seconds=6.5)
    assert_plays(first)
    again = watch(stand.page(token=stand.token), find_browser(), seconds=1)
    assert again["position_s"] > first["position_s"] - 1


def test_a_service_without_its_settings_says_so_in_one_line(tmp_path):
    told = {**os.environ, "TELECINE_DATA_DIR": str(tmp_path)}
    argv = [sys.executable, "-m", "playback", "--port", str(free_port())]
    done = subprocess.run(argv, env=told, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("The playback service needs TELECINE_REDIS_URL")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("form", ["dash", "hls"])
def test_an_sd_entitlement_plays_sd_and_never_errs(stand, form):
    token = user_token("ada", TOKEN_KEY, 600, Entitlement(max_label="SD"))
    seen = watch(stand.page(token=token, format=form), find_browser())
    assert_plays(seen)
    assert seen["console"] == []
    assert seen["width"] == 320
    assert any("/SD/" in address for address in seen["requests"])
    assert not any("/HD/" in address or "HD.m3u8" in address for address in seen["requests"])
