"""What tests of players have in common: libraries, pieces of their pages, a package of all a player can be asked for.

``CONTROLS`` are what a test calls in a page that has a ``player``: ``offered()``, ``listen(language)``,
``read(language)`` and, of shaka-player, ``seekInPictures()``.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packagers.work import PackageRequest
from telecine.errors import NotFound
from telecine.text import Accessories
from tests.media.packagers_clips import DURATION, Bench, text_track

__all__ = ["BOX", "CONTROLS", "LIBRARIES", "Clearkey", "full_bench", "full_request", "serving"]

_ROOT = Path(__file__).parents[2]
LIBRARIES = {
    "shaka": _ROOT / "playback/web/node_modules/shaka-player/dist/shaka-player.compiled.js",
    "hls.js": _ROOT / "tests/players/node_modules/hls.js/dist/hls.min.js",
    "dash.js": _ROOT / "tests/players/node_modules/dashjs/dist/modern/umd/dash.all.min.js",
}
SRT = "\n".join(
    f"{n + 1}\n00:00:0{n // 2},{n % 2 * 5}00 --> 00:00:0{(n + 1) // 2},{(n + 1) % 2 * 5}00\nHello\n" for n in range(10)
)
"""Cues of half a second: shaka-player forgets, with what lies behind, every cue that only begins there."""
BOX = """
const COMMON = "1077efecc0b24d02ace33c1e52e2fb4b";
const bytes = (hex) => hex.match(/../g).map((digits) => parseInt(digits, 16));
const word = (number) => [number >> 24, number >> 16, number >> 8, number].map((part) => part & 255);
const box = (kids) => new Uint8Array([...word(36 + 16 * kids.length), ...bytes("70737368" + "01000000" + COMMON),
  ...word(kids.length), ...kids.flatMap(bytes), ...word(0)]);
"""
"""A common pssh of KIDs, which shaka-player wants for Clear Key in HLS."""
CONTROLS = {
    "shaka": """
const languages = (tracks) => tracks.map((one) => one.language);
window.offered = () => ({ audio: languages(player.getAudioTracks()), text: languages(player.getTextTracks()),
  images: player.getImageTracks().length, trick: null });
window.listen = (language) => player.selectAudioTrack(
  player.getAudioTracks().find((one) => one.language === language));
window.read = (language) => player.selectTextTrack(player.getTextTracks().find((one) => one.language === language));
window.seekInPictures = () => player.trickPlay(2, true);
""",
    "hls.js": """
window.offered = () => ({ audio: player.audioTracks.map((one) => one.lang),
  text: player.subtitleTracks.map((one) => one.lang), images: 0, trick: player.iframeVariants.length });
window.listen = (language) => { player.audioTrack = player.audioTracks.findIndex((one) => one.lang === language); };
window.read = (language) => {
  player.subtitleTrack = player.subtitleTracks.findIndex((one) => one.lang === language);
  player.subtitleDisplay = true;
};
""",
    "dash.js": """
const named = (kind) => player.getTracksFor(kind).map((one) => one.lang);
const trick = (track) => track.essentialProperties.some((one) => one.schemeIdUri.endsWith("/trickmode"));
window.offered = () => ({ audio: named("audio"), text: named("text"), images: player.getTracksFor("image").length,
  trick: player.getTracksFor("video").filter(trick).length });
window.listen = (language) => player.setCurrentTrack(player.getTracksFor("audio").find((one) => one.lang === language));
window.read = (language) => {
  player.setTextTrack(player.getTracksFor("text").findIndex((one) => one.lang === language));
  player.enableText(true);
};
""",
}


class Clearkey:
    """Answers licence requests from keys by KID, as W3C EME, 9.1.4 spells them; remembers what it was asked for."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self.keys, self.asked = keys, []

    def licence(self, body: bytes) -> bytes:
        kids = [base64.urlsafe_b64decode(kid + "==").hex() for kid in json.loads(body)["kids"]]
        self.asked += kids
        granted = [{"kty": "oct", "kid": _b64(bytes.fromhex(kid)), "k": _b64(self.keys[kid])} for kid in kids]
        return json.dumps({"keys": granted, "type": "temporary"}).encode()


def full_bench(root: Path, scheme: str) -> Bench:
    """A bench whose package has thumbnails and tracks of key frames, and two sounds."""
    packaging = {"trick_play": True, "thumbnails": {"every_s": 1, "columns": 2, "rows": 2}}
    return Bench(root, scheme=scheme, packaging=packaging, sound=("stereo", "stereo-high"))


def full_request(bench: Bench) -> PackageRequest:
    """The bench's request with the second sound in French, and English subtitles."""
    spoken = tuple(
        one.model_copy(update={"language": "fra"}) if one.name == "stereo-high" else one
        for one in bench.renditions.renditions
    )
    return bench.request.model_copy(
        update={
            "renditions": bench.renditions.model_copy(update={"renditions": spoken}),
            "accessories": Accessories(texts=(text_track(bench.store, SRT, "en"),), duration=DURATION),
        }
    )


@contextmanager
def serving(
    content: Callable[[str], tuple[bytes, str]], licence: Callable[[bytes], bytes] | None = None
) -> Iterator[int]:
    """Port of a server on loopback. ``content`` gives bytes and type by path; NotFound and KeyError are 404."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(lambda: content(self.path.partition("?")[0]))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(lambda: (licence(body), "application/json"))

        def answer(self, make: Callable[[], tuple[bytes, str]]) -> None:
            try:
                (made, kind), status = make(), 200
            except (NotFound, KeyError):
                made, kind, status = b"", "text/plain", 404
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(made)))
            self.end_headers()
            self.wfile.write(made)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
