"""shaka-player, hls.js and dash.js play our packages from the playback service: filtered manifests, single licences.

shaka-player plays both manifests, hls.js is a player of HLS, dash.js of DASH: what they say of the other is asserted.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from packagers.work import package
from playback.entitlements import Entitlement
from playback.tokens import user_token
from telecine.keystore import SealedKeyStore, load_or_create_master_key
from telecine.protection import KeyAssignment, further_label
from telecine.publication import Edge, Pointer
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.title import SubmitRequest
from tests.e2e.playback_players import page_server
from tests.e2e.playback_stand import free_port, redis_server, static_edge, wait_for_port
from tests.media.packagers_clips import FRAMES
from tests.media.players import LIBRARIES, full_bench, full_request

pytestmark = [pytest.mark.media, pytest.mark.server]

TOKEN_KEY = SecretStr("e2e-" + "k" * 40)
TITLE = "card"
SCHEMES = ["cbcs", "cenc"]
PAIRS = [("shaka", "dash"), ("shaka", "hls"), ("hls.js", "hls"), ("dash.js", "dash")]
REFUSALS = [("hls.js", "dash", "manifestParsingError"), ("dash.js", "hls", "10")]
"""10 is dash.js's MANIFEST_LOADER_PARSING_FAILURE_ERROR_CODE."""
TRICK_TRACKS = {"shaka": None, "hls.js": 1, "dash.js": 0}
"""Tracks of key frames that applications are told of: shaka-player keeps its own, dash.js leaves them out."""


@dataclass(frozen=True)
class Stand:
    """A running service that has one title live, with a set of each scheme."""

    url: str

    @contextmanager
    def session(self, scheme: str, entitlement: Entitlement | None = None) -> Iterator[dict]:
        """A session as the service opened it, ended when done with."""
        token = user_token("ada", TOKEN_KEY, 600, entitlement)
        asked = {"title": TITLE, "device": "web"} | ({} if scheme == "cbcs" else {"scheme": scheme})
        answer = httpx.post(f"{self.url}/v1/sessions", json=asked, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        opened = answer.json()
        try:
            yield opened
        finally:
            bearer = {"Authorization": f"Bearer {opened['playback_token']}"}
            httpx.delete(f"{self.url}/v1/sessions/{opened['session_id']}", headers=bearer)


@dataclass
class Viewer:
    """A page that plays, and every address it asked for."""

    page: object
    requests: list[str] = field(default_factory=list)

    def seen(self) -> dict:
        return self.page.evaluate("window.seen()")

    def until(self, holds, patience_s: float = 30) -> dict:
        """What the page says once ``holds``; fails with it when the player does, or patience ends."""
        deadline = time.monotonic() + patience_s
        while not holds(seen := self.seen()):
            assert not seen["failed"], seen
            assert time.monotonic() < deadline, seen
            self.page.wait_for_timeout(100)
        return seen

    def asked(self, part: str) -> bool:
        return any(part in address for address in self.requests)


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    """The service as a process of its own, before the real registry, key store, packages and an edge."""
    data, root = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("edge")
    settings = Settings(data_dir=data, token_key=TOKEN_KEY, playback_url=f"http://localhost:{free_port()}")
    registry = Registry(settings.registry_url)
    registry.migrate()
    _publish(settings, registry, root, tmp_path_factory.mktemp("work"))
    with static_edge(root) as edge, redis_server(data) as redis_url:
        port = edge.server_port
        told = Edge(name="edge-a", base_url=f"http://edge-a.localhost:{port}", agent_url="http://127.0.0.1:9")
        with _service(settings, redis_url, told):
            yield Stand(settings.playback_url)


def _publish(settings: Settings, registry: Registry, root: Path, work: Path) -> None:
    """A title of two languages, subtitles, thumbnails and tracks of key frames, live under ``root``."""
    bench = full_bench(work, "both")
    keys = SealedKeyStore(LocalStore(settings.data_dir / "keys"), load_or_create_master_key(settings.kek_file))
    labels = sorted({one.label for one in bench.renditions.renditions})
    further = keys.assign(TITLE, [further_label(label) for label in labels]).kids
    asked = full_request(bench).model_copy(
        update={
            "title_id": TITLE,
            "keys": keys.assign(TITLE, labels),
            "further_keys": KeyAssignment(title_id=TITLE, kids={one: further[further_label(one)] for one in labels}),
            "licence_url": f"{settings.playback_url}/v1/licenses/clearkey",
        }
    )
    made = package(asked, keys, bench.store, bench.work_dir)
    for entry in made.inventory.entries:
        file = root / "p" / TITLE / made.version / entry.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bench.store.get_bytes(made.prefix + entry.path)[0])
    registry.submit(SubmitRequest(master_uri="file:///master.mov", title_id=TITLE, name=TITLE), None)
    pointer = Pointer(
        title_id=TITLE,
        seq=1,
        version=made.version,
        dash_path="manifest.mpd",
        hls_path="master.m3u8",
        kids=made.keys.kids,
        live_at=datetime.now(UTC),
        scheme=made.scheme,
        further=made.further,
    )
    registry.set_live(TITLE, pointer)


