"""hls.js, dash.js and shaka-player in a real Chromium play the manifests they can, with all a package holds.

shaka-player plays both manifests, hls.js is a player of HLS, dash.js of DASH: the other pairs do not exist.
"""

import base64
import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from packagers.text import normalise_text
from packagers.work import package
from telecine.errors import NotFound
from telecine.text import Accessories, TextSource, TextTrack

sys.path.insert(0, str(Path(__file__).parent))
from packagers_clips import DURATION, FRAMES, Bench

pytestmark = [pytest.mark.media, pytest.mark.server]

ROOT = Path(__file__).parents[2]
LIBRARIES = {
    "shaka": ROOT / "playback/web/node_modules/shaka-player/dist/shaka-player.compiled.js",
    "hls.js": ROOT / "tests/players/node_modules/hls.js/dist/hls.min.js",
    "dash.js": ROOT / "tests/players/node_modules/dashjs/dist/modern/umd/dash.all.min.js",
}
PAIRS = [("shaka", "manifest.mpd"), ("shaka", "master.m3u8"), ("hls.js", "master.m3u8"), ("dash.js", "manifest.mpd")]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]
FLAGS += ["--autoplay-policy=no-user-gesture-required"]
SRT = "1\n00:00:00,000 --> 00:00:05,000\nHello\n"
PAGE = """<!doctype html><video id="video" muted></video><div id="captions"></div><script src="/library.js"></script>
<script>
window.addEventListener("error", (event) => { window.failed = event.message; });
const manifest = location.search.slice(1);
window.seen = () => ({ t: video.currentTime, frames: video.getVideoPlaybackQuality().totalVideoFrames,
  failed: window.failed || null, width: video.videoWidth, cues: [...video.textTracks].flatMap(
    (track) => track.mode === "showing" ? [...(track.activeCues || [])].map((cue) => cue.text) : []),
  captions: document.getElementById("captions").innerText });
%s
</script>"""
SHAKA = """
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
player.addEventListener("error", (event) => { window.failed = String(event.detail.code); });
player.attach(video).then(() => {
  player.configure({ streaming: { bufferingGoal: 1, rebufferingGoal: 0.5, bufferBehind: 1 } });
  player.configure({ drm: { ...(manifest.endsWith(".mpd") ? dash : hls), retryParameters: { maxAttempts: 1 } } });
  player.getNetworkingEngine().registerRequestFilter((type, request) => {
    if (type === shaka.net.NetworkingEngine.RequestType.LICENSE) request.uris = ["/licence"];
  });
  return player.load(manifest);
}).then(() => video.play()).catch((error) => { window.failed = String(error.code || error); });
const languages = (tracks) => tracks.map((one) => one.language);
window.offered = () => ({ audio: languages(player.getAudioTracks()), text: languages(player.getTextTracks()),
  images: player.getImageTracks().length });
window.listen = (language) => player.selectAudioTrack(
  player.getAudioTracks().find((one) => one.language === language));
window.read = (language) => player.selectTextTrack(player.getTextTracks().find((one) => one.language === language));
window.trick = () => player.trickPlay(2, true);
"""
HLS = """
const player = new Hls({ emeEnabled: true, drmSystems: { "org.w3.clearkey": { licenseUrl: "/licence" } } });
player.on(Hls.Events.ERROR, (_, told) => { if (told.fatal) window.failed = told.details; });
player.on(Hls.Events.MANIFEST_PARSED, () => video.play());
player.loadSource(manifest);
player.attachMedia(video);
window.offered = () => ({ audio: player.audioTracks.map((one) => one.lang),
  text: player.subtitleTracks.map((one) => one.lang), images: 0 });
window.listen = (language) => { player.audioTrack = player.audioTracks.findIndex((one) => one.lang === language); };
window.read = (language) => {
  player.subtitleTrack = player.subtitleTracks.findIndex((one) => one.lang === language);
  player.subtitleDisplay = true;
};
"""
DASH = """
const player = dashjs.MediaPlayer().create();
player.initialize();
player.setProtectionData({ "org.w3.clearkey": { serverURL: "/licence" } });
player.on("error", (told) => { window.failed = String(told.error?.code ?? told.error); });
player.attachView(video);
player.attachTTMLRenderingDiv(document.getElementById("captions"));
player.setAutoPlay(true);
player.attachSource(location.origin + manifest);
const named = (kind) => player.getTracksFor(kind).map((one) => one.lang);
window.offered = () => ({ audio: named("audio"), text: named("text"), images: player.getTracksFor("image").length });
window.listen = (language) => player.setCurrentTrack(player.getTracksFor("audio").find((one) => one.lang === language));
window.read = (language) => {
  player.setTextTrack(player.getTracksFor("text").findIndex((one) => one.lang === language));
  player.enableText(true);
};
"""
SCRIPTS = {"shaka": SHAKA, "hls.js": HLS, "dash.js": DASH}


