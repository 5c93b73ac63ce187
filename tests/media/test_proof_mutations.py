"""What is wrong with a real encrypted package is found, with the clause; a package that is right passes."""

import base64
import re
import shutil
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from packagers.evidence.inspect import Inspection, inspect_package
from packagers.evidence.source import FolderSource, folder_url
from packagers.work import package
from pipeline.licensing import licences_of_version
from telecine.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))
from packagers_clips import Bench

pytestmark = pytest.mark.media

SHIFT_S = 0.08


@dataclass
class Laid:
    """A package laid out in a folder, as ``telecine make`` leaves it."""

    bench: Bench
    version: str
    folder: Path

    def proof(self, work_dir, schema=None):
        """Evidence with keys from a licence request to the real playback service in this process."""
        keys = self.bench.request.keys
        return inspect_package(
            Inspection(
                package="test",
                manifests=tuple(folder_url(self.folder / name) for name in ("manifest.mpd", "master.m3u8")),
                source=FolderSource(self.folder),
                licences=licences_of_version(keys, self.version, self.bench.keys, Settings(data_dir=work_dir)),
                work_dir=work_dir,
                renditions=self.bench.renditions,
                schema=schema,
            )
        )

    def change(self, path, changed):
        target = self.folder / path
        target.write_bytes(changed(target.read_bytes()))

    def rewrite(self, path, pattern, replacement, count=0):
        target = self.folder / path
        text, times = re.subn(pattern, replacement, target.read_text(), count=count, flags=re.MULTILINE)
        assert times
        target.write_text(text)


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    root = tmp_path_factory.mktemp("proof")
    bench = Bench(root, sound=("stereo",))
    made = package(bench.request, bench.keys, bench.store, bench.work_dir)
    folder = root / "package"
    for entry in made.inventory.entries:
        target = folder / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        bench.store.get_file(made.prefix + entry.path, target)
    return Laid(bench, made.version, folder)


@pytest.fixture
def copy(laid, tmp_path):
    shutil.copytree(laid.folder, tmp_path / "package")
    return Laid(laid.bench, laid.version, tmp_path / "package")


def test_a_package_that_is_right_passes(laid, tmp_path):
    report = laid.proof(tmp_path)
    assert report.rejections == ()
    assert {track.name: track.decoded.frames for track in report.tracks if track.kind == "video"} == {
        "180p": 120,
        "360p": 120,
    }
    assert set(report.granted) == set(laid.bench.request.keys.kids.values())
    stereo = next(track for track in report.tracks if track.kind == "audio")
    assert stereo.decoded.loudness.integrated_lufs == pytest.approx(-22, abs=3)
    assert list((tmp_path).iterdir()) == []


def corrupt_a_byte(copy):
    def flipped(held):
        at = held.index(b"mdat") + 200
        return held[:at] + bytes([held[at] ^ 0xFF]) + held[at + 1 :]

    copy.change("video/360p/2.m4s", flipped)


def drop_a_segment(copy):
    (copy.folder / "video/180p/2.m4s").unlink()


def drop_a_segment_and_its_number(copy):
    """As a packager that lost one would write it: the manifests name what is there, and nothing more."""
    (copy.folder / "video/180p/3.m4s").rename(copy.folder / "video/180p/2.m4s")
    copy.rewrite("manifest.mpd", r'(180p.*\n.*\n.*<S t="0" d="48048") r="1"/>\n.*<S t="96096"', r'\1/><S t="48048"')
    copy.rewrite("video/180p.m3u8", r"#EXTINF:2.002000,\n180p/2.m4s\n", "")
    copy.rewrite("video/180p.m3u8", r"180p/3.m4s", "180p/2.m4s")


def swap_kids_in_the_manifest(copy):
    kids = copy.bench.request.keys.kids
    text = (copy.folder / "manifest.mpd").read_text()
    one, other = (dashed(kids[label]) for label in ("SD", "HD"))
    swapped = text.replace(one, "*").replace(other, one).replace("*", other)
    assert swapped != text
    (copy.folder / "manifest.mpd").write_text(swapped)


def swap_kids_in_the_media(copy):
    kids = copy.bench.request.keys.kids
    one, other = bytes.fromhex(kids["SD"]), bytes.fromhex(kids["HD"])

    def swapped(held):
        at = held.index(b"tenc")
        return held[:at] + held[at:].replace(one, other, 1)

    copy.change("video/180p/init.mp4", swapped)