@contextmanager
def _service(settings: Settings, redis_url: str, edge: Edge) -> Iterator[None]:
    told = {
        "TELECINE_DATA_DIR": str(settings.data_dir),
        "TELECINE_REDIS_URL": redis_url,
        "TELECINE_TOKEN_KEY": TOKEN_KEY.get_secret_value(),
        "TELECINE_PLAYBACK_URL": settings.playback_url,
        "TELECINE_EDGES": json.dumps([edge.model_dump()]),
        "TELECINE_LICENSES_PER_USER": "1000",  # one viewer watches all of this module
        "TELECINE_LICENSES_PER_DEVICE": "1000",
    }
    port = httpx.URL(settings.playback_url).port
    log_file = settings.data_dir / "service.log"
    with log_file.open("w") as log:
        argv = [sys.executable, "-m", "playback", "--port", str(port), "--verbose"]
        service = subprocess.Popen(argv, env={**os.environ, **told}, stdout=log, stderr=log)
    try:
        wait_for_port(port)
        yield
    finally:
        service.terminate()
        service.wait(timeout=20)
    assert "Traceback" not in log_file.read_text(), log_file.read_text()


@pytest.fixture
def open_page(browser):
    @contextmanager
    def opened(player, session, form):
        if not LIBRARIES[player].is_file():
            pytest.skip(f"{player} is not installed: run 'make install-dev'")
        with page_server(player, session, session["session_manifests"][form]) as address:
            viewer = Viewer(browser.new_page())  # in a context of its own: nothing is cached or remembered from another
            viewer.page.on("request", lambda request: viewer.requests.append(request.url))
            viewer.page.goto(address)
            yield viewer
            viewer.page.close()

    return opened


def assert_decrypted(seen) -> None:
    assert seen["encrypted"], seen
    assert seen["licences"] >= 1, seen
    assert seen["frames"] > FRAMES * 3 // 4, seen


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("player", "form"), PAIRS)
def test_a_player_plays_a_session_of_the_service(stand, open_page, player, form, scheme):
    with stand.session(scheme) as session, open_page(player, session, form) as viewer:
        seen = viewer.until(lambda seen: seen["t"] >= 4.5)
    assert_decrypted(seen)
    assert seen["width"] in {320, 640}
    assert session["scheme"] == scheme
    assert viewer.asked("/cenc/video/") == (scheme == "cenc")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("player", "form"), PAIRS)
