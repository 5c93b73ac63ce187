"""Ten masters nobody can make a title of, and the one sentence each gives."""

import functools
import http.server
import sys
import threading
import time
from pathlib import Path

import pytest

from encoders.probe import inspect_master
from encoders.qualify import qualify
from encoders.source import master_path, register_master
from telecine.errors import SourceRejected, Unavailable

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg

pytestmark = pytest.mark.media
SHARED = Path(__file__).parents[3] / "shared" / "media"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A sound MP4 with its index in front, 5 s of picture and sound."""
    path = tmp_path_factory.mktemp("good") / "good.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=5", "-f", "lavfi", "-i", "sine=d=5"),
        *("-preset", "veryfast", "-movflags", "+faststart", str(path)),
    )
    return path


def verdict(uri, tmp_path):
    """The sentence that refuses a master, found within the time a person waits."""

    def judge():
        master = register_master(str(uri), tmp_path / "work")
        qualify(inspect_master(master, master_path(master, tmp_path / "work")))

    began = time.monotonic()
    with pytest.raises(SourceRejected) as refused:
        judge()
    assert time.monotonic() - began < 20
    assert "\n" not in str(refused.value)
    assert str(refused.value).count("The master ") == 1
    return str(refused.value)


def box_start(content, kind):
    return content.index(kind) - 4


def test_the_sound_master_is_accepted(good, tmp_path):
    probe = qualify(inspect_master(register_master(good.as_uri(), tmp_path), good))
    assert (probe.video[0].packets, probe.first_frames_decoded, probe.last_frames_decoded) == (120, 48, 49)


def test_an_empty_file(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    assert "empty.mp4 is empty (0 bytes)" in verdict(path, tmp_path)


def test_text_renamed_to_mp4(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("Dear all,\nplease find the master on the other drive.\n" * 200)
    assert "notes.mp4 is not a media file" in verdict(path, tmp_path)


@pytest.mark.parametrize("index_first", [True, False])
def test_a_cut_index(index_first, good, tmp_path):
    path = tmp_path / "cut-index.mp4"
    content = good.read_bytes()
    if index_first:
        path.write_bytes(content[: box_start(content, b"moov") + 900])
    else:
        ffmpeg("-i", str(good), "-c", "copy", str(path))
        content = path.read_bytes()
        path.write_bytes(content[: box_start(content, b"moov") - 500])
    said = verdict(path, tmp_path)
    assert "cut-index.mp4" in said
    assert "index (moov) is missing or incomplete" in said
    assert "upload it again" in said


@pytest.mark.parametrize("kept", [0.4, 0.9, 0.99])
def test_cut_media_behind_a_whole_index(kept, good, tmp_path):
    path = tmp_path / "cut-media.mp4"
    content = good.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    said = verdict(path, tmp_path)
    assert "cut-media.mp4 is cut short" in said
    assert "again" in said


def test_sound_alone(good, tmp_path):
    path = tmp_path / "song.mp4"
    ffmpeg("-i", str(good), "-map", "0:a", "-c", "copy", str(path))
    assert "song.mp4 has no video track, only 1 audio track" in verdict(path, tmp_path)


def test_a_video_track_without_frames(good, tmp_path):
    path = tmp_path / "hollow.mp4"
    ffmpeg("-i", str(good), "-map", "0:v", "-c", "copy", "-movflags", "+empty_moov+frag_keyframe", str(path))
    content = path.read_bytes()
    path.write_bytes(content[: box_start(content, b"moof")])
    assert "hollow.mp4 has a video track without a single frame" in verdict(path, tmp_path)


def test_a_codec_nobody_knows(good, tmp_path):
    path = tmp_path / "strange.mp4"
    path.write_bytes(good.read_bytes().replace(b"avc1", b"zzzz"))
    said = verdict(path, tmp_path)
    assert "strange.mp4 has video in a codec that is not known here (zzzz)" in said


def test_no_read_permission(good, tmp_path):
    path = tmp_path / "private.mp4"
    path.write_bytes(good.read_bytes())
    path.chmod(0o200)
    assert "private.mp4 may not be read (no read permission)" in verdict(path, tmp_path)


def test_a_missing_file_and_a_folder(tmp_path):
    assert "gone.mp4 does not exist" in verdict(tmp_path / "gone.mp4", tmp_path)
    assert "is a folder" in verdict(tmp_path, tmp_path)


@pytest.fixture
def web(tmp_path):
    """A web server on loopback: files of ``tmp_path/web``, and 503 for anything under /busy."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Answers(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/busy"):
                self.send_error(503)
            else:
                super().do_GET()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Answers, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.server
