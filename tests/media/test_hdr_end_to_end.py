"""HDR from the master to renditions and manifests, as two tools tell it independently."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest
from lxml import etree

from encoders.documents import VideoJob
from encoders.probe import inspect_master
from encoders.source import register_master
from encoders.work import encode
from pipeline.make import MakeWatcher, make
from profiles.load import load_profile
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.title import SubmitRequest

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, planned
from hdr_clips import hdr10_plus_of, hdr_master, rpu_nal, rpus_of, said_by_ffprobe, said_by_media_info

pytestmark = pytest.mark.media

# ruff: noqa: E501 - one rung a line
PROFILE = """
name: hdr
summary: tests
gop_seconds: 1
segment_gops: 1
video:
  - {name: hevc, codec: x265, width: 160, height: 90, dynamic_range: source, crf: 9, max_bps: 2000000, preset: ultrafast}
  - {name: hevc-small, codec: x265, width: 128, height: 72, dynamic_range: source, crf: 9, max_bps: 2000000, preset: ultrafast}
  - {name: vp9, codec: vp9, width: 160, height: 90, dynamic_range: source, crf: 30, max_bps: 2000000, preset: "8"}
  - {name: av1, codec: svtav1, width: 160, height: 90, dynamic_range: source, crf: 30, max_bps: 2000000, preset: "12"}
  - {name: sdr, codec: x265, width: 160, height: 90, crf: 9, max_bps: 2000000, preset: ultrafast}
