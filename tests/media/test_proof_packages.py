"""Packages of other packagers, over HTTP and from folders, clear and encrypted; and the gate before publishing."""

import base64
import json
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from packagers.evidence.documents import EvidenceReport
from packagers.work import package
from pipeline import steps
from pipeline.make import MakeWatcher, make
from pipeline.submission import request_from
from pipeline.verifying import Asked, evidence_key, verify_any
from pipeline.workplace import Workplace
from telecine.cli.app import app
from telecine.errors import PackageRejected
from telecine.settings import Settings
from telecine.tools import tool_path

sys.path.insert(0, str(Path(__file__).parent))
from packagers_clips import Bench, clips

pytestmark = pytest.mark.media

TYPES = {".mpd": "application/dash+xml", ".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/iso.segment"}


class Answer(SimpleHTTPRequestHandler):
    """A folder over HTTP, and a Clear Key licence service at /licence for the keys it is given."""

    keys: dict[str, bytes] = {}  # noqa: RUF012 - set once by a test
    extensions_map = SimpleHTTPRequestHandler.extensions_map | TYPES

    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["kids"]
        granted = self.headers.get("Authorization") == "Bearer let-me"
        kids = [base64.urlsafe_b64decode(kid + "==").hex() for kid in wanted] if granted else []
        jwks = [{"kty": "oct", "kid": b64(bytes.fromhex(kid)), "k": b64(self.keys[kid])} for kid in kids]
        content = json.dumps({"keys": jwks} if granted else {"detail": "No such token."}).encode()
        self.send_response(200 if granted else 403)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def b64(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.fixture
def serve():
    servers = []

    def start(folder, keys=None):
        answer = type("Answer", (Answer,), {"keys": keys or {}})
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(answer, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """What FFmpeg's own muxers make of two sizes and a sound: DASH and HLS over one set of fragmented MP4."""
    folder = tmp_path_factory.mktemp("foreign")
    inputs = [part for name in ("180p", "360p", "stereo") for part in ("-i", str(clips() / f"{name}.mp4"))]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-c", "copy"]
    muxing = ["-f", "dash", "-seg_duration", "2.002", "-hls_playlist", "1", "-use_template", "1"]
    sets = ["-adaptation_sets", "id=0,streams=v id=1,streams=a"]
    command = [tool_path("ffmpeg"), "-v", "error", *inputs, *maps, *muxing, *sets, str(folder / "title.mpd")]
    subprocess.run(command, check=True)
    return folder


def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data")


def test_a_clear_package_of_another_packager_is_decoded_whole(foreign, tmp_path):
    report = verify_any(Asked(str(foreign / "title.mpd")), settings(tmp_path))
    frames = [track.decoded.frames for track in report.tracks if track.kind == "video"]
    assert frames == [120, 120]
    assert {track.kind for track in report.tracks} == {"video", "audio"}
    assert report.rejections == ()


def test_a_package_is_verified_over_http(foreign, tmp_path, serve):
    report = verify_any(Asked(f"{serve(foreign)}/title.mpd"), settings(tmp_path))
    assert report.rejections == ()
    assert report.fetched >= 10


def test_what_another_packager_breaks_in_hls_is_said_by_clause(foreign, tmp_path):
    report = verify_any(Asked(str(foreign / "master.m3u8")), settings(tmp_path))
    assert [track.decoded.frames for track in report.tracks if track.kind == "video"] == [120, 120]
    clauses = {fault.clause for fault in report.rejections}
    assert "HLS Authoring 9.14" in clauses  # it declares no average


@pytest.mark.parametrize(
    ("scheme", "breach"),
    [
        ("cenc", "ISO/IEC 23001-7 8.2"),  # its playlists say nothing of the encryption
        ("cbcs", "RFC 8216bis 4.4.4.4"),  # they give the KID where a player expects the key
    ],
)
def test_single_files_with_an_index_are_read_and_opened(tmp_path, serve, scheme, breach):
    """What Shaka Packager makes by itself: on-demand DASH and HLS with byte ranges, one key."""
    kid, key = "0123456789abcdef" * 2, bytes(range(16))
    folder = tmp_path / "single"
    folder.mkdir()
    descriptors = [
        f"in={clips() / f'{name}.mp4'},stream={kind},output={folder / f'{name}.mp4'},playlist_name={name}.m3u8"
        for name, kind in (("180p", "video"), ("360p", "video"), ("stereo", "audio"))
    ]
    keys = ["--enable_raw_key_encryption", f"--keys=label=:key_id={kid}:key={key.hex()}", "--clear_lead=0"]
    made = [f"--mpd_output={folder}/title.mpd", f"--hls_master_playlist_output={folder}/title.m3u8"]
    options = ["--quiet", f"--protection_scheme={scheme}", "--segment_duration=2", *keys, *made]
    subprocess.run([tool_path("packager"), *descriptors, *options], check=True)
    base = serve(folder, {kid: key})
    for manifest in ("title.mpd", "title.m3u8"):
        asked = Asked(f"{base}/{manifest}", f"{base}/licence", SecretStr("let-me"))
        report = verify_any(asked, settings(tmp_path))
        assert [t.decoded.frames for t in report.tracks if t.kind == "video"] == [120, 120], manifest
        assert {len(track.segments) for track in report.tracks} == {3}
        assert {track.scheme for track in report.tracks} == {scheme}
        assert report.granted == (kid,)
    assert {fault.clause for fault in report.rejections} == {breach}


@pytest.fixture
def laid(tmp_path):
    bench = Bench(tmp_path / "bench", sound=("stereo",), pictures=("180p",))
    made = package(bench.request, bench.keys, bench.store, bench.work_dir)
    folder = tmp_path / "package"
    for entry in made.inventory.entries:
        target = folder / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        bench.store.get_file(made.prefix + entry.path, target)
    return bench, made, folder


def test_an_encrypted_package_is_opened_by_the_licence_service_it_is_given(laid, tmp_path, serve):
    bench, _, folder = laid
    base = serve(folder, {key.kid: key.key.get_secret_value() for key in bench.content_keys()})
    arguments = ["verify", f"{base}/manifest.mpd", "--licence-url", f"{base}/licence", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*arguments, "--token", "let-me"])
    assert done.exit_code == 0, done.output
    report = EvidenceReport.model_validate_json((tmp_path / "out" / "evidence.json").read_text())
    assert all(track.decoded for track in report.tracks)
    page = (tmp_path / "out" / "evidence.html").read_text()
    assert page.count("<svg") == 3
    assert "<script" not in page


def test_a_refused_licence_is_a_breach_and_exits_with_one(laid, serve):
    _, _, folder = laid
    base = serve(folder)
    done = CliRunner().invoke(app, ["verify", f"{base}/manifest.mpd", "--licence-url", f"{base}/licence"])
    assert done.exit_code == 1
    assert "W3C EME 9.1.4" in done.output
    assert "No such token" in done.output


def test_without_a_licence_service_all_but_decoding_is_checked_and_that_is_said(laid, tmp_path):
    _, _, folder = laid
    (folder / "video/180p/2.m4s").unlink()
    report = verify_any(Asked(str(folder / "master.m3u8")), settings(tmp_path))
    assert "were not decoded" in " ".join(report.not_checked)
    assert not any(track.decoded for track in report.tracks)
    assert "RFC 8216bis 6.2.1" in {fault.clause for fault in report.rejections}


def test_no_key_is_in_evidence_or_page(laid, tmp_path, serve):
    bench, _, folder = laid
    keys = {key.kid: key.key.get_secret_value() for key in bench.content_keys()}
    base = serve(folder, keys)
    arguments = ["verify", f"{base}/manifest.mpd", "--licence-url", f"{base}/licence", "--token", "let-me"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out"), "--json"])
    told = done.output + "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    assert next(iter(keys)) in told
    for secret in keys.values():
        for spelling in (secret.hex(), b64(secret), base64.b64encode(secret).decode()):
            assert spelling not in told


def place(bench, tmp_path):
    return Workplace(settings=settings(tmp_path), work=bench.store, keys=bench.keys, open_bucket=lambda _: bench.store)


def test_a_proven_version_has_its_evidence_beside_it(laid, tmp_path):
    bench, made, _ = laid
    report = steps.verify(place(bench, tmp_path), made, bench.renditions)
    kept = EvidenceReport.model_validate_json(bench.store.get_bytes(evidence_key(made))[0])
    assert kept == report.evidence
    assert kept.passed
    assert b"<svg" in bench.store.get_bytes(evidence_key(made, "html"))[0]


def test_a_version_that_fails_its_proof_ends_here_and_its_evidence_says_why(laid, tmp_path):
    bench, made, _ = laid
    path = f"{made.prefix}master.m3u8"
    held = bench.store.get_bytes(path)[0].replace(b":BANDWIDTH=", b":BANDWIDTH=9")
    stored = bench.store.put_bytes(path, held, content_type="application/vnd.apple.mpegurl")
    entries = tuple(
        entry.model_copy(update={"sha256": stored.sha256, "size_bytes": len(held)})
        if entry.path == "master.m3u8"
        else entry
        for entry in made.inventory.entries
    )
    changed = made.model_copy(update={"inventory": made.inventory.model_copy(update={"entries": entries})})
    with pytest.raises(PackageRejected, match=r"1\.27"):
        steps.verify(place(bench, tmp_path), changed, bench.renditions)
    kept = EvidenceReport.model_validate_json(bench.store.get_bytes(evidence_key(made))[0])
    assert [fault.clause for fault in kept.rejections] == ["HLS Authoring 1.27"]
    assert kept.rejections[0].where.startswith("master.m3u8")


def test_what_is_made_comes_with_its_evidence_and_the_worst_pictures_beside_the_source(make_clip, tmp_path):
    """Both pictures show one moment: a frame off would cost the moving test card tens of decibels."""
    clip = make_clip("worst.mp4", seconds=7, size="320x180", audio="stereo", noise=2)
    request = request_from({"master_uri": str(clip)})
    watcher = MakeWatcher(stage=lambda _: None, encode=lambda _: None)
    out = tmp_path / "out"
    report = make(request, out, settings(tmp_path), watcher, vmaf=True)
    kept = EvidenceReport.model_validate_json((out / "evidence.json").read_text())
    assert kept == report.verified.evidence
    (worst,) = kept.worst
    assert 0 <= worst.start <= 2
    assert len(kept.vmaf[worst.name]) == 168
    source, published = (out / name for name in (worst.source_picture, worst.rendition_picture))
    page = (out / "evidence.html").read_text()
    assert f'src="{worst.source_picture}"' in page
    assert page.count("<svg") == 4
    assert psnr(source, published) > 28
    assert verify_any(Asked(str(out)), settings(tmp_path)).rejections == ()  # with the keys of this data folder


def psnr(one, other):
    command = [tool_path("ffmpeg"), "-i", str(one), "-i", str(other), "-lavfi", "psnr", "-f", "null", "-"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return float(re.search(r"average:([\d.]+)", told)[1])
