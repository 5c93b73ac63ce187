"""Pages of shaka-player, hls.js and dash.js that play a session of the playback service as an application would.

Each loads the session's own manifest with the playback token, and asks for a licence token before each licence.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.media.players import BOX, CONTROLS, LIBRARIES, serving

__all__ = ["page_server"]

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
"""
_SCRIPTS = {"shaka": BOX + _SHAKA, "hls.js": _HLS, "dash.js": _DASH}


@contextmanager
def page_server(player: str, session: Mapping[str, Any], manifest: str) -> Iterator[str]:
    """Address of a page, on an origin of its own, that plays ``manifest`` of an opened session with ``player``."""
    page = _PAGE % (json.dumps(session), json.dumps(manifest), _SCRIPTS[player] + CONTROLS[player])
    files = {"/": (page.encode(), "text/html"), "/library.js": (LIBRARIES[player].read_bytes(), "text/javascript")}
    with serving(files.__getitem__) as port:
        yield f"http://localhost:{port}/"