def test_addresses_that_give_nothing(web, tmp_path):
    folder, base = web
    assert "/gone.mp4 answered 404" in verdict(f"{base}/gone.mp4?signature=secret", tmp_path)
    assert "secret" not in verdict(f"{base}/gone.mp4?signature=secret", tmp_path)
    (folder / "empty.mp4").touch()
    assert "empty.mp4 is empty" in verdict(f"{base}/empty.mp4", tmp_path)
    assert "cannot be reached" in verdict("http://127.0.0.1:9/x.mp4", tmp_path)
    assert "cannot be reached" in verdict("http://nowhere.invalid/x.mp4", tmp_path)
    assert "unsupported scheme 'ftp'" in verdict("ftp://host/x.mp4", tmp_path)
    assert list((tmp_path / "work" / "masters").glob("*.part")) == []


@pytest.mark.server
def test_a_server_in_trouble_is_no_verdict_on_the_master(web, tmp_path):
    _, base = web
    began = time.monotonic()
    with pytest.raises(Unavailable, match="503"):
        register_master(f"{base}/busy.mp4", tmp_path / "work")
    assert time.monotonic() - began < 20


@pytest.mark.server
def test_a_remote_master_is_downloaded_once_and_fetched_again_when_lost(web, good, tmp_path):
    folder, base = web
    (folder / "film.mp4").write_bytes(good.read_bytes())
    work = tmp_path / "work"
    master = register_master(f"{base}/film.mp4", work)
    path = master_path(master, work)
    assert path.read_bytes() == good.read_bytes()
    assert path.name == f"{master.sha256}.mp4"
    written = path.stat().st_mtime_ns
    assert register_master(f"{base}/film.mp4", work) == master
    assert path.stat().st_mtime_ns == written, "not downloaded again: the server said it is unchanged"
    path.unlink()
    assert master_path(master, work).read_bytes() == good.read_bytes()
    path.unlink()
    (folder / "film.mp4").write_bytes(b"another film")
    with pytest.raises(SourceRejected, match="changed since it was registered"):
        master_path(master, work)


def test_an_encrypted_master(good, tmp_path):
    path = tmp_path / "locked.mp4"
    key = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "00" * 16, "-encryption_kid", "11" * 16)
    ffmpeg("-i", str(good), "-c", "copy", *key, str(path))
    assert "locked.mp4 is encrypted" in verdict(path, tmp_path)


def test_a_still_picture_and_a_playlist(good, tmp_path):
    still, playlist = tmp_path / "poster.png", tmp_path / "list.m3u8"
    ffmpeg("-i", str(good), "-frames:v", "1", str(still))
    assert "poster.png is a text or still picture" in verdict(still, tmp_path)
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{good.as_uri()}\n#EXT-X-ENDLIST\n")
    assert "list.m3u8" in verdict(playlist, tmp_path)


def test_damage_at_the_start(good, tmp_path):
    path = tmp_path / "scratched.mp4"
    content = bytearray(good.read_bytes())
    media = box_start(content, b"mdat")
    for at in range(media + 900, media + 9000, 30):
        content[at] ^= 0xFF
    path.write_bytes(content)
    assert "scratched.mp4" in verdict(path, tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared masters are not on this machine")
@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("bad_truncated.mkv", "is cut short: it promises 10.1 s and holds 8.4 s"),
        ("bad_bitflips.mkv", "is damaged"),
        ("sample_eac3joc.mp4", "has no video track"),
    ],
)
def test_damaged_real_masters(name, cause, tmp_path):
    assert cause in verdict(SHARED / name, tmp_path)
