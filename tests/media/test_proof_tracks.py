"""Tracks beside picture and sound are opened in the evidence: key frames for seeking, texts, sheets of thumbnails."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from packagers import proof as proof_stage
from packagers.evidence import decoding as decoding_stage
from packagers.evidence.inspect import Inspection, inspect_package
from packagers.evidence.source import FolderSource, folder_url
from packagers.tooling import run_tool
from packagers.verify import examine
from packagers.work import package
from pipeline.verifying import Asked, verify_any
from profiles.models import PackagingProfile, ThumbnailPolicy
from telecine.settings import Settings
from telecine.text import Accessories
from telecine.tools import tool_path

sys.path.insert(0, str(Path(__file__).parent))
from packagers_clips import DURATION, Bench, GrantedKeys, clips, text_track

pytestmark = pytest.mark.media

SRT = "1\n00:00:00,500 --> 00:00:01,800\nOne & two\n\n2\n00:00:01,900 --> 00:00:04,500\nThree\n"


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    """An encrypted package with key frames for seeking, a text and thumbnails, laid out in a folder."""
    root = tmp_path_factory.mktemp("tracks")
    bench = Bench(root, sound=("stereo",))
    accessories = Accessories(texts=(text_track(bench.store, SRT, "en"),), duration=DURATION)
    profile = PackagingProfile(thumbnails=ThumbnailPolicy(every_s=1, columns=2, rows=2), trick_play=True)
    request = bench.request.model_copy(update={"accessories": accessories, "profile": profile})
    bench.made = made = package(request, bench.keys, bench.store, bench.work_dir)
    for entry in made.inventory.entries:
        target = root / "package" / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        bench.store.get_file(made.prefix + entry.path, target)
    return bench, root / "package"


@pytest.fixture
def copy(laid, tmp_path):
    return Path(shutil.copytree(laid[1], tmp_path / "package"))


def proof(bench, folder, work_dir):
    manifests = tuple(folder_url(folder / name) for name in ("manifest.mpd", "master.m3u8"))
    source = FolderSource(folder)
    return inspect_package(Inspection("test", manifests, source, GrantedKeys(bench.keys), work_dir, bench.renditions))


def test_every_track_of_a_package_of_ours_is_opened_and_right(laid, tmp_path):
    report = proof(*laid, tmp_path)
    assert report.rejections == ()
    seeking = [track for track in report.tracks if track.kind == "trick"]
    assert [(track.decoded.frames, track.sync_samples) for track in seeking] == [(5, 5)]
    assert all(track.kid for track in seeking)
    assert sorted(track.cues for track in report.tracks if track.kind == "text") == [4, 4]  # one is in three segments
    assert [(track.pictures, track.not_decoded) for track in report.tracks if track.kind == "image"] == [(2, None)]


class CountedLicences(GrantedKeys):
    """Grants what the key store holds, and remembers each request."""

    def __init__(self, keys) -> None:
        super().__init__(keys)
        self.requests = []

    def keys(self, kids):
        self.requests.append(sorted(kids))
        return super().keys(kids)


def test_a_version_is_proven_with_one_licence_request_and_each_of_its_tracks_decoded_once(laid, tmp_path, monkeypatch):
    """The proof of the renditions meters sound while it decodes it, and the inspection takes over what came out."""
    decoded = []

    def counted(command, **given):
        decoded.extend(name for name in ("framehash",) if name in command.argv)
        return run_tool(command, **given)

    for stage in (proof_stage, decoding_stage):
        monkeypatch.setattr(stage, "run_tool", counted)
    bench, _ = laid
    licences = CountedLicences(bench.keys)
    report = examine(bench.made, bench.renditions, licences, bench.store, tmp_path)
    assert report.evidence.rejections == ()
    assert licences.requests == [sorted(bench.request.keys.kids.values())]
    tracks = {track.name: track for track in report.evidence.tracks if track.decoded}
    assert sorted(tracks) == ["180p", "180p.trick", "360p", "stereo"]
    sheets = 2
    assert len(decoded) == len(tracks) + sheets
    (stereo,) = (one for one in report.renditions if one.name == "stereo")
    assert stereo.loudness.integrated_lufs == pytest.approx(-22, abs=3)
    assert tracks["stereo"].decoded.loudness == stereo.loudness


def change(folder, path, changed):
    target = folder / path
    target.write_bytes(changed(target.read_bytes()))


def rewrite(folder, path, pattern, replacement, count=0):
    target = folder / path
    text, times = re.subn(pattern, replacement, target.read_text(), count=count, flags=re.MULTILINE)
    assert times
    target.write_text(text)


def corrupt_a_key_frame(folder):
    def flipped(held):
        at = held.index(b"mdat") + 200
        return held[:at] + bytes([held[at] ^ 0xFF]) + held[at + 1 :]

    change(folder, "trick/180p/2.m4s", flipped)


def call_a_key_frame_dependent(folder):
    """sample_is_non_sync is in the default flags of its fragment."""

    def dependent(held):
        at = held.index(b"tfhd")
        given = int.from_bytes(held[at + 5 : at + 8])
        assert given & 0x20
        place = at + 12 + sum(size for bit, size in ((0x01, 8), (0x02, 4), (0x08, 4), (0x10, 4)) if given & bit)
        return held[:place] + bytes.fromhex("01010000") + held[place + 4 :]

    change(folder, "trick/180p/2.m4s", dependent)


def lose_the_last_key_frames(folder):
    """The manifests agree with one another and with what is there."""
    rewrite(folder, "manifest.mpd", r'(trick/180p(?s:.)*?r=")4"', r'\g<1>1"')
    rewrite(folder, "trick/180p.m3u8", r"#EXTINF:[\d.]+,\n180p/[345].m4s\n", "")


def shift_the_key_frames(folder):
    """Half a second late by every tfdt."""

    def later(held):
        at = held.index(b"tfdt")
        wide = 8 if held[at + 4] else 4
        time = int.from_bytes(held[at + 8 : at + 8 + wide]) + 12_012
        return held[: at + 8] + time.to_bytes(wide) + held[at + 8 + wide :]

    for path in sorted((folder / "trick/180p").glob("*.m4s")):
        change(folder, path.relative_to(folder), later)


def add_a_cue_after_the_end(folder):
    change(folder, "text/en/3.vtt", lambda held: held + b"\n00:01:00.000 --> 00:01:02.000\nLate\n")


def move_a_document_after_the_end(folder):
    """The times of a TTML document; its boxes say as before when it is shown."""
    change(folder, "text/en/3.m4s", lambda held: re.sub(rb'="00:00:0', b'="00:01:0', held))


def break_a_document(folder):
    change(folder, "text/en/2.m4s", lambda held: held.replace(b"</p>", b"</q>"))


def cut_a_document_short(folder):
    """Its mdat has less than its trun says."""
    change(folder, "text/en/2.m4s", lambda held: held[: held.index(b"mdat") - 4] + b"\0\0\0\x10mdat<tt></tt")


def shift_a_document_in_its_boxes(folder):
    def later(held):
        at = held.index(b"tfdt") + 8
        return held[:at] + (int.from_bytes(held[at : at + 8]) + 24_000).to_bytes(8) + held[at + 8 :]

    change(folder, "text/en/2.m4s", later)


def lose_an_arrow(folder):
    change(folder, "text/en/2.vtt", lambda held: held.replace(b"-->", b"->"))


def lose_the_header(folder):
    change(folder, "text/en/2.vtt", lambda held: held.replace(b"WEBVTT", b"WEBTTV"))


def write_latin_1(folder):
    change(folder, "text/en/2.vtt", lambda held: held.replace(b"Three", b"Tr\xe8s"))


def turn_the_cues_round(folder):
    def turned(held):
        head, one, other = held.decode().strip().split("\n\n")
        return f"{head}\n\n{other}\n\n{one}\n".encode()

    change(folder, "text/en/1.vtt", turned)


def lose_a_cue_after_a_cut(folder):
    change(folder, "text/en/2.vtt", lambda held: held[: held.index(b"00:00:01.900")])


def cut_a_sheet_short(folder):
    change(folder, "thumbnails/1.jpg", lambda held: held[: len(held) // 2])


def corrupt_a_sheet(folder):
    def zeroed(held):
        at = len(held) * 2 // 3
        return held[:at] + bytes(100) + held[at + 100 :]

    change(folder, "thumbnails/2.jpg", zeroed)


def lose_a_sheet(folder):
    (folder / "thumbnails/2.jpg").unlink()


def lose_a_sheet_and_its_line(folder):
    rewrite(folder, "thumbnails.m3u8", r"#EXT-X-TILES.*\n#EXTINF.*\nthumbnails/2.jpg\n", "")


def widen_the_sheets_in_dash(folder):
    rewrite(folder, "manifest.mpd", r'(id="thumbnails".* width=")\d+"', r'\g<1>960"')


def add_a_column_in_hls(folder):
    rewrite(folder, "thumbnails.m3u8", "LAYOUT=2x2", "LAYOUT=3x2")


def say_no_layout(folder):
    rewrite(folder, "manifest.mpd", 'value="2x2"', 'value="2"')


MUTATIONS = [
    (corrupt_a_key_frame, "ISO/IEC 23001-7 9", "'180p.trick'"),
    (call_a_key_frame_dependent, "RFC 8216bis 4.4.3.6", "trick/180p/2.m4s"),
    (lose_the_last_key_frames, "Telecine seeking", "'180p.trick'"),
    (shift_the_key_frames, "Telecine seeking", "'180p.trick'"),
    (add_a_cue_after_the_end, "Telecine text", "text/en/3.vtt"),
    (move_a_document_after_the_end, "Telecine text", "text/en/3.m4s"),
    (break_a_document, "ISO/IEC 14496-30 5", "text/en/2.m4s"),
    (cut_a_document_short, "ISO/IEC 14496-12 8.8", "text/en/2.m4s"),
    (shift_a_document_in_its_boxes, "ISO/IEC 23009-1 5.3.9.6", "text/en/2.m4s"),
    (lose_an_arrow, "W3C WebVTT 4.1", "text/en/2.vtt"),
    (lose_the_header, "W3C WebVTT 4.1", "text/en/2.vtt"),
    (write_latin_1, "W3C WebVTT 4.1", "text/en/2.vtt"),
    (turn_the_cues_round, "W3C WebVTT 4.1", "text/en/1.vtt"),
    (lose_a_cue_after_a_cut, "RFC 8216bis 3.1.4", "text/en/2.vtt"),
    (cut_a_sheet_short, "ISO/IEC 10918-1 F.2", "thumbnails/1.jpg"),
    (corrupt_a_sheet, "ISO/IEC 10918-1 F.2", "thumbnails/2.jpg"),
    (lose_a_sheet, "ISO/IEC 23009-1 5.6", "thumbnails/2.jpg"),
    (lose_a_sheet_and_its_line, "Telecine thumbnails", "'thumbnails'"),
    (widen_the_sheets_in_dash, "DASH-IF IOP 5 6.2.6", "thumbnails/1.jpg"),
    (add_a_column_in_hls, "Roku image playlists EXT-X-TILES", "thumbnails/1.jpg"),
    (say_no_layout, "DASH-IF IOP 5 6.2.6", "manifest.mpd"),
]


@pytest.mark.parametrize(
    ("mutate", "clause", "where"), MUTATIONS, ids=[f"{one.__name__}-{clause}" for one, clause, _ in MUTATIONS]
)
def test_a_mutation_is_caught_with_its_clause_and_place(laid, copy, tmp_path, mutate, clause, where):
    mutate(copy)
    report = proof(laid[0], copy, tmp_path / "work")
    told = [fault for fault in report.rejections if fault.clause == clause and where in fault.where]
    assert told, "\n".join(fault.sentence for fault in report.faults)
    assert all(fault.remedy for fault in told)


@pytest.fixture
def ranged(tmp_path):
    """What Shaka Packager makes by itself: an I-frame playlist of ranges of the normal track."""
    folder = tmp_path / "ranged"
    folder.mkdir()
    named = f"in={clips() / '180p.mp4'},stream=video,output={folder / 'v.mp4'},playlist_name=v.m3u8"
    command = [tool_path("packager"), f"{named},iframe_playlist_name=i.m3u8", "--segment_duration=2", "--quiet"]
    subprocess.run([*command, f"--hls_master_playlist_output={folder / 'title.m3u8'}"], check=True)
    return folder


def seeking_in(folder, tmp_path):
    report = verify_any(Asked(str(folder / "title.m3u8")), Settings(data_dir=tmp_path / "data"))
    return next(track for track in report.tracks if track.kind == "trick"), report


def test_key_frames_that_are_ranges_of_the_normal_track_are_decoded(ranged, tmp_path):
    track, report = seeking_in(ranged, tmp_path)
    assert (track.decoded.frames, track.sync_samples, track.samples) == (3, 3, 3)
    assert report.rejections == ()


def test_a_range_that_ends_before_its_key_frame_does_is_caught(ranged, tmp_path):
    rewrite(ranged, "i.m3u8", r"#EXT-X-BYTERANGE:\d+@(\d+)", r"#EXT-X-BYTERANGE:1500@\1", count=1)
    _, report = seeking_in(ranged, tmp_path)
    assert [(fault.clause, fault.where) for fault in report.rejections] == [("ISO/IEC 23001-7 9", "'i'")]


def test_a_set_for_trick_modes_that_has_more_than_key_frames_is_caught(tmp_path):
    """Of FFmpeg's own DASH: its second size is declared to be for trick modes, and holds every picture."""
    inputs = [part for name in ("360p", "180p") for part in ("-i", str(clips() / f"{name}.mp4"))]
    sets = ["-adaptation_sets", "id=0,streams=0 id=1,trick_id=0,streams=1"]
    muxing = ["-f", "dash", "-seg_duration", "2.002", *sets, str(tmp_path / "title.mpd")]
    command = [tool_path("ffmpeg"), "-v", "error", *inputs, "-map", "0", "-map", "1", "-c", "copy", *muxing]
    subprocess.run(command, check=True)
    report = verify_any(Asked(str(tmp_path / "title.mpd")), Settings(data_dir=tmp_path / "data"))
    told = {(fault.clause, fault.found) for fault in report.rejections}
    assert ("DASH-IF IOP 4.3 3.2.9", "46 of its 48 samples depend on others.") in told
    assert ("ISO/IEC 23001-7 9", "5 of its 120 frames came out of the decoder.") in told
    rewrite(tmp_path, "title.mpd", r'<Representation id="1"', r'\g<0> codingDependency="true"')
    assert verify_any(Asked(str(tmp_path / "title.mpd")), Settings(data_dir=tmp_path / "data")).rejections == ()


