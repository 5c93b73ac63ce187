"""Several sound tracks of one language: programme, commentary, description; each a rendition players are told of."""

import sys
from pathlib import Path

import pytest
from lxml import etree

from encoders.probe import inspect_master
from encoders.source import register_master
from pipeline.make import MakeWatcher, make
from pipeline.submission import request_from
from telecine.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg

pytestmark = pytest.mark.media

TRACKS = (
    ("eng", "comment", ""),
    ("eng", "default", "English"),
    ("eng", "visual_impaired", ""),
    ("fra", "0", "Commentaire du réalisateur"),
    ("fra", "hearing_impaired", ""),
)


def a_master(path):
    arguments = []
    for number in range(len(TRACKS)):
        arguments += ["-f", "lavfi", "-i", f"sine=frequency={300 * (number + 1)}:d=2"]
    for number, (language, disposition, title) in enumerate(TRACKS):
        arguments += ["-map", str(number), f"-metadata:s:a:{number}", f"language={language}"]
        arguments += [f"-disposition:a:{number}", disposition, f"-metadata:s:a:{number}", f"title={title}"]
    ffmpeg(*arguments, "-c:a", "aac", str(path))
    return path


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roles")
    profiles = folder / "profiles"
    profiles.mkdir()
    (profiles / "plain.yaml").write_text(
        "name: plain\nsummary: tests\nvideo: []\naudio: [{name: stereo, channels: 2, bitrate_bps: 96000}]\n"
    )
    request = request_from({"master_uri": str(a_master(folder / "tracks.mkv")), "profile": "plain"})
    settings = Settings(data_dir=folder / "data", catalogue_dir=profiles)
    watcher = MakeWatcher(stage=lambda _: None, encode=lambda _: None)
    return make(request, folder / "out", settings, watcher), folder / "out" / "package"


def test_roles_are_read_from_flags_and_from_titles(tmp_path):
    path = a_master(tmp_path / "tracks.mkv")
    probe = inspect_master(register_master(str(path), tmp_path), path)
    assert [track.role for track in probe.audio] == [
        "commentary", "main", "descriptive", "commentary", "clear-speech",
    ]  # fmt: skip


def test_each_language_and_role_is_made_once_and_the_programme_comes_first(released):
    report, _ = released
    assert {r.name: (r.language, r.role) for r in report.renditions.renditions} == {
        "stereo": ("eng", "main"),
        "stereo-eng-commentary": ("eng", "commentary"),
        "stereo-eng-descriptive": ("eng", "descriptive"),
        "stereo-fra-commentary": ("fra", "commentary"),
        "stereo-fra-clear-speech": ("fra", "clear-speech"),
    }


def test_hls_says_what_each_is_for_and_gives_nobody_a_commentary_unasked(released):
    lines = [line for line in (released[1] / "master.m3u8").read_text().splitlines() if "TYPE=AUDIO" in line]
    said = {line.partition("URI=")[2].strip('"').split("/")[1].removesuffix(".m3u8"): line for line in lines}
    assert "DEFAULT=YES" in said["stereo"]
    assert 'CHARACTERISTICS="public.accessibility.describes-video"' in said["stereo-eng-descriptive"]
    assert 'CHARACTERISTICS="public.accessibility.enhances-speech-intelligibility"' in said["stereo-fra-clear-speech"]
    assert 'NAME="Stereo (en), commentary"' in said["stereo-eng-commentary"]
    assert "AUTOSELECT=NO" in said["stereo-eng-commentary"]
    assert sum("DEFAULT=YES" in line for line in lines) == 1


def test_dash_says_what_each_is_for(released):
    mpd = etree.fromstring((released[1] / "manifest.mpd").read_bytes())
    told = {
        found.find("{*}Representation").get("id"): (
            found.find("{*}Role").get("value"),
            [one.get("value") for one in found.findall("{*}Accessibility")],
        )
        for found in mpd.findall(".//{*}AdaptationSet")
    }
    assert told == {
        "stereo": ("main", []),
        "stereo-eng-commentary": ("commentary", []),
        "stereo-eng-descriptive": ("description", ["1"]),
        "stereo-fra-commentary": ("commentary", []),
        "stereo-fra-clear-speech": ("enhanced-audio-intelligibility", ["2"]),
    }
