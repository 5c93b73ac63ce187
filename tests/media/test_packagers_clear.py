"""A package in the clear: proven without keys, and opened by players that know of no DRM."""

import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import SecretBytes

from packagers.evidence.licence import NoLicences
from packagers.evidence.page import evidence_page
from packagers.readback import read_dash, read_playlist
from packagers.verify import examine
from packagers.work import package
from pipeline import steps
from pipeline.workplace import Workplace
from profiles.models import PackagingProfile
from telecine.errors import PackageRejected
from telecine.keystore import SealedKeyStore
from telecine.protection import KeyAssignment
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.tools import tool_path

sys.path.insert(0, str(Path(__file__).parent))
from packagers_clips import DURATION, FRAMES, TITLE, Bench, verify

pytestmark = pytest.mark.media

MANIFESTS = ["manifest.mpd", "master.m3u8"]
SECONDS = 90
TYPES = {".mpd": "application/dash+xml", ".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/iso.segment"}


class Answer(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | TYPES

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("clear"), scheme="clear", packaging={"trick_play": True})
    made.request = made.request.model_copy(update={"keys": KeyAssignment(title_id=TITLE, kids={}), "licence_url": ""})
    return made


@pytest.fixture(scope="module")
def made(bench):
    return package(bench.request, bench.keys, bench.store, bench.work_dir)


@pytest.fixture(scope="module")
def folder(bench, made, tmp_path_factory):
    root = tmp_path_factory.mktemp("served")
    for entry in made.inventory.entries:
        target = root / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        bench.store.get_file(made.prefix + entry.path, target)
    return root


@pytest.fixture(scope="module")
def base(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Answer, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def tool(name):
    """Skips where a player is not installed: clean machines get it from .ci/run."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: .ci/run names its Debian packages")
    return found


def test_nothing_in_it_speaks_of_encryption(made, folder):
    assert (made.scheme, made.keys.kids, made.drm) == ("clear", {}, ())
    assert b"ContentProtection" not in (folder / "manifest.mpd").read_bytes()
    for playlist in folder.rglob("*.m3u8"):
        assert "KEY:" not in playlist.read_text(), playlist
    for init in folder.rglob("init.mp4"):
        assert not re.search(rb"pssh|sinf|tenc|encv|enca", init.read_bytes()), init


def test_its_proof_asks_for_no_licence_and_says_in_the_clear(bench, made):
    report = verify(made, bench.renditions, NoLicences(), bench.store, bench.work_dir)
    assert {proof.name: proof.kid for proof in report.renditions} == dict.fromkeys(
        ["180p", "360p", "stereo", "surround", "180p.trick"]
    )
    assert [proof.frames for proof in report.renditions if proof.name in {"180p", "360p"}] == [FRAMES, FRAMES]
    assert not any("encrypted" in one or "licence" in one for one in report.evidence.not_checked)
    assert all(track.decoded for track in report.evidence.tracks if track.kind in {"video", "audio"})
    assert "in the clear" in evidence_page(report.evidence)


def test_its_mpd_validates_against_the_mpeg_schema(bench, made, tmp_path):
    schema = Path(__file__).parents[3] / "shared" / "conformance" / "dashschema" / "DASH-MPD.xsd"
    if not schema.exists():
        pytest.skip("the MPEG DASH schema is not beside the clone (../shared/conformance)")
    report = examine(made, bench.renditions, NoLicences(), bench.store, tmp_path, schema)
    assert not any("validated" in one for one in report.evidence.not_checked)
    report.evidence.require_passed()


def test_the_pipelines_steps_make_and_prove_it_without_a_key(bench, tmp_path):
    """No key is assigned, so none can be asked for: the key store of this place is empty and stays so."""
    keys = LocalStore(tmp_path / "keys")
    place = Workplace(
        settings=Settings(data_dir=tmp_path / "data"),
        work=bench.store,
        keys=SealedKeyStore(keys, SecretBytes(bytes(32))),
        open_bucket=lambda _: bench.store,
    )
    found = steps.package(place, TITLE, PackagingProfile(scheme="clear"), bench.renditions)
    assert steps.verify(place, found, bench.renditions).evidence.passed
    assert (found.keys.kids, list(keys.list(""))) == ({}, [])


def test_an_encrypted_set_is_not_taken_for_a_clear_one(tmp_path, made):
    locked = Bench(tmp_path, sound=("stereo",), pictures=("180p",))
    found = package(locked.request, locked.keys, locked.store, locked.work_dir)
    said = made.model_copy(update={"inventory": found.inventory, "prefix": found.prefix, "trick_play": False})
    with pytest.raises(PackageRejected, match="key lines of \\[\\]"):
        verify(said, locked.renditions, NoLicences(), locked.store, locked.work_dir)
    mpd, _ = locked.store.get_bytes(f"{found.prefix}manifest.mpd")
    with pytest.raises(PackageRejected, match="should be in the clear"):
        read_dash(mpd, "clear", ())


def test_a_clear_playlist_is_no_encrypted_one(folder):
    with pytest.raises(PackageRejected, match="key lines"):
        read_playlist((folder / "video/180p.m3u8").read_text(), "x.m3u8", ("clearkey",))


@pytest.mark.parametrize("manifest", MANIFESTS)
@pytest.mark.parametrize("kind", ["v", "a"])
def test_ffmpeg_decodes_every_picture_and_the_sound(base, manifest, kind):
    """Of sound it may give too much: FFmpeg 9 reads the last segment of sound in an MPD twice."""
    command = [tool_path("ffmpeg"), "-v", "error", "-i", f"{base}/{manifest}", "-map", f"0:{kind}:0"]
    done = subprocess.run(
        [*command, "-f", "framecrc", "-"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    frames = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert done.returncode == 0, done.stderr
    assert len(frames) == FRAMES if kind == "v" else len(frames) * 1024 >= DURATION * 48000


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_gstreamer_decodes_every_picture(base, manifest, tmp_path):
    sink = f"videoconvert ! jpegenc ! multifilesink sync=false location={tmp_path}/%d.jpg"
    command = [tool("gst-launch-1.0"), "-q", "playbin3", f"uri={base}/{manifest}", f"video-sink={sink}"]
    environment = {**os.environ, "GST_REGISTRY": str(tmp_path / "registry.bin")}
    done = subprocess.run(
        [*command, "audio-sink=fakesink sync=false"],
        capture_output=True, text=True, timeout=SECONDS, env=environment, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.glob("*.jpg"))) == FRAMES


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_vlc_shows_pictures_to_the_end(base, manifest):
    """It drops pictures that come late, as it plays in real time; but it must show some of every second."""
    player = tool("cvlc")
    with TemporaryDirectory(prefix="telecine-vlc-") as home:
        Path(home).chmod(0o777)  # VLC refuses to run as root, so there it runs as nobody
        as_whom = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
        scenes = ["--video-filter=scene", "--scene-ratio=1", "--scene-format=jpg", f"--scene-path={home}"]
        quiet = ["--quiet", "--no-interact", "--ignore-config", "--vout=dummy", "--aout=dummy", "--play-and-exit"]
        done = subprocess.run(
            [*as_whom, player, *quiet, *scenes, f"{base}/{manifest}"],
            capture_output=True, text=True, timeout=SECONDS, env={**os.environ, "HOME": home}, check=False,
        )  # fmt: skip
        pictures = sorted(Path(home).glob("scene*.jpg"))
        assert done.returncode == 0, done.stderr
        assert len(pictures) > FRAMES // 4, done.stderr
        assert all(path.read_bytes().startswith(b"\xff\xd8\xff") for path in pictures)
