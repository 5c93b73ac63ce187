"""What a master carries beside picture and sound reaches the package: texts, chapters; and tiles show its pictures."""

import json
import re
import sys
from pathlib import Path

import pytest
from lxml import etree
from typer.testing import CliRunner

from packagers.evidence.playlists import read_multivariant
from pipeline.make import MakeWatcher, make
from pipeline.submission import request_from
from telecine.cli.app import app
from telecine.errors import SourceRejected
from telecine.settings import load_settings

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg

pytestmark = pytest.mark.media

PROFILE = """
name: full
summary: tests
gop_seconds: 1
segment_gops: 2
video:
  - {name: small, codec: x264, width: 160, height: 90, crf: 24, max_bps: 400000, preset: ultrafast}
audio:
  - {name: stereo, codec: aac, channels: 2, bitrate_bps: 64000}
packaging: {trick_play: true, thumbnails: {every_s: 2, columns: 2, rows: 1, width: 80}}
"""
SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello <i>there</i> & you\n\n2\n00:00:05,000 --> 00:00:09,000\nThe end\n"
CHAPTERS = (
    ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=2\ntitle=Black\n[CHAPTER]\nTIMEBASE=1/1\nSTART=2\nEND=6\n"
    "title=White\n"
)
LEVELS = (16, 235, 120)
"""Luma of the master's thirds, two seconds each: what tile n must show."""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    (folder / "full.yaml").write_text(PROFILE)
    (folder / "a.srt").write_text(SRT)
    (folder / "chapters.txt").write_text(CHAPTERS)
    master = folder / "master.mkv"
    level = f"if(lt(T,2),{LEVELS[0]},if(lt(T,4),{LEVELS[1]},{LEVELS[2]}))".replace(",", "\\,")
    picture = ("-f", "lavfi", "-i", f"nullsrc=s=160x90:r=12:d=6,format=gray,geq=lum={level},format=yuv420p")
    sound = ("-f", "lavfi", "-i", "sine=d=6", "-i", str(folder / "a.srt"), "-i", str(folder / "chapters.txt"))
    tracks = ("-map", "0:v", "-map", "1:a", "-map", "2:s", "-map_chapters", "3", "-metadata:s:s:0", "language=eng")
    ffmpeg(*picture, *sound, *tracks, "-c:v", "libx264", "-c:a", "aac", "-c:s", "subrip", str(master))
    settings = load_settings(folder / "data").model_copy(update={"catalogue_dir": folder})
    request = request_from({"master_uri": str(master), "profile": "full"})
    make(request, folder / "out", settings, MakeWatcher(lambda _: None, lambda _: None))
    return folder / "out" / "package"


def test_a_track_of_text_in_the_master_is_published_and_cut_at_the_programmes_end(package):
    texts = [path.read_text() for path in sorted((package / "text" / "en").glob("*.vtt"))]
    assert "Hello <i>there</i> &amp; you" in texts[0]
    assert "00:00:05.000 --> 00:00:06.0" in texts[-1]
    multivariant = read_multivariant((package / "master.m3u8").read_bytes(), "http://x/master.m3u8")
    assert [named.url for named in multivariant.named if named.kind == "text"] == ["http://x/text/en.m3u8"]


def test_chapters_of_the_master_are_published(package):
    chapters = (package / "chapters.vtt").read_text()
    assert re.findall(r"^(\S+) --> \S+\n(\S+)", chapters, re.MULTILINE) == [
        ("00:00:00.000", "Black"),
        ("00:00:02.000", "White"),
    ]


def test_each_tile_shows_the_picture_of_its_time(package):
    storyboard = (package / "thumbnails.vtt").read_text()
    tiles = re.findall(r"(thumbnails/\d+\.jpg)#xywh=(\d+),(\d+),(\d+),(\d+)", storyboard)
    assert len(tiles) == len(LEVELS)
    for (name, x, y, width, height), level in zip(tiles, LEVELS, strict=True):
        cut = f"format=yuv420p,crop={width}:{height}:{x}:{y},scale=1:1:out_range=tv,format=gray"
        raw = ffmpeg("-i", str(package / name), "-vf", cut, "-f", "rawvideo", "-")
        assert abs(raw[0] - level) < 25, f"{name} at {x},{y}"


def test_a_manifest_with_everything_is_valid_by_the_mpeg_schema(package):
    schema = Path(__file__).parents[3] / "shared" / "conformance" / "dashschema" / "DASH-MPD.xsd"
    if not schema.exists():
        pytest.skip("the MPEG DASH schema is not beside the clone (../shared/conformance)")
    etree.XMLSchema(etree.parse(schema)).assertValid(etree.parse(package / "manifest.mpd"))


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """``telecine plan`` of a master of three seconds without text of its own, with the options given."""
    (tmp_path / "full.yaml").write_text(PROFILE)
    picture = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=12:d=3", "-f", "lavfi", "-i", "sine=d=3")
    ffmpeg(*picture, "-c:v", "libx264", "-c:a", "aac", str(tmp_path / "master.mp4"))
    monkeypatch.setenv("TELECINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TELECINE_CATALOGUE_DIR", str(tmp_path))
    return lambda *options: CliRunner().invoke(
        app, ["plan", str(tmp_path / "master.mp4"), "--profile", "full", *options], catch_exceptions=True
    )


def test_a_plan_lists_the_texts_it_was_given(planned, tmp_path):
    (tmp_path / "a.srt").write_text(SRT.partition("\n\n2\n")[0])
    given = ("--subtitles", f"{tmp_path}/a.srt:fr:forced", "--subtitles", f"{tmp_path}/a.srt:en")
    shown = planned(*given)
    assert shown.exit_code == 0, shown.output
    assert "French" in shown.output or "français" in shown.output
    listed = json.loads(planned(*given, "--json").stdout)["texts"]
    assert [(text["language"], text["kind"], text["cues"]) for text in listed] == [
        ("fr", "forced", 1),
        ("en", "subtitles", 1),
    ]


def test_a_plan_tells_of_a_bad_text_with_its_line(planned, tmp_path):
    (tmp_path / "bad.srt").write_text("1\n00:00:02,000 --> 00:00:01,000\nEnds before it starts\n")
    refused = planned("--subtitles", f"{tmp_path}/bad.srt:en")
    assert isinstance(refused.exception, SourceRejected)
    assert "bad.srt, line 2" in str(refused.exception)


def test_a_plan_refuses_a_text_that_lies_outside_the_programme(planned, tmp_path):
    (tmp_path / "late.srt").write_text("1\n00:10:00,000 --> 00:10:02,000\nLate\n")
    refused = planned("--subtitles", f"{tmp_path}/late.srt:en")
    assert isinstance(refused.exception, SourceRejected)
    assert "outside" in str(refused.exception)
