"""Dolby Atmos and plain E-AC-3 passed through: the master's own frames, in step with the picture to the sample."""

import sys
from fractions import Fraction
from pathlib import Path

import pytest
from pymediainfo import MediaInfo

from packagers.boxes import read_init
from pipeline.make import MakeWatcher, make
from pipeline.submission import request_from
from profiles.load import load_profile
from profiles.models import AudioRung, Profile, VideoRung
from telecine.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, numbered_clip, planned, released, samples_of

pytestmark = pytest.mark.media

ATMOS = Path(__file__).parents[3] / "shared" / "media" / "sample_eac3joc.mp4"
FRAME_S = Fraction(1536, 48_000)
BURST = "aevalsrc='if(between(t,2,2.5),0.5,0)*sin(900*t*2*PI)|0|0|0|0|0':c=5.1:s=48000"
NOISE = "aevalsrc='0.1*random(0)|0.1*random(1)|0|0|0|0':c=5.1:s=48000"
PICTURE = VideoRung(name="small", width=96, height=54, crf=20, max_bps=300_000, preset="ultrafast")


def a_profile(*audio, video=(PICTURE,)):
    return Profile(name="passing", summary="tests", gop_seconds=1, segment_gops=1, video=video, audio=audio)


def passing(passthrough, **changes):
    return AudioRung(
        **{"name": "own", "codec": "eac3", "channels": 6, "bitrate_bps": 384_000, "passthrough": passthrough} | changes
    )


def a_master(path, *, offset="0", seconds="6", sound=BURST):
    """Numbered pictures from 0 and a burst at 2 s of E-AC-3 that is laid ``offset`` seconds later."""
    sound = coded_sound(path.parent, seconds, sound)
    picture = numbered_clip(path.with_suffix(".picture.mkv"), output=("-an",))
    ffmpeg("-i", str(picture), "-itsoffset", offset, "-i", str(sound), "-c", "copy", str(path))
    return path


def coded_sound(folder, seconds="6", sound=BURST):
    path = folder / f"sound-{seconds}.eac3"
    ffmpeg("-f", "lavfi", "-i", f"{sound}:d={seconds}", "-c:a", "eac3", "-b:a", "384k", str(path))
    return path


def own_rendition(master, folder, profile, name="own"):
    plan, renditions, store = released(master, folder, profile, chunk_seconds=30)
    rendition = next(r for r in renditions.audio if r.name == name)
    path = folder / f"{name}.mp4"
    store.get_file(rendition.key, path)
    return plan, rendition, path


def coded_frames(path):
    lines = ffmpeg("-i", str(path), "-map", "0:a", "-c", "copy", "-f", "framemd5", "-").decode().splitlines()
    return [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")]


def burst_of(path):
    loud = [position / 48_000 for position, sample in enumerate(samples_of(path)) if abs(sample) > 500]
    return loud[0], loud[-1]


@pytest.mark.parametrize("offset", ["0", "0.511", "-0.3"])
@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_passed_sound_keeps_its_place_beside_the_picture_and_lasts_as_long(tmp_path, offset, container):
    master = a_master(tmp_path / f"film.{container}", offset=offset)
    _, rendition, path = own_rendition(master, tmp_path, a_profile(passing("only")))
    burst = burst_of(coded_sound(tmp_path))  # which the encoder's own delay has moved
    assert burst_of(path) == pytest.approx([edge + float(offset) for edge in burst], abs=0.001)
    assert 6 <= rendition.duration < 6 + FRAME_S


def test_every_frame_is_the_master_s_own_and_silence_fills_the_rest(tmp_path):
    master = a_master(tmp_path / "film.mkv", offset="0.5", seconds="4", sound=NOISE)
    _, _, path = own_rendition(master, tmp_path, a_profile(passing("only")))
    own, passed = coded_frames(master), coded_frames(path)
    assert [frame for frame in passed if frame in set(own)] == own
    filled = [place for place, frame in enumerate(passed) if frame not in set(own)]
    assert filled[:16] == list(range(16))  # 0.5 s ahead, from the middle of a frame
    assert len(passed) == -(-(6 + Fraction(-1, 2) % FRAME_S) // FRAME_S)
    ffmpeg("-xerror", "-err_detect", "explode", "-i", str(path), "-f", "null", "-")


def test_what_can_be_passed_is_passed_and_the_rest_is_encoded(tmp_path):
    master = a_master(tmp_path / "film.mp4")

    def codings(**changes):
        plan = planned(master, tmp_path, a_profile(passing("when_possible", **changes)), chunk_seconds=30)
        return [(output.rung.codec, output.rung.passthrough) for output in plan.jobs[0].outputs]

    assert codings() == [("eac3", "only")]
    assert codings(bitrate_bps=256_000) == [("eac3", "never")]
    assert codings(channels=2) == [("eac3", "never")]
    assert codings(codec="ac3") == [("ac3", "never")]


@pytest.mark.skipif(not ATMOS.is_file(), reason="the folder of masters is not here")
def test_atmos_beside_a_picture_comes_through_with_every_object(tmp_path):
    master = tmp_path / "atmos.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=24:d=2", "-i", str(ATMOS), "-map", "0:v", "-map", "1:a",
           "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "copy", str(master))  # fmt: skip
    netflix = load_profile("netflix")
    atmos = next(rung for rung in netflix.audio if rung.atmos)
    plan, rendition, path = own_rendition(master, tmp_path, a_profile(atmos, netflix.audio[0]), "atmos")
    assert plan.probe.audio[0].atmos
    assert (rendition.atmos, rendition.codec, rendition.channels) == (True, "ec-3", 6)
    found = MediaInfo.parse(path).audio_tracks[0]
    assert (found.format_additionalfeatures, found.complexity_index) == ("JOC", "16")
    assert coded_frames(path) == coded_frames(ATMOS)[: len(coded_frames(path))]
    assert [output.rung.name for output in plan.jobs[0].outputs] == ["atmos", "stereo"]


def test_a_master_without_objects_has_no_atmos_rendition(tmp_path):
    master = a_master(tmp_path / "film.mp4")
    asked = a_profile(
        passing("only", name="atmos", atmos=True), AudioRung(name="stereo", channels=2, bitrate_bps=96_000)
    )
    plan = planned(master, tmp_path, asked, chunk_seconds=30)
    assert [output.rung.name for output in plan.jobs[0].outputs] == ["stereo"]
    assert [rung.name for rung in plan.ladder.audio] == ["stereo"]


@pytest.mark.parametrize("offset", ["0.511", "-0.3"])
def test_the_package_keeps_sound_and_picture_in_step(tmp_path, offset):
    """The proof of the package compares all samples and times; what is left is the edit list of the first frame."""
    master = a_master(tmp_path / "film.mkv", offset=offset)
    (tmp_path / "passing.yaml").write_text(
        "{name: passing, summary: tests, video: [{name: small, width: 96, height: 54, crf: 20, max_bps: 300000}],"
        " audio: [{name: own, codec: eac3, channels: 6, bitrate_bps: 384000, passthrough: only}]}"
    )
    request = request_from({"master_uri": str(master), "profile": "passing"})
    settings = Settings(data_dir=tmp_path / "data", catalogue_dir=tmp_path)
    report = make(request, tmp_path / "out", settings, MakeWatcher(lambda _: None, lambda _: None))
    assert [proof.name for proof in report.verified.renditions] == ["small", "own"]
    init = read_init((tmp_path / "out" / "package" / "audio" / "own" / "init.mp4").read_bytes())
    assert Fraction(init.edit_start, init.timescale) == pytest.approx(-Fraction(offset) % FRAME_S, abs=0.0006)
