"""A real Chromium plays both manifests of a real package with shaka-player, keys from a small licence endpoint."""

import base64
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from packagers.work import package
from telecine.errors import NotFound
from telecine.storage.port import ObjectStore

sys.path.insert(0, str(Path(__file__).parent))
from packagers_clips import Bench

pytestmark = [pytest.mark.media, pytest.mark.server]

SHAKA = Path(__file__).parents[2] / "playback/web/node_modules/shaka-player/dist/shaka-player.compiled.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]
FLAGS += ["--autoplay-policy=no-user-gesture-required"]
SEEN = "({t: video.currentTime, frames: video.getVideoPlaybackQuality().totalVideoFrames, failed: window.failed})"
PAGE = """<!doctype html><video id="video" muted></video><script src="/shaka.js"></script><script>
const COMMON = "1077efecc0b24d02ace33c1e52e2fb4b";
const bytes = (hex) => hex.match(/../g).map((digits) => parseInt(digits, 16));
const word = (number) => [number >> 24, number >> 16, number >> 8, number].map((part) => part & 255);
const box = (kids) => new Uint8Array([...word(36 + 16 * kids.length), ...bytes("70737368" + "01000000" + COMMON),
  ...word(kids.length), ...kids.flatMap(bytes), ...word(0)]);
const player = new shaka.Player();
const dash = { servers: { "org.w3.clearkey": "/licence" } };
const hls = { servers: { "com.widevine.alpha": "/licence" },
  keySystemsMapping: { "com.widevine.alpha": "org.w3.clearkey" },
  initDataTransform: (given, type, drm) => drm && drm.keyIds.size ? box([...drm.keyIds].sort()) : given };
const manifest = location.search.slice(1);
player.addEventListener("error", (event) => { window.failed = String(event.detail.code); });
player.attach(video).then(() => {
  player.configure({ drm: { ...(manifest.endsWith(".mpd") ? dash : hls), retryParameters: { maxAttempts: 1 } } });
  player.getNetworkingEngine().registerRequestFilter((type, request) => {
    if (type === shaka.net.NetworkingEngine.RequestType.LICENSE) request.uris = ["/licence"];
  });
  return player.load(manifest);
}).then(() => video.play()).catch((error) => { window.failed = String(error.code || error); });
</script>"""


@dataclass
class Origin:
    """What the test's server has to give, and the KIDs it was asked for."""

    store: ObjectStore
    keys: dict[str, bytes]
    asked: list[str] = field(default_factory=list)

    def licence(self, body: bytes) -> bytes:
        """A licence as W3C EME, 9.1.4 spells it, for the KIDs that have a key here."""
        kids = [base64.urlsafe_b64decode(kid + "==").hex() for kid in json.loads(body)["kids"]]
        self.asked += kids
        granted = [{"kty": "oct", "kid": _b64(bytes.fromhex(kid)), "k": _b64(self.keys[kid])} for kid in kids]
        return json.dumps({"keys": granted, "type": "temporary"}).encode()

    def content(self, path: str) -> bytes:
        if path == "/shaka.js":
            return SHAKA.read_bytes()
        return PAGE.encode() if path == "/" else self.store.get_bytes(path.lstrip("/"))[0]


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.fixture
def serve():
    servers = []

    def start(origin: Origin) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(lambda: origin.content(self.path.partition("?")[0]))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.answer(lambda: origin.licence(body))

            def answer(self, make):
                try:
                    content, status = make(), 200
                except (NotFound, KeyError):
                    content, status = b"", 404
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                if self.path.startswith("/?"):
                    self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def watch(chromium: str, url: str, *, until_s: float, patience_s: float = 30) -> dict:
    """What a viewer has seen once playback is ``until_s`` in, has failed, or patience has ended."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            page = browser.new_page()
            page.goto(url)
            deadline = time.monotonic() + patience_s
            while (
                (seen := page.evaluate(SEEN))["t"] < until_s and not seen.get("failed") and time.monotonic() < deadline
            ):
                page.wait_for_timeout(200)
            return seen
        finally:
            browser.close()


@pytest.fixture
def shaka():
    if not SHAKA.is_file():
        pytest.skip("shaka-player is not installed: run 'make install'")


@pytest.mark.usefixtures("shaka")
@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
@pytest.mark.parametrize("manifest", ["manifest.mpd", "master.m3u8"])
def test_a_browser_plays_a_package(tmp_path, chromium, serve, scheme, manifest):
    bench = Bench(tmp_path, scheme=scheme)
    made = package(bench.request, bench.keys, bench.store, bench.work_dir)
    origin = Origin(bench.store, {key.kid: key.key.get_secret_value() for key in bench.content_keys()})
    seen = watch(chromium, f"{serve(origin)}/?/{made.prefix}{manifest}", until_s=4.5)
    assert not seen.get("failed")
    assert seen["t"] >= 4.5
    assert seen["frames"] > 90
    assert set(origin.asked) <= set(bench.request.keys.kids.values())


@pytest.mark.usefixtures("shaka")
@pytest.mark.parametrize("manifest", ["manifest.mpd", "master.m3u8"])
def test_a_browser_plays_sound_alone(tmp_path, chromium, serve, manifest):
    bench = Bench(tmp_path, sound=("stereo", "stereo-high", "surround"), pictures=())
    made = package(bench.request, bench.keys, bench.store, bench.work_dir)
    origin = Origin(bench.store, {key.kid: key.key.get_secret_value() for key in bench.content_keys()})
    seen = watch(chromium, f"{serve(origin)}/?/{made.prefix}{manifest}", until_s=4.5)
    assert not seen.get("failed")
    assert seen["t"] >= 4.5


@pytest.mark.usefixtures("shaka")
@pytest.mark.parametrize("manifest", ["manifest.mpd", "master.m3u8"])
def test_a_browser_without_keys_sees_nothing(tmp_path, chromium, serve, manifest):
    bench = Bench(tmp_path, sound=("stereo",))
    made = package(bench.request, bench.keys, bench.store, bench.work_dir)
    seen = watch(chromium, f"{serve(Origin(bench.store, {}))}/?/{made.prefix}{manifest}", until_s=0.1)
    assert seen["failed"] == "6007"  # LICENSE_REQUEST_FAILED
    assert (seen["t"], seen["frames"]) == (0, 0)
