"""Every real and damaged master of the shared folder: made right, or refused for a reason that is true."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.inspecting import inspect_whole
from pipeline.make import MakeWatcher, make, plan_only
from pipeline.submission import request_from
from telecine.errors import SourceRejected
from telecine.settings import Settings
from telecine.tools import tool_path

pytestmark = pytest.mark.media
SHARED = Path(__file__).parents[3] / "shared" / "media"
needs_masters = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared masters are not on this machine")
TINY = """\
name: tiny
summary: one small rung of each kind
video:
  - {name: small, codec: x264, width: 192, height: 192, crf: 30, max_bps: 300_000, preset: ultrafast}
audio:
  - {name: stereo, codec: aac, channels: 2, bitrate_bps: 96_000}
picture: {crop: off}
"""


@pytest.fixture
def settings(tmp_path):
    catalogue = tmp_path / "catalogue"
    catalogue.mkdir()
    (catalogue / "tiny.yaml").write_text(TINY)
    return Settings(data_dir=tmp_path / "data", catalogue_dir=catalogue)


def request(name):
    return request_from({"master_uri": str(SHARED / name), "profile": "tiny"})


@needs_masters
@pytest.mark.parametrize(
    ("name", "frames", "rate", "size", "findings"),
    [
        ("edit_list_positive_shift.mp4", 270, "30", (192, 108), {"late_start", "silence", "black"}),
        ("hdr10-av1.mp4", 127, "30000/1001", (108, 192), {"loudness"}),
        ("hlg10-color-test.mp4", 9, "90000/3001", (192, 108), set()),
        ("interlaced_1080i2997_tff_5s_ac3.ts", 302, "60000/1001", (192, 108), {"interlace", "loudness"}),
        ("opengop_hevc10_720p2997_12s_ac3.mkv", 360, "30000/1001", (192, 108), {"loudness"}),
        ("sample_rotate_and_reflect.mp4", 30, "30000/1001", (128, 192), {"loudness"}),
        ("sample_with_chapters.mkv", 150, "30", (192, 144), set()),
        ("sample_with_srt.mkv", 30, "30", (192, 128), {"loudness"}),
        ("vfr_720p_12s_51.mkv", 720, "60", (192, 108), {"loudness"}),
    ],
)
def test_a_real_master_becomes_a_verified_package(name, frames, rate, size, findings, settings, tmp_path):
    watcher = MakeWatcher(stage=lambda _: None, encode=lambda _: None)
    report = make(request(name), tmp_path / "out", settings, watcher)
    video = report.renditions.video[0]
    assert (report.renditions.frames, video.frame_rate.fraction) == (frames, Fraction(rate))
    assert (video.width, video.height) == size
    assert {finding.kind.value for finding in report.source.findings} == findings
    assert report.source.undecodable == 0
    assert (tmp_path / "out" / report.hls).is_file()
    assert json.loads((tmp_path / "out" / "report.json").read_text())["source"]["pictures"] > 0


@needs_masters
def test_a_4k_hdr_master_is_planned_and_its_missing_pictures_are_told(settings):
    plan = plan_only(request("uhd_hdr10_2160p24_4s_eac3.mp4"), settings)
    track = plan.probe.video[0]
    assert (plan.total_frames, track.dropped, track.gaps[0].start) == (101, 3, 4)


@needs_masters
@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("bad_truncated.mkv", "is cut short: it promises 10.1 s and holds 8.4 s"),
        ("bad_bitflips.mkv", "is damaged"),
        ("README.md", "is a text or still picture|is not a media file"),
    ],
)
def test_a_bad_master_is_refused_with_its_true_reason(name, cause, settings):
    with pytest.raises(SourceRejected, match=cause):
        inspect_whole(str(SHARED / name), "tiny", settings)


def test_the_inspect_command_prints_tables_and_json(tmp_path):
    source = tmp_path / "a.mkv"
    telecine = Path(sys.executable).parent / "telecine"
    subprocess.run(
        [
            *(tool_path("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "color=black:s=160x90:r=24:d=4"),
            *("-preset", "ultrafast", str(source)),
        ],
        check=True,
    )
    env = {"TELECINE_DATA_DIR": str(tmp_path / "data"), "PATH": "/usr/bin:/bin"}
    shown = subprocess.run([telecine, "inspect", source], env=env, check=True, capture_output=True, text=True).stdout
    assert "160x90" in shown
    assert "The picture is black from 0:00.000 to 0:03.9" in shown
    found = subprocess.run([telecine, "inspect", source, "--json"], env=env, check=True, capture_output=True).stdout
    assert json.loads(found)["report"]["findings"][0]["kind"] == "black"
    assert json.loads(found)["refused"] is False
