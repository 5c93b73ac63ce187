"""Several sound tracks of one master: each by its language, at the loudness the profile asks for, in step."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from profiles.models import AudioRung, Profile, VideoRung
from telecine.tools import tool_path

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, numbered_clip, released, samples_of

pytestmark = pytest.mark.media

TARGET_LUFS, TRUE_PEAK_DBTP = -20.0, -3.0
LOUD = (
    "aevalsrc='0.9*sin(1000*t*2*PI)|0.9*sin(500*t*2*PI)|0.4*sin(700*t*2*PI)|0|0.3*sin(300*t*2*PI)|0.2*sin(400*t*2*PI)'"
)
QUIET = "aevalsrc='if(between(t,2,2.5),0.05,0.004)*sin(900*t*2*PI)'"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """English 5.1 far too loud, French mono far too quiet with a burst from 2 to 2.5 s, and a second French track."""
    folder = tmp_path_factory.mktemp("sound")
    sound = (
        *("-f", "lavfi", "-i", f"{LOUD}:c=5.1:s=48000:d=6"),
        *("-f", "lavfi", "-i", f"{QUIET}:s=48000:d=6", "-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo:d=6"),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-metadata:s:a:0", "language=eng"),
        *("-metadata:s:a:1", "language=fra", "-metadata:s:a:2", "language=fra", "-b:a", "384k"),
    )
    clip = numbered_clip(folder / "tracks.mkv", sound=sound)
    asked = {"bitrate_bps": 192_000, "loudness_lufs": TARGET_LUFS, "true_peak_dbtp": TRUE_PEAK_DBTP}
    profile = Profile(
        name="loud", summary="tests", gop_seconds=1, segment_gops=1,
        video=(VideoRung(name="small", width=96, height=54, crf=20, max_bps=300_000, preset="ultrafast"),),
        audio=(
            AudioRung(name="stereo", channels=2, **asked),
            AudioRung(name="surround", channels=6, min_source_channels=6, **asked),
        ),
    )  # fmt: skip
    _, renditions, store = released(clip, folder, profile, chunk_seconds=30)
    paths = {}
    for rendition in renditions.audio:
        paths[rendition.name] = folder / f"{rendition.name}.mp4"
        store.get_file(rendition.key, paths[rendition.name])
    return renditions, paths


def measured(path):
    """Integrated loudness and true peak by FFmpeg's EBU R 128 meter."""
    argv = [tool_path("ffmpeg"), "-nostdin", "-i", path, "-af", "ebur128=peak=true:framelog=quiet", "-f", "null", "-"]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stderr
    return float(re.findall(r"I: +(-?[\d.]+) LUFS", said)[-1]), float(re.findall(r"Peak: +(-?[\d.]+) dBFS", said)[-1])


def test_each_language_is_made_once_under_a_name_of_its_own(made):
    renditions, _ = made
    assert [(r.name, r.channels, r.language) for r in renditions.audio] == [
        ("stereo", 2, "eng"),
        ("surround", 6, "eng"),
        ("stereo-fra", 2, "fra"),
    ]


@pytest.mark.parametrize("name", ["stereo", "surround", "stereo-fra"])
def test_each_mix_has_the_loudness_and_peaks_of_the_profile(made, name):
    _, paths = made
    integrated, peak = measured(paths[name])
    assert integrated == pytest.approx(TARGET_LUFS, abs=0.5)
    assert peak <= TRUE_PEAK_DBTP + 0.5  # what AAC adds by itself


@pytest.mark.parametrize("name", ["stereo", "surround", "stereo-fra"])
def test_what_is_told_of_the_loudness_is_what_an_independent_measurement_finds(made, name):
    renditions, paths = made
    told = next(r for r in renditions.audio if r.name == name).loudness
    integrated, peak = measured(paths[name])
    assert told.after.integrated_lufs == pytest.approx(integrated, abs=0.15)
    assert told.after.true_peak_dbtp == pytest.approx(peak, abs=0.15)
    assert told.before.integrated_lufs + told.gain_db == pytest.approx(TARGET_LUFS, abs=0.05)
    assert told.gate == "programme"


def test_the_range_of_a_mix_with_quiet_and_loud_parts_is_told(tmp_path):
    parts = "aevalsrc='if(lt(mod(t,8),4),0.02,0.2)*sin(900*t*2*PI)':c=mono:s=48000:d=16"
    ffmpeg("-f", "lavfi", "-i", parts, str(tmp_path / "parts.wav"))
    rung = AudioRung(name="stereo", channels=2, bitrate_bps=128_000, loudness_lufs=TARGET_LUFS)
    profile = Profile(name="range", summary="tests", video=(), audio=(rung,))
    _, renditions, _ = released(tmp_path / "parts.wav", tmp_path, profile, chunk_seconds=30)
    told = renditions.audio[0].loudness
    assert told.before.range_lu == pytest.approx(20, abs=3)  # the parts are 20 dB apart
    assert told.after.range_lu == pytest.approx(told.before.range_lu, abs=1)


def test_a_mix_of_high_peaks_reaches_its_loudness_though_they_are_held(tmp_path):
    """Clicks far above the tone between them: one gain and a limiter alone would stay too quiet."""
    clicks = "aevalsrc='(0.05+0.6*lt(mod(t,0.5),0.004))*sin(900*t*2*PI)':c=mono:s=48000:d=6"
    ffmpeg("-f", "lavfi", "-i", clicks, str(tmp_path / "clicks.wav"))
    rung = AudioRung(name="stereo", channels=2, bitrate_bps=192_000, loudness_lufs=TARGET_LUFS, true_peak_dbtp=-6)
    profile = Profile(name="peaks", summary="tests", video=(), audio=(rung,))
    _, renditions, store = released(tmp_path / "clicks.wav", tmp_path, profile, chunk_seconds=30)
    store.get_file(renditions.audio[0].key, tmp_path / "made.mp4")
    told = renditions.audio[0].loudness
    integrated, peak = measured(tmp_path / "made.mp4")
    assert integrated == pytest.approx(TARGET_LUFS, abs=0.5)
    assert peak <= -6 + 0.5
    assert told.before.integrated_lufs + told.gain_db > TARGET_LUFS + 0.5


@pytest.mark.parametrize(("gate", "integrated"), [("programme", TARGET_LUFS), ("dialogue", None)])
def test_a_gate_on_dialogue_goes_by_the_dialnorm_of_the_master(tmp_path, gate, integrated):
    tone = "aevalsrc='0.1*sin(900*t*2*PI)':c=mono:s=48000:d=4"
    ffmpeg("-f", "lavfi", "-i", tone, "-c:a", "ac3", "-dialnorm", "-27", str(tmp_path / "told.ac3"))
    rung = AudioRung(name="stereo", channels=2, bitrate_bps=128_000, loudness_lufs=TARGET_LUFS, loudness_gate=gate)
    profile = Profile(name="gate", summary="tests", video=(), audio=(rung,))
    plan, renditions, _ = released(tmp_path / "told.ac3", tmp_path, profile, chunk_seconds=30)
    assert plan.jobs[0].track.dialnorm_lkfs == -27
    told = renditions.audio[0].loudness
    assert told.gate == gate
    assert told.after.integrated_lufs == pytest.approx(integrated or told.before.integrated_lufs + 7, abs=0.5)


def test_correction_moves_no_sound(made):
    samples = samples_of(made[1]["stereo-fra"])
    loud = [position / 48_000 for position, sample in enumerate(samples) if abs(sample) > 3_000]
    assert loud[0] == pytest.approx(2.0, abs=0.01)
    assert loud[-1] == pytest.approx(2.5, abs=0.01)
