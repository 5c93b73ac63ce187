"""hls.js, dash.js and shaka-player in a real Chromium play the manifests they can, with all a package holds.

shaka-player plays both manifests, hls.js is a player of HLS, dash.js of DASH: the other pairs do not exist.
"""

import time
from contextlib import ExitStack

import pytest

from packagers.work import package
from tests.media.packagers_clips import FRAMES, Bench
from tests.media.players import BOX, CONTROLS, LIBRARIES, Clearkey, full_bench, full_request, serving

pytestmark = [pytest.mark.media, pytest.mark.server]

PAIRS = [("shaka", "manifest.mpd"), ("shaka", "master.m3u8"), ("hls.js", "master.m3u8"), ("dash.js", "manifest.mpd")]
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
SCRIPTS = {
    "shaka": BOX
    + """
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
""",
    "hls.js": """
const player = new Hls({ emeEnabled: true, drmSystems: { "org.w3.clearkey": { licenseUrl: "/licence" } } });
player.on(Hls.Events.ERROR, (_, told) => { if (told.fatal) window.failed = told.details; });
player.on(Hls.Events.MANIFEST_PARSED, () => video.play());
player.loadSource(manifest);
player.attachMedia(video);
""",
    "dash.js": """
const player = dashjs.MediaPlayer().create();
player.initialize();
player.setProtectionData({ "org.w3.clearkey": { serverURL: "/licence" } });
player.on("error", (told) => { window.failed = String(told.error?.code ?? told.error); });
player.attachView(video);
player.attachTTMLRenderingDiv(document.getElementById("captions"));
player.setAutoPlay(true);
player.attachSource(location.origin + manifest);
""",
}


class Origin(Clearkey):
    """Serves one package, a page of one player and licences; remembers what was fetched."""

    def __init__(self, store, keys, player="shaka") -> None:
        super().__init__(keys)
        self.store, self.player = store, player
        self.fetched: list[str] = []

    def content(self, path: str) -> tuple[bytes, str]:
        if path == "/library.js":
            return LIBRARIES[self.player].read_bytes(), "text/javascript"
        if path == "/":
            return (PAGE % (SCRIPTS[self.player] + CONTROLS[self.player])).encode(), "text/html"
        self.fetched.append(path)
        return self.store.get_bytes(path.lstrip("/"))[0], "application/octet-stream"


@pytest.fixture
def serve():
    with ExitStack() as stack:
        yield lambda origin: f"http://127.0.0.1:{stack.enter_context(serving(origin.content, origin.licence))}"


@pytest.fixture(scope="module", params=["cbcs", "cenc"])
def made(request, tmp_path_factory):
    """A package with two languages, subtitles, thumbnails and tracks of key frames."""
    bench = full_bench(tmp_path_factory.mktemp(request.param), request.param)
    return bench, package(full_request(bench), bench.keys, bench.store, bench.work_dir)


@pytest.fixture
def page(browser):
    """In a context of its own: nothing is cached or remembered from another."""
    opened = browser.new_page()
    yield opened
    opened.close()


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
    origin = Origin(bench.store, bench.secrets(), player)
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
    page.evaluate("video.loop = true")  # or a slow machine would have played all before it looks
    page.evaluate("window.listen('fr')")
    page.evaluate("window.read('en')")
    until(page, lambda seen: shows(seen) and any("stereo-high/" in path for path in origin.fetched))


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
    page.evaluate("window.seekInPictures()")
    until(page, lambda _: any("/trick/" in path and path.endswith(".m4s") for path in origin.fetched))


@pytest.fixture
def shaka():
    if not LIBRARIES["shaka"].is_file():
        pytest.skip("shaka-player is not installed: run 'make install'")


def seen_of(page, url, *, until_s: float, patience_s: float = 30) -> dict:
    """What a viewer has seen once playback is ``until_s`` in, has failed, or patience has ended."""
    page.goto(url)
    deadline = time.monotonic() + patience_s
    while (seen := page.evaluate("window.seen()"))["t"] < until_s and not seen["failed"]:
        if time.monotonic() > deadline:
            break
        page.wait_for_timeout(200)
    return seen


@pytest.mark.usefixtures("shaka")
@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
@pytest.mark.parametrize("manifest", ["manifest.mpd", "master.m3u8"])
def test_a_browser_plays_a_package(tmp_path, page, serve, scheme, manifest):
    bench = Bench(tmp_path, scheme=scheme)
    made = package(bench.request, bench.keys, bench.store, bench.work_dir)
    origin = Origin(bench.store, bench.secrets())
    seen = seen_of(page, f"{serve(origin)}/?/{made.prefix}{manifest}", until_s=4.5)
    assert not seen["failed"]
    assert seen["t"] >= 4.5
    assert seen["frames"] > 90
    assert set(origin.asked) <= set(bench.request.keys.kids.values())


@pytest.mark.usefixtures("shaka")
@pytest.mark.parametrize("manifest", ["manifest.mpd", "master.m3u8"])
def test_a_browser_plays_sound_alone(tmp_path, page, serve, manifest):
    bench = Bench(tmp_path, sound=("stereo", "stereo-high", "surround"), pictures=())
    made = package(bench.request, bench.keys, bench.store, bench.work_dir)
    seen = seen_of(page, f"{serve(Origin(bench.store, bench.secrets()))}/?/{made.prefix}{manifest}", until_s=4.5)
    assert not seen["failed"]
    assert seen["t"] >= 4.5


@pytest.mark.usefixtures("shaka")
@pytest.mark.parametrize("manifest", ["manifest.mpd", "master.m3u8"])
def test_a_browser_without_keys_sees_nothing(tmp_path, page, serve, manifest):
    bench = Bench(tmp_path, sound=("stereo",))
    made = package(bench.request, bench.keys, bench.store, bench.work_dir)
    seen = seen_of(page, f"{serve(Origin(bench.store, {}))}/?/{made.prefix}{manifest}", until_s=0.1)
    assert seen["failed"] == "6007"  # LICENSE_REQUEST_FAILED
    assert (seen["t"], seen["frames"]) == (0, 0)