def test_an_sd_entitlement_plays_sd_in_every_player(stand, open_page, player, form, scheme):
    entitled = Entitlement(max_label="SD")
    with stand.session(scheme, entitled) as session, open_page(player, session, form) as viewer:
        seen = viewer.until(lambda seen: seen["t"] >= 4.5)
    assert session["labels"] == ["AUDIO", "SD"]
    assert_decrypted(seen)
    assert seen["width"] == 320
    assert viewer.asked("/180p/")
    assert not viewer.asked("/360p/")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("player", "form"), PAIRS)
def test_a_viewer_of_sd_has_every_language_and_the_subtitles(stand, open_page, player, form, scheme):
    entitled = Entitlement(max_label="SD")
    with stand.session(scheme, entitled) as session, open_page(player, session, form) as viewer:
        viewer.until(lambda seen: seen["t"] > 0.2)
        offered = viewer.page.evaluate("window.offered()")
        viewer.page.evaluate("video.loop = true")  # or a slow machine would have played all before it looks
        assert not viewer.asked("/stereo-high/")
        viewer.page.evaluate("window.listen('fr')")
        viewer.page.evaluate("window.read('en')")
        viewer.until(lambda seen: "Hello" in seen["shown"] and viewer.asked("/stereo-high/"))
    assert set(offered["audio"]) == {"en", "fr"}
    assert set(offered["text"]) == {"en"}
    assert offered["images"] == (0 if player == "hls.js" else 1)  # hls.js knows no image tracks
    assert offered["trick"] == TRICK_TRACKS[player]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("form", ["dash", "hls"])
def test_shaka_seeks_in_pictures_of_an_sd_session(stand, open_page, form, scheme):
    entitled = Entitlement(max_label="SD")
    with stand.session(scheme, entitled) as session, open_page("shaka", session, form) as viewer:
        viewer.until(lambda seen: seen["t"] > 0.2)
        assert not any("/trick/" in address and address.endswith(".m4s") for address in viewer.requests)
        viewer.page.evaluate("window.seekInPictures()")
        viewer.until(lambda _: any("/trick/" in one and one.endswith(".m4s") for one in viewer.requests))


@pytest.mark.parametrize(("player", "form", "reason"), REFUSALS)
def test_a_player_says_that_the_other_manifest_is_not_its_own(stand, open_page, player, form, reason):
    with stand.session("cbcs") as session, open_page(player, session, form) as viewer:
        deadline = time.monotonic() + 15
        while not (seen := viewer.seen())["failed"]:
            assert time.monotonic() < deadline, seen
            viewer.page.wait_for_timeout(100)
    assert (seen["failed"], seen["frames"]) == (reason, 0)


TAKES_NO_CBCS = """
const asked = navigator.requestMediaKeySystemAccess.bind(navigator);
navigator.requestMediaKeySystemAccess = (system, configurations) =>
  JSON.stringify(configurations).includes("cbcs") ? Promise.reject(new Error("no")) : asked(system, configurations);
"""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_player_page_asks_for_the_set_that_its_browser_decrypts(stand, browser, scheme):
    """The browser of the second run takes no cbcs: its answers to the page say so."""
    if not LIBRARIES["shaka"].is_file():
        pytest.skip("shaka-player is not installed: run 'make install'")
    token = user_token("ada", TOKEN_KEY, 600)
    viewer = Viewer(browser.new_page())
    if scheme == "cenc":
        viewer.page.add_init_script(TAKES_NO_CBCS)
    viewer.page.on("request", lambda request: viewer.requests.append(request.url))
    viewer.page.goto(f"{stand.url}/player/{TITLE}#token={token}")
    deadline = time.monotonic() + 30
    while viewer.page.evaluate("document.getElementById('video').currentTime") < 0.5:
        assert viewer.page.evaluate("window.telecine.error") is None
        assert time.monotonic() < deadline
        viewer.page.wait_for_timeout(100)
    viewer.page.close()
    pictures = [one for one in viewer.requests if "/video/" in one and one.endswith(".m4s")]
    assert pictures
    assert all(("/cenc/video/" in one) == (scheme == "cenc") for one in pictures)