audio: []
"""
SECONDS, FRAMES = 4, 96
MASTERS = {
    "everything on PQ": {"transfer": "PQ", "plus": True, "vision": True},
    "Dolby Vision on HLG": {"transfer": "HLG", "vision": True},
}
SUPPLEMENTAL = {"PQ": "db1p", "HLG": "db4h"}


@pytest.fixture(scope="module", params=MASTERS, ids=lambda name: name.replace(" ", "-"))
def title(request, tmp_path_factory):
    """A master, its transfer, what was made of it and where."""
    folder = tmp_path_factory.mktemp("hdr")
    asked = MASTERS[request.param]
    master = hdr_master(folder / "master.mp4", seconds=SECONDS, **asked)
    (folder / "catalogue").mkdir()
    (folder / "catalogue" / "hdr.yaml").write_text(PROFILE)
    settings = Settings(data_dir=folder / "data", catalogue_dir=folder / "catalogue", chunk_seconds=2, worker_slots=1)
    wanted = SubmitRequest(master_uri=str(master), title_id="hdr", name="hdr", profile="hdr")
    watcher = MakeWatcher(stage=lambda _: None, encode=lambda _: None)
    report = make(wanted, folder / "out", settings, watcher)
    return master, asked, report, folder


def rendition(title, name):
    return next((title[3] / "out" / "renditions").glob(f"{name}.mp4"))


def test_inspection_names_every_kind_of_metadata(title):
    master, asked, _, folder = title
    track = inspect_master(register_master(str(master), folder / "data"), master).video[0]
    vision = {"PQ": "dv8.1", "HLG": "dv8.4"}[asked["transfer"]]
    assert track.dynamic == ((vision, "hdr10+") if asked.get("plus") else (vision,))


def test_hevc_of_the_masters_size_says_all_that_the_master_says(title):
    master, _, report, _ = title
    made = rendition(title, "hevc")
    assert said_by_ffprobe(made) == said_by_ffprobe(master)
    assert said_by_media_info(made) == said_by_media_info(master)
    kept = next(r for r in report.renditions.video if r.name == "hevc")
    assert kept.dynamic == inspect_master(register_master(str(master), title[3]), master).video[0].dynamic


def test_each_frame_keeps_its_own_dynamic_metadata_across_chunks(title):
    _, asked, report, _ = title
    assert report.chunks == 2
    assert rpus_of(rendition(title, "hevc")) == [rpu_nal(frame) for frame in range(FRAMES)]
    if asked.get("plus"):
        expected = [f"maxscl={1000 + frame}/100000" for frame in range(FRAMES)]
        assert hdr10_plus_of(rendition(title, "hevc")) == expected
        assert hdr10_plus_of(rendition(title, "hevc-small")) == expected


def test_a_smaller_rung_has_no_dolby_vision_whose_areas_are_counted_in_pixels(title):
    small = said_by_ffprobe(rendition(title, "hevc-small"))
    assert small["DOVI configuration record"] is None
    assert rpus_lines(rendition(title, "hevc-small")) == []
    full = said_by_ffprobe(rendition(title, "hevc"))
    assert {k: v for k, v in small.items() if "DOVI" not in k} == {k: v for k, v in full.items() if "DOVI" not in k}


def rpus_lines(path):
    frames = ffmpeg("-i", str(path), "-c", "copy", "-bsf:v", "hevc_mp4toannexb,filter_units=pass_types=62", "-f",
                    "hevc", "-")  # fmt: skip
    return [frames] if frames else []


def test_an_sdr_rung_carries_nothing_of_hdr(title):
    facts = said_by_ffprobe(rendition(title, "sdr"))
    assert (facts["color_primaries"], facts["color_transfer"], facts["color_space"]) == ("bt709",) * 3
    dynamic = ("Mastering display metadata", "Content light level metadata", "DOVI configuration record")
    assert not any(facts[name] for name in (*dynamic, "HDR10+"))
    assert rpus_lines(rendition(title, "sdr")) == []


def test_vp9_and_av1_say_the_same_colour_and_light(title):
    master, _, _, _ = title
    names = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "color_range",
             "mastering_display_color_primaries", "mastering_display_luminance", "maximum_content_light_level",
             "maximum_frameaverage_light_level")  # fmt: skip
    expected = {name: said_by_media_info(master)[name] for name in names}
    for name in ("vp9", "av1"):
        facts = said_by_media_info(rendition(title, name))
        assert {name: facts[name] for name in names} == expected
        assert "Dolby" not in str(facts["hdr_format"])


def test_init_segments_of_every_hdr_rung_tell_the_masters_light(title):
    master, asked, _, folder = title
    names = ("mastering_display_color_primaries", "mastering_display_luminance", "maximum_content_light_level",
             "maximum_frameaverage_light_level")  # fmt: skip
    expected = {name: said_by_media_info(master)[name] for name in names}
    assert any(expected.values()) == (asked["transfer"] == "PQ")
    for name in ("hevc", "hevc-small", "vp9", "av1"):
        facts = said_by_media_info(folder / "out" / "package" / "video" / name / "init.mp4")
        assert {key: facts[key] for key in names} == expected


def test_manifests_signal_range_and_dolby_vision(title):
    _, asked, report, folder = title
    master_playlist = (folder / "out" / report.hls).read_text().splitlines()
    lines = {uri: line for line, uri in pairwise(master_playlist) if "STREAM-INF" in line}
    ranges = {uri.rpartition("/")[2]: line.partition("VIDEO-RANGE=")[2].split(",")[0] for uri, line in lines.items()}
    assert ranges == {f"{name}.m3u8": asked["transfer"] for name in ("hevc", "hevc-small", "vp9", "av1")} | {
        "sdr.m3u8": "SDR"
    }
    signalled = [uri.rpartition("/")[2] for uri, line in lines.items() if "SUPPLEMENTAL-CODECS" in line]
    assert signalled == ["hevc.m3u8"]
    brand = SUPPLEMENTAL[asked["transfer"]]
    assert any(f'SUPPLEMENTAL-CODECS="dvh1.08.01/{brand}"' in line for line in lines.values())
    mpd = etree.parse(folder / "out" / report.dash)
    space = {"m": "urn:mpeg:dash:schema:mpd:2011"}
    scte = "{urn:scte:dash:scte214-extensions}"
    for one in mpd.iterfind(".//m:Representation", space):
        properties = {
            p.get("schemeIdUri").rpartition(":")[2]: p.get("value")
            for p in one.getparent().iterfind("m:SupplementalProperty", space)
        }
        transfer = "1" if one.get("id") == "sdr" else {"PQ": "16", "HLG": "18"}[asked["transfer"]]
        assert properties.get("TransferCharacteristics", "1") == transfer
        vision = (one.get(f"{scte}supplementalCodecs"), one.get(f"{scte}supplementalProfiles"))
        assert vision == (("dvh1.08.01", brand) if one.get("id") == "hevc" else (None, None))


def test_a_rung_encoded_alone_has_the_bytes_of_one_encoded_beside_others(title, tmp_path):
    """Metadata on frames must not depend on which branch of a split they came through."""
    master, _, report, folder = title
    profile = load_profile("hdr", folder / "catalogue")
    plan = planned(master, tmp_path, profile, chunk_seconds=2)
    job = next(job for job in plan.jobs if isinstance(job, VideoJob))
    together, alone = LocalStore(tmp_path / "together"), LocalStore(tmp_path / "alone")
    encode(job, master, together, tmp_path / "work")
    for output in job.outputs:
        encode(job.model_copy(update={"outputs": (output,)}), master, alone, tmp_path / "work")
        assert alone.head(output.key).sha256 == together.head(output.key).sha256, output.rung.name
    assert report.chunks == len(plan.jobs)