def swap_kids_everywhere(copy):
    """Media, both manifests and the licence agree; the bytes were encrypted with another key."""
    kids = copy.bench.request.keys.kids
    swap_kids_in_the_media(copy)
    copy.rewrite("manifest.mpd", dashed(kids["SD"]), dashed(kids["HD"]))
    for path in ("video/180p.m3u8", "master.m3u8"):
        copy.rewrite(path, f"0x{kids['SD']}", f"0x{kids['HD']}")
        sd, hd = (base64.b64encode(bytes.fromhex(kids[label])).decode() for label in ("SD", "HD"))
        copy.rewrite(path, re.escape(sd), hd)
    lines = (copy.folder / "master.m3u8").read_text().splitlines()
    once = [line for n, line in enumerate(lines) if "SESSION-KEY" not in line or line not in lines[:n]]
    (copy.folder / "master.m3u8").write_text("\n".join(once) + "\n")


def dashed(kid):
    return f"{kid[:8]}-{kid[8:12]}-{kid[12:16]}-{kid[16:20]}-{kid[20:]}"


def misdeclare_the_peak(copy):
    copy.rewrite("master.m3u8", r":BANDWIDTH=(\d+)", lambda found: f":BANDWIDTH={int(found[1]) * 8 // 10}", count=1)


def misdeclare_the_average(copy):
    copy.rewrite(
        "master.m3u8", r"AVERAGE-BANDWIDTH=(\d+)", lambda found: f"AVERAGE-BANDWIDTH={int(found[1]) * 2}", count=1
    )


def misdeclare_dash_high(copy):
    copy.rewrite("manifest.mpd", r' bandwidth="(\d+)"', lambda found: f' bandwidth="{int(found[1]) * 3 // 2}"', count=1)


def misdeclare_dash_low(copy):
    copy.rewrite("manifest.mpd", r' bandwidth="(\d+)"', lambda found: f' bandwidth="{int(found[1]) // 3}"', count=1)


def shift_sound_in_the_media(copy):
    """80 ms later by every tfdt; the manifest still says 0."""
    for path in sorted((copy.folder / "audio/stereo").glob("*.m4s")):
        copy.change(path.relative_to(copy.folder), lambda held: later(held, round(48000 * SHIFT_S)))


def shift_sound_and_its_manifest(copy):
    shift_sound_in_the_media(copy)
    ticks = round(48000 * SHIFT_S)

    def moved(found):
        return f'{found[1]}<S t="{int(found[2]) + ticks}"'

    text = (copy.folder / "manifest.mpd").read_text()
    head, sound = text.split('contentType="audio"')
    (copy.folder / "manifest.mpd").write_text(head + 'contentType="audio"' + re.sub(r'(\s)<S t="(\d+)"', moved, sound))


def shift_sound_by_an_edit(copy):
    """80 ms earlier: the edit list cuts off more than a decoder needs to prime."""

    def cut(held):
        at = held.index(b"elst")
        wide = 8 if held[at + 4] else 4
        place = at + 12 + wide
        media_time = int.from_bytes(held[place : place + wide]) + round(48000 * SHIFT_S)
        return held[:place] + media_time.to_bytes(wide) + held[place + wide :]

    copy.change("audio/stereo/init.mp4", cut)


def later(held, ticks):
    at = held.index(b"tfdt")
    wide = 8 if held[at + 4] else 4
    time = int.from_bytes(held[at + 8 : at + 8 + wide]) + ticks
    return held[: at + 8] + time.to_bytes(wide) + held[at + 8 + wide :]


def truncate_a_playlist(copy):
    copy.change("video/180p.m3u8", lambda held: held[: held.index(b"#EXT-X-ENDLIST")])


def truncate_a_playlist_in_a_line(copy):
    copy.change("video/180p.m3u8", lambda held: held[: held.index(b"180p/3.m4s")])


def truncate_a_playlist_cleanly(copy):
    """Its end is said, but a segment is missing before it."""
    copy.rewrite("video/180p.m3u8", r"#EXTINF:1.001000,\n180p/3.m4s\n", "")


