"""A small stand around the real playback service: an encrypted title, edges, Redis, all on free loopback ports."""

import functools
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from lxml import etree

from telecine.protection import ContentKey
from telecine.tools import tool_path

__all__ = ["LABELS", "encrypted_title", "free_port", "redis_server", "static_edge", "wait_for_port"]

LABELS = ("AUDIO", "SD", "HD")
_CLOSED = ("-sc_threshold", "0", "-pix_fmt", "yuv420p")
_SIZES = {"SD": (320, 180), "HD": (640, 360)}
_CLEAR_KEY = "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e"
_COMMON = "urn:uuid:1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
_LAURL = "https://dashif.org/CPS"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def encrypted_title(target: Path, clip_dir: Path, license_url: str, keys: tuple[ContentKey, ...]) -> None:
    """A cbcs package of two video sizes and stereo sound in ``target``: manifest.mpd and master.m3u8.

    The manifests are what the packager wrote, changed only as far as Clear Key players need.
    """
    target.mkdir(parents=True)
    _encode(clip_dir, seconds=12)
    _package(target, clip_dir, keys)
    _name_clear_key_in_dash(target / "manifest.mpd", license_url)
    for playlist in target.rglob("*.m3u8"):
        lines = playlist.read_text().splitlines(keepends=True)
        # the identity line's data URI is the KID, and shaka-player would take it for the key
        playlist.write_text("".join(line for line in lines if 'KEYFORMAT="identity"' not in line))


def _encode(clip_dir: Path, seconds: int) -> None:
    for label, (width, height) in _SIZES.items():
        source = f"testsrc2=size={width}x{height}:rate=24:duration={seconds}"
        encoder = [*["-c:v", "libx264", "-preset", "ultrafast", "-g", "48", "-keyint_min", "48"], *_CLOSED]
        _run("ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", source, *encoder, str(clip_dir / f"{label}.mp4"))
    tone = f"sine=frequency=440:duration={seconds}"
    encoder = ["-c:a", "aac", "-b:a", "96k", "-ac", "2"]
    _run("ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", tone, *encoder, str(clip_dir / "AUDIO.mp4"))


def _package(target: Path, clip_dir: Path, keys: tuple[ContentKey, ...]) -> None:
    streams = [
        f"in={clip_dir / label}.mp4,stream={'audio' if label == 'AUDIO' else 'video'},drm_label={label},"
        f"init_segment={target / label}/init.mp4,segment_template={target / label}/$Number$.m4s,"
        f"playlist_name={label}.m3u8" + (",hls_group_id=audio" if label == "AUDIO" else "")
        for label in LABELS
    ]
    spelled = [f"label={k.label}:key_id={k.kid}:key={k.key.get_secret_value().hex()}" for k in keys]
    _run(
        "packager",
        *streams,
        *["--enable_raw_key_encryption", "--protection_scheme", "cbcs", "--clear_lead", "0", "--segment_duration", "2"],
        *["--protection_systems", "CommonSystem,Widevine", "--create_session_keys", "--generate_static_live_mpd"],
        *("--keys", ",".join(spelled)),
        *("--mpd_output", str(target / "manifest.mpd")),
        *("--hls_master_playlist_output", str(target / "master.m3u8")),
    )


def _name_clear_key_in_dash(manifest: Path, license_url: str) -> None:
    tree = etree.parse(manifest)
    for found in tree.iter("{*}ContentProtection"):
        if found.get("schemeIdUri") == _COMMON:
            for child in list(found):
                found.remove(child)
            found.set("schemeIdUri", _CLEAR_KEY)
            found.set("value", "ClearKey1.0")
            etree.SubElement(found, f"{{{_LAURL}}}Laurl", nsmap={"dashif": _LAURL}).text = license_url
    tree.write(manifest, xml_declaration=True, encoding="utf-8")


def _run(tool: str, *arguments: str) -> None:
    done = subprocess.run([tool_path(tool), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


class _Cors(SimpleHTTPRequestHandler):
    extensions_map: ClassVar[dict[str, str]] = {
        ".mpd": "application/dash+xml",
        ".m3u8": "application/vnd.apple.mpegurl",
        ".m4s": "video/iso.segment",
    }

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def static_edge(root: Path) -> Iterator[ThreadingHTTPServer]:
    """Serves ``root`` as an edge does, to any origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Cors, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """URL of a real Redis that forgets everything at its end."""
    port = port or free_port()
    argv = [tool_path("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for_port(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()


def wait_for_port(port: int, timeout_s: float = 30) -> None:
    """Until something accepts connections on ``port``. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port} after {timeout_s:g} s")