def test_text_of_another_packager_is_read_in_segments_and_in_one_file(tmp_path):
    """Shaka Packager's segments of WebVTT in HLS; the same text as the one file of a DASH set."""
    text = tmp_path / "en.vtt"
    text.write_text("WEBVTT\n\n00:00:00.500 --> 00:00:01.800\nOne\n\n00:00:01.900 --> 00:00:04.500\nThree\n")
    parts = f"init_segment={tmp_path}/v.mp4,segment_template={tmp_path}/v$Number$.m4s"
    video = f"in={clips() / '180p.mp4'},stream=video,{parts},playlist_name=v.m3u8"
    cues = f"in={text},stream=text,segment_template={tmp_path}/t$Number$.vtt,playlist_name=t.m3u8,hls_group_id=s"
    made = [f"--hls_master_playlist_output={tmp_path / 'title.m3u8'}", f"--mpd_output={tmp_path / 'title.mpd'}"]
    command = [
        tool_path("packager"),
        video,
        cues,
        "--segment_duration=2",
        "--quiet",
        "--generate_static_live_mpd",
        *made,
    ]
    subprocess.run(command, check=True)
    (track,) = texts_in(tmp_path / "title.m3u8", tmp_path)
    assert track.cues == 4
    sidecar = (
        '<AdaptationSet contentType="text" lang="en"><Representation id="t" bandwidth="100" mimeType="text/vtt">'
        "<BaseURL>en.vtt</BaseURL></Representation></AdaptationSet>"
    )
    pictures = re.sub(r"(?s)<AdaptationSet [^>]*contentType=.text.*?</AdaptationSet>", "", read(tmp_path / "title.mpd"))
    (tmp_path / "one.mpd").write_text(pictures.replace("</Period>", f"{sidecar}</Period>"))
    (track,) = texts_in(tmp_path / "one.mpd", tmp_path)
    assert track.cues == 2


def texts_in(manifest, tmp_path):
    report = verify_any(Asked(str(manifest)), Settings(data_dir=tmp_path / "data"))
    assert [fault.sentence for fault in report.rejections] == []
    return [track for track in report.tracks if track.kind == "text"]


def read(path):
    return path.read_text()
