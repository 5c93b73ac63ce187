"""Pages of shaka-player, hls.js and dash.js that play a session of the playback service as an application would.

Each loads the session's own manifest with the playback token, and asks for a licence token before each licence.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["LIBRARIES", "page_server"]

_ROOT = Path(__file__).parents[2]
LIBRARIES = {
    "shaka": _ROOT / "playback/web/node_modules/shaka-player/dist/shaka-player.compiled.js",
    "hls.js": _ROOT / "tests/players/node_modules/hls.js/dist/hls.min.js",
    "dash.js": _ROOT / "tests/players/node_modules/dashjs/dist/modern/umd/dash.all.min.js",
}
_PAGE = """<!doctype html><meta charset="utf-8"><video id="video" muted></video><div id="captions"></div>
<script src="/library.js"></script><script>
const session = %s, manifest = %s;
const bearer = (token) => `Bearer ${token}`;
let licences = 0;
async function licenceToken() {
  const headers = { Authorization: bearer(session.playback_token) };
  const answer = await fetch(session.license_token_url, { method: "POST", headers });
  if (!answer.ok) throw new Error(`licence token: ${answer.status}`);
  licences += 1;
  return (await answer.json()).license_token;
}
window.failed = null;
window.addEventListener("error", (event) => { window.failed = event.message; });
window.addEventListener("unhandledrejection", (event) => { window.failed = String(event.reason); });
window.seen = () => ({ t: video.currentTime, frames: video.getVideoPlaybackQuality().totalVideoFrames,
  failed: window.failed, width: video.videoWidth, encrypted: video.mediaKeys !== null, licences,
  shown: document.getElementById("captions").innerText + [...video.textTracks].flatMap((track) =>
    track.mode === "showing" ? [...(track.activeCues || [])].map((cue) => cue.text) : []).join(" ") });
%s
</script>"""
_SHAKA = """
const COMMON = "1077efecc0b24d02ace33c1e52e2fb4b";
const bytes = (hex) => hex.match(/../g).map((digits) => parseInt(digits, 16));
const word = (number) => [number >> 24, number >> 16, number >> 8, number].map((part) => part & 255);
const box = (kids) => new Uint8Array([...word(36 + 16 * kids.length), ...bytes("70737368" + "01000000" + COMMON),
  ...word(kids.length), ...kids.flatMap(bytes), ...word(0)]);
const player = new shaka.Player();
const { LICENSE } = shaka.net.NetworkingEngine.RequestType;
const drm = manifest.endsWith(".mpd") ? { servers: { "org.w3.clearkey": session.license_url } }
  : { servers: { "com.widevine.alpha": session.license_url },
    keySystemsMapping: { "com.widevine.alpha": "org.w3.clearkey" },
    initDataTransform: (given, type, told) => told && told.keyIds.size ? box([...told.keyIds].sort()) : given };
player.addEventListener("error", (event) => { window.failed = String(event.detail.code); });
player.attach(video).then(() => {
  player.configure({ streaming: { bufferingGoal: 1, rebufferingGoal: 0.5, bufferBehind: 1 }, drm });
  player.getNetworkingEngine().registerRequestFilter(async (type, request) => {
    if (type === LICENSE) {
      request.uris = [session.license_url];
      request.headers.Authorization = bearer(await licenceToken());
    } else if (request.uris[0] === manifest) request.headers.Authorization = bearer(session.playback_token);
  });
  return player.load(manifest);
}).then(() => video.play()).catch((error) => { window.failed = String(error.code || error); });
const languages = (tracks) => tracks.map((one) => one.language);
window.offered = () => ({ audio: languages(player.getAudioTracks()), text: languages(player.getTextTracks()),
  images: player.getImageTracks().length, trick: null });
window.listen = (language) => player.selectAudioTrack(
  player.getAudioTracks().find((one) => one.language === language));
window.read = (language) => player.selectTextTrack(player.getTextTracks().find((one) => one.language === language));
window.seekInPictures = () => player.trickPlay(2, true);
"""
_HLS = """
const player = new Hls({ emeEnabled: true, drmSystems: { "org.w3.clearkey": { licenseUrl: session.license_url } },
  xhrSetup: (request, url) => {
    if (url !== manifest) return;
    request.open("GET", url, true);
    request.setRequestHeader("Authorization", bearer(session.playback_token));
  },
  licenseXhrSetup: async (request, url) => {
    const token = await licenceToken();
    request.open("POST", url, true);
    request.setRequestHeader("Authorization", bearer(token));
  } });
player.on(Hls.Events.ERROR, (_, told) => { if (told.fatal) window.failed = told.details; });
player.on(Hls.Events.MANIFEST_PARSED, () => video.play());
player.loadSource(manifest);
player.attachMedia(video);
window.offered = () => ({ audio: player.audioTracks.map((one) => one.lang),
  text: player.subtitleTracks.map((one) => one.lang), images: 0, trick: player.iframeVariants.length });
window.listen = (language) => { player.audioTrack = player.audioTracks.findIndex((one) => one.lang === language); };
window.read = (language) => {
  player.subtitleTrack = player.subtitleTracks.findIndex((one) => one.lang === language);
  player.subtitleDisplay = true;
};
"""
_DASH = """
const player = dashjs.MediaPlayer().create();
player.initialize();
player.setProtectionData({ "org.w3.clearkey": { serverURL: session.license_url } });
player.addRequestInterceptor((request) => {
  if (request.url === manifest) {
    request.headers = { ...request.headers, Authorization: bearer(session.playback_token) };
  }
  return Promise.resolve(request);
});
player.registerLicenseRequestFilter(async (request) => {
  request.headers = { ...request.headers, Authorization: bearer(await licenceToken()) };
});
player.on("error", (told) => { window.failed = String(told.error?.code ?? told.error); });
player.attachView(video);
player.attachTTMLRenderingDiv(document.getElementById("captions"));
player.setAutoPlay(true);
player.attachSource(manifest);
const named = (kind) => player.getTracksFor(kind).map((one) => one.lang);
const trick = (track) => track.essentialProperties.some((one) => one.schemeIdUri.endsWith("/trickmode"));
window.offered = () => ({ audio: named("audio"), text: named("text"), images: player.getTracksFor("image").length,
  trick: player.getTracksFor("video").filter(trick).length });
window.listen = (language) => player.setCurrentTrack(player.getTracksFor("audio").find((one) => one.lang === language));
window.read = (language) => {
  player.setTextTrack(player.getTracksFor("text").findIndex((one) => one.lang === language));
  player.enableText(true);
};
"""
_SCRIPTS = {"shaka": _SHAKA, "hls.js": _HLS, "dash.js": _DASH}


@contextmanager
def page_server(player: str, session: Mapping[str, Any], manifest: str) -> Iterator[str]:
    """Address of a page, on an origin of its own, that plays ``manifest`` of an opened session with ``player``."""
    page = _PAGE % (json.dumps(session), json.dumps(manifest), _SCRIPTS[player])
    library = LIBRARIES[player].read_bytes()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_page = self.path == "/"
            content = page.encode() if is_page else library
            self.send_response(200 if is_page or self.path == "/library.js" else 404)
            self.send_header("Content-Type", "text/html" if is_page else "text/javascript")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
