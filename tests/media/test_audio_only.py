"""Titles without picture: a song becomes an encrypted, verified package of sound alone."""

import re
import sys
from pathlib import Path

import pytest
from lxml import etree

from pipeline.make import MakeWatcher, make
from pipeline.submission import request_from
from telecine.errors import SourceRejected
from telecine.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, numbered_clip

pytestmark = pytest.mark.media

ATMOS = Path(__file__).parents[3] / "shared" / "media" / "sample_eac3joc.mp4"
SILENT_WATCHER = MakeWatcher(stage=lambda _: None, encode=lambda _: None)


def made(master, folder, profile="audio-only"):
    settings = Settings(data_dir=folder / "data")
    request = request_from({"master_uri": str(master), "profile": profile})
    return make(request, folder / "out", settings, SILENT_WATCHER, vmaf=True)


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Fourteen seconds of stereo at 44.1 kHz, far too quiet."""
    folder = tmp_path_factory.mktemp("song")
    tones = "aevalsrc='0.01*sin(440*t*2*PI)|0.01*sin(660*t*2*PI)':s=44100:d=14"
    ffmpeg("-f", "lavfi", "-i", tones, str(folder / "song.wav"))
    return made(folder / "song.wav", folder), folder / "out"


def test_a_song_gives_every_rung_of_stereo_and_nothing_else(song):
    report, _ = song
    assert [(r.name, r.channels) for r in report.renditions.renditions] == [
        ("stereo-64k", 2), ("stereo-128k", 2), ("stereo-256k", 2),
    ]  # fmt: skip
    assert all(abs(float(r.duration) - 14) < 1024 / 48_000 for r in report.renditions.renditions)
    assert [proof.name for proof in report.verified.renditions] == ["stereo-64k", "stereo-128k", "stereo-256k"]


def test_a_song_has_the_loudness_of_the_profile_and_says_what_it_was(song):
    for rendition in song[0].renditions.renditions:
        told = rendition.loudness
        assert told.before.integrated_lufs == pytest.approx(told.after.integrated_lufs - told.gain_db, abs=0.5)
        assert told.after.integrated_lufs == pytest.approx(-16, abs=0.5)
        assert told.after.true_peak_dbtp <= -0.5


def test_segments_of_sound_alone_last_six_seconds(song):
    report, out = song
    playlist = (out / "package" / "audio" / "stereo-64k.m3u8").read_text()
    durations = [float(found) for found in re.findall(r"#EXTINF:([\d.]+)", playlist)]
    assert len(durations) == 3
    assert durations[:2] == pytest.approx([6, 6], abs=0.05)
    assert sum(durations) == pytest.approx(14, abs=0.05)
    assert report.verified.renditions[0].segments == 3


def test_players_may_switch_between_bit_rates_in_both_manifests(song):
    _, out = song
    master = (out / "package" / "master.m3u8").read_text()
    variants = re.findall(r"#EXT-X-STREAM-INF:BANDWIDTH=(\d+),.*\n(\S+)", master)
    assert [path for _, path in variants] == [f"audio/stereo-{rate}k.m3u8" for rate in (64, 128, 256)]
    assert "RESOLUTION" not in master
    mpd = etree.fromstring((out / "package" / "manifest.mpd").read_bytes())
    sets = mpd.findall(".//{*}AdaptationSet")
    assert [[r.get("id") for r in found.findall("{*}Representation")] for found in sets] == [
        ["stereo-64k", "stereo-128k", "stereo-256k"]
    ]


@pytest.mark.skipif(not ATMOS.is_file(), reason="the folder of masters is not here")
def test_atmos_alone_is_passed_through_into_both_manifests(tmp_path):
    report = made(ATMOS, tmp_path)
    assert [(r.name, r.atmos) for r in report.renditions.renditions][-1] == ("atmos", True)
    assert "stereo-64k" in {r.name for r in report.renditions.renditions}
    package = tmp_path / "out" / "package"
    assert 'NAME="Dolby Atmos",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="16/JOC"' in (package / "master.m3u8").read_text()
    mpd = (package / "manifest.mpd").read_text()
    assert 'schemeIdUri="tag:dolby.com,2018:dash:EC3_ExtensionType:2018" value="JOC"' in mpd
    assert 'schemeIdUri="tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018" value="16"' in mpd


def test_of_a_film_the_sound_alone_is_made(tmp_path):
    film = numbered_clip(tmp_path / "film.mp4", seconds="2", sound=("-f", "lavfi", "-i", "sine=d=2"))
    report = made(film, tmp_path)
    assert {r.kind for r in report.renditions.renditions} == {"audio"}


def test_a_song_is_refused_where_the_profile_has_pictures_and_a_silent_film_where_it_has_none(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", str(tmp_path / "song.wav"))
    with pytest.raises(SourceRejected, match=r"song\.wav has no video track, only 1 audio track: deliver a file with"):
        made(tmp_path / "song.wav", tmp_path, "standard")
    film = numbered_clip(tmp_path / "film.mp4", seconds="1", output=("-an",))
    with pytest.raises(SourceRejected, match=r"film\.mp4 has no sound track: deliver a file with sound"):
        made(film, tmp_path)


def test_a_cut_song_is_refused(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "sine=d=20", "-c:a", "aac", "-movflags", "+faststart", str(tmp_path / "song.m4a"))
    whole = (tmp_path / "song.m4a").read_bytes()
    (tmp_path / "song.m4a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceRejected, match="is cut short"):
        made(tmp_path / "song.m4a", tmp_path)


@pytest.mark.parametrize("at", [0.1, 0.95])
def test_a_song_damaged_at_its_start_or_end_is_refused(tmp_path, at):
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=20:a=0.1", "-c:a", "flac", str(tmp_path / "song.flac"))
    content = bytearray((tmp_path / "song.flac").read_bytes())
    place = int(len(content) * at)
    content[place : place + 4_000] = bytes(4_000)
    (tmp_path / "song.flac").write_bytes(content)
    with pytest.raises(SourceRejected, match=r"song\.flac is (damaged|cut short)"):
        made(tmp_path / "song.flac", tmp_path)