class Origin:
    """Serves one package, a page of one player and licences; remembers what was fetched."""

    def __init__(self, bench, player) -> None:
        self.store, self.player = bench.store, player
        self.keys = {key.kid: key.key.get_secret_value() for key in bench.content_keys()}
        self.fetched: list[str] = []

    def licence(self, body: bytes) -> bytes:
        kids = [base64.urlsafe_b64decode(kid + "==").hex() for kid in json.loads(body)["kids"]]
        granted = [{"kty": "oct", "kid": _b64(bytes.fromhex(kid)), "k": _b64(self.keys[kid])} for kid in kids]
        return json.dumps({"keys": granted, "type": "temporary"}).encode()

    def content(self, path: str) -> bytes:
        if path == "/library.js":
            return LIBRARIES[self.player].read_bytes()
        if path == "/":
            return (PAGE % SCRIPTS[self.player]).encode()
        self.fetched.append(path)
        return self.store.get_bytes(path.lstrip("/"))[0]


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
                self.send_header("Content-Type", "text/html" if self.path.startswith("/?") else "application/json")
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


@pytest.fixture(scope="module", params=["cbcs", "cenc"])
def made(request, tmp_path_factory):
    """A package with two languages, subtitles, thumbnails and tracks of key frames."""
    folder = tmp_path_factory.mktemp(request.param)
    packaging = {"trick_play": True, "thumbnails": {"every_s": 1, "columns": 2, "rows": 2}}
    bench = Bench(folder, scheme=request.param, packaging=packaging, sound=("stereo", "stereo-high"))
    renditions = bench.request.renditions
    spoken = [
        one.model_copy(update={"language": "fra"}) if one.name == "stereo-high" else one
        for one in renditions.renditions
    ]
    found = normalise_text(SRT.encode(), "x", TextSource(uri="file:///x", language="en"), DURATION)
    sha256 = hashlib.sha256(found.content).hexdigest()
    bench.store.put_bytes(f"texts/{sha256}.vtt", found.content, content_type="text/vtt")
    named = {"name": found.name, "kind": found.kind, "language": found.language, "title": found.title}
    text = TextTrack(**named, key=f"texts/{sha256}.vtt", sha256=sha256, cues=found.cues)
    asked = bench.request.model_copy(
        update={
            "renditions": renditions.model_copy(update={"renditions": tuple(spoken)}),
            "accessories": Accessories(texts=(text,), duration=DURATION),
        }
    )
    return bench, package(asked, bench.keys, bench.store, bench.work_dir)


@pytest.fixture
def page(chromium):
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser.new_page()
        browser.close()


def until(page, holds, patience_s: float = 30):
    """What the page says once ``holds``; fails with it when the player does, or patience ends."""
    deadline = time.monotonic() + patience_s
    while not holds(seen := page.evaluate("window.seen()")):
        assert not seen["failed"], seen
        assert time.monotonic() < deadline, seen
        page.wait_for_timeout(100)
    return seen


def opened(page, serve, made, player, manifest):
    if not LIBRARIES[player].is_file():
        pytest.skip(f"{player} is not installed: run 'make install-dev'")
    bench, found = made
    origin = Origin(bench, player)
    page.goto(f"{serve(origin)}/?/{found.prefix}{manifest}")
    until(page, lambda seen: seen["t"] > 0.2)
    return origin


@pytest.mark.parametrize(("player", "manifest"), PAIRS)
def test_a_player_plays_a_package_to_its_end(page, serve, made, player, manifest):
    opened(page, serve, made, player, manifest)
    seen = until(page, lambda seen: seen["t"] >= 4.5)
    assert seen["frames"] > FRAMES * 3 // 4
    assert seen["width"] in {320, 640}


@pytest.mark.parametrize(("player", "manifest"), PAIRS)
def test_a_player_offers_both_languages_and_the_subtitles(page, serve, made, player, manifest):
    origin = opened(page, serve, made, player, manifest)
    offered = page.evaluate("window.offered()")
    assert set(offered["audio"]) == {"en", "fr"}
    assert set(offered["text"]) == {"en"}
    page.evaluate("video.playbackRate = 0.5")  # or a slow machine would have played all before it looks
    page.evaluate("window.listen('fr')")
    page.evaluate("window.read('en')")
    shown = []
    until(page, lambda seen: shown.append(shows(seen)) or seen["t"] >= 4)
    assert any(shown)
    assert any("stereo-high/" in path for path in origin.fetched)


def shows(seen):
    return "Hello" in seen["captions"] or any("Hello" in cue for cue in seen["cues"])


@pytest.mark.parametrize(("player", "manifest"), [pair for pair in PAIRS if pair[0] != "hls.js"])
def test_a_player_knows_the_thumbnails(page, serve, made, player, manifest):
    opened(page, serve, made, player, manifest)
    assert page.evaluate("window.offered()")["images"] == 1


@pytest.mark.parametrize("manifest", ["manifest.mpd", "master.m3u8"])
def test_shaka_seeks_in_pictures_with_the_track_of_key_frames(page, serve, made, manifest):
    origin = opened(page, serve, made, "shaka", manifest)
    assert not any("/trick/" in path and path.endswith(".m4s") for path in origin.fetched)
    page.evaluate("window.trick()")
    until(page, lambda _: any("/trick/" in path and path.endswith(".m4s") for path in origin.fetched))