def truncate_the_manifest(copy):
    copy.change("manifest.mpd", lambda held: held[: len(held) // 2])


def lower_the_target(copy):
    copy.rewrite("video/180p.m3u8", r"TARGETDURATION:\d+", "TARGETDURATION:1")


def hand_out_the_key(copy):
    copy.rewrite("video/180p.m3u8", r'KEYFORMAT="org.w3.clearkey"', 'KEYFORMAT="identity"')


def open_a_segment_without_a_key_frame(copy):
    """Its first sample depends on others: sample_is_non_sync is set for it."""

    def dependent(held):
        at = held.index(b"trun")
        given = int.from_bytes(held[at + 5 : at + 8])
        place = at + 12 + 4  # past count and data offset
        if given & 0x004:
            return held[:place] + struct.pack(">I", 0x01010000) + held[place + 4 :]
        place += 4 * bool(given & 0x100) + 4 * bool(given & 0x200)
        return held[:place] + struct.pack(">I", 0x01010000) + held[place + 4 :]

    copy.change("video/180p/2.m4s", dependent)


def lose_an_attribute(copy):
    copy.rewrite("master.m3u8", r",FRAME-RATE=[\d.]+", "", count=1)


def cut_a_segment_short(copy):
    copy.change("video/360p/2.m4s", lambda held: held[: len(held) // 2])


MUTATIONS = [
    (corrupt_a_byte, "ISO/IEC 23001-7 9", "'360p'"),
    (drop_a_segment, "ISO/IEC 23009-1 5.6", "video/180p/2.m4s"),
    (drop_a_segment, "HLS Authoring 7.3", "video/180p/"),
    (drop_a_segment_and_its_number, "HLS Authoring 7.3", "video/180p/2.m4s"),
    (drop_a_segment_and_its_number, "Telecine frames", "'180p'"),
    (drop_a_segment_and_its_number, "Telecine grid", "'360p'"),
    (drop_a_segment_and_its_number, "HLS Authoring 8.3", "video/180p.m3u8"),
    (swap_kids_in_the_manifest, "ISO/IEC 23001-7 8.2", "video/180p/init.mp4"),
    (swap_kids_in_the_manifest, "Telecine one set", "video/180p.m3u8"),
    (swap_kids_in_the_media, "ISO/IEC 23001-7 8.2", "video/180p/init.mp4"),
    (swap_kids_everywhere, "ISO/IEC 23001-7 9", "'180p'"),
    (misdeclare_the_peak, "HLS Authoring 1.27", "master.m3u8"),
    (misdeclare_the_average, "HLS Authoring 1.26", "master.m3u8"),
    (misdeclare_dash_high, "ISO/IEC 23009-1 5.3.5.2", "representation 180p"),
    (misdeclare_dash_low, "ISO/IEC 23009-1 5.3.5.2", "representation 180p"),
    (shift_sound_in_the_media, "ISO/IEC 23009-1 5.3.9.6", "audio/stereo/1.m4s"),
    (shift_sound_in_the_media, "Telecine sync", "'stereo'"),
    (shift_sound_and_its_manifest, "Telecine sync", "'stereo'"),
    (shift_sound_by_an_edit, "Telecine sync", "'stereo'"),
    (truncate_a_playlist, "RFC 8216bis 4.4.3.4", "video/180p.m3u8"),
    (truncate_a_playlist_in_a_line, "RFC 8216bis 4.4.4.1", "video/180p.m3u8"),
    (truncate_a_playlist_cleanly, "HLS Authoring 8.3", "video/180p.m3u8"),
    (truncate_a_playlist_cleanly, "Telecine one set", "video/180p.m3u8"),
    (truncate_the_manifest, "ISO/IEC 23009-1 5.2.2", "manifest.mpd"),
    (lower_the_target, "RFC 8216bis 4.4.3.1", "video/180p.m3u8"),
    (hand_out_the_key, "RFC 8216bis 4.4.4.4", "video/180p.m3u8"),
    (open_a_segment_without_a_key_frame, "HLS Authoring 7.4", "video/180p/2.m4s"),
    (open_a_segment_without_a_key_frame, "Telecine grid", "'360p'"),
    (lose_an_attribute, "HLS Authoring 9.15", "master.m3u8"),
    (cut_a_segment_short, "ISO/IEC 14496-12 8.8", "video/360p/2.m4s"),
]


@pytest.mark.parametrize(
    ("mutate", "clause", "where"), MUTATIONS, ids=[f"{one.__name__}-{clause}" for one, clause, _ in MUTATIONS]
)
def test_a_mutation_is_caught_with_its_clause_and_place(copy, tmp_path, mutate, clause, where):
    mutate(copy)
    report = copy.proof(tmp_path / "work")
    told = [fault for fault in report.rejections if fault.clause == clause and where in fault.where + fault.found]
    assert told, "\n".join(fault.sentence for fault in report.faults)
    assert all(fault.remedy for fault in told)


def test_a_manifest_that_breaks_the_schema_is_caught(copy, tmp_path):
    schema = Path(__file__).parents[3] / "shared" / "conformance" / "dashschema" / "DASH-MPD.xsd"
    if not schema.exists():
        pytest.skip("the MPEG DASH schema is not beside the clone (../shared/conformance)")
    right = copy.proof(tmp_path / "work", schema)
    assert (right.rejections, right.not_checked) == ((), ())
    copy.rewrite("manifest.mpd", 'minBufferTime="PT2S"', 'minBufferTime="2 s"')
    (told,) = (one for one in copy.proof(tmp_path / "work", schema).rejections if one.clause.endswith("Annex B"))
    assert "minBufferTime" in told.found


def test_without_the_schema_the_report_says_so(copy, tmp_path):
    assert "not validated" in " ".join(copy.proof(tmp_path / "work").not_checked)


def test_a_package_whose_manifests_offer_nothing_does_not_pass(copy, tmp_path):
    for name in ("manifest.mpd", "master.m3u8"):
        (copy.folder / name).unlink()
    report = copy.proof(tmp_path / "work")
    assert not report.passed
    assert report.tracks == ()
