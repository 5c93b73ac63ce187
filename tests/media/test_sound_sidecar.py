"""Sound mapped by a sidecar: mono tracks and files put together, in step, and only what it names."""

import sys
from pathlib import Path

import pytest
import yaml

from encoders.documents import AudioJob
from encoders.plan import plan_encode
from encoders.probe import inspect_master
from encoders.sidecar import apply_sidecar, register_sidecar
from encoders.source import register_master
from encoders.work import encode, found_output
from profiles.models import AudioRung, Profile, VideoRung
from profiles.select import choose_ladder
from telecine.errors import SourceRejected
from telecine.storage.local import LocalStore

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, numbered_clip

pytestmark = pytest.mark.media

BURSTS_S = {"L": 0.5, "R": 1.0, "C": 1.5, "LFE": 2.0, "Ls": 2.5, "Rs": 3.0}
"""When each channel sounds, for a quarter of a second."""

PROFILE = Profile(
    name="mapped", summary="tests", gop_seconds=1, segment_gops=1,
    video=(VideoRung(name="small", width=96, height=54, crf=20, max_bps=300_000, preset="ultrafast"),),
    audio=(
        AudioRung(name="surround", channels=6, bitrate_bps=384_000, min_source_channels=6),
        AudioRung(name="stereo", channels=2, bitrate_bps=192_000),
    ),
)  # fmt: skip
CHANNELS = {
    "L": {"track": 1}, "R": {"track": 2}, "C": {"file": "mix_C.wav"}, "LFE": {"track": 3},
    "Ls": {"file": "sides.wav", "channel": 0}, "Rs": {"file": "sides.wav", "channel": 1},
}  # fmt: skip


def burst(at, seconds=4):
    hertz = 60 if at == BURSTS_S["LFE"] else 900
    return f"if(between(t,{at},{at}+0.25),0.5,0)*sin({hertz}*t*2*PI)", seconds


def wav(path, *moments, seconds=4):
    tones = "|".join(burst(at)[0] for at in moments)
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc='{tones}':s=48000:d={seconds}", "-c:a", "pcm_s16le", str(path))


@pytest.fixture
def folder(tmp_path):
    """A film with L, R and LFE as mono tracks, files for the rest, and a French mix beside it."""
    (tmp_path / "film").mkdir()
    film = tmp_path / "film" / "film.mov"
    sound = []
    for name in ("L", "R", "LFE"):
        sound += ["-f", "lavfi", "-i", f"aevalsrc='{burst(BURSTS_S[name])[0]}':s=48000:d=4"]
    maps = [word for number in range(4) for word in ("-map", str(number))]
    numbered_clip(film, seconds="4", sound=(*sound, *maps), output=("-c:a", "pcm_s16le"))
    wav(tmp_path / "film" / "mix_C.wav", BURSTS_S["C"])
    wav(tmp_path / "film" / "sides.wav", BURSTS_S["Ls"], BURSTS_S["Rs"])
    wav(tmp_path / "film" / "film.fr.wav", 1.0, 1.0)
    return tmp_path / "film"


def a_sidecar(folder, *tracks):
    (folder / "film.audio.yaml").write_text(yaml.safe_dump({"tracks": tracks}))


def surround(**changes):
    return {"language": "en", "layout": "5.1", "channels": CHANNELS | changes}


def planned(folder, sound=None):
    work = folder.parent / "work"
    master = register_sidecar(register_master(str(folder / "film.mov"), work), sound, work)
    probe = apply_sidecar(inspect_master(master, folder / "film.mov"))
    return plan_encode(probe, choose_ladder(PROFILE, probe), chunk_seconds=30, threads=1, toolchain="t")


def encoded(folder, plan):
    store, found = LocalStore(folder.parent / "store"), {}
    for job in plan.jobs:
        if isinstance(job, AudioJob):
            encode(job, folder / "film.mov", store, folder.parent / "work")
            for output in job.outputs:
                found[output.rung.name] = folder.parent / f"{output.rung.name}.mp4"
                store.get_file(found_output(output, store).key, found[output.rung.name])
    return found


def bursts(path, channels):
    """When each channel is loud: start and end in seconds."""
    raw = memoryview(ffmpeg("-i", str(path), "-f", "s16le", "-")).cast("h")
    found = []
    for channel in range(channels):
        loud = [place for place, sample in enumerate(raw[channel::channels]) if abs(sample) > 2_000]
        found.append((loud[0] / 48_000, loud[-1] / 48_000))
    return found


def test_every_channel_comes_from_where_the_sidecar_says_and_keeps_its_time(folder):
    a_sidecar(folder, surround())
    plan = planned(folder)
    made = encoded(folder, plan)
    starts = [start for start, _ in bursts(made["surround"], 6)]
    assert starts == pytest.approx(list(BURSTS_S.values()), abs=0.01)
    assert [(r.rung.name) for r in plan.jobs[0].outputs] == ["surround", "stereo"]
    assert plan.jobs[0].track.language == "en"


@pytest.mark.parametrize("offset_ms", [0, 40, -250])
def test_a_file_is_laid_as_much_later_as_the_sidecar_says(folder, offset_ms):
    a_sidecar(folder, surround(), {"language": "fr", "file": "film.fr.wav", "offset_ms": offset_ms})
    made = encoded(folder, planned(folder))
    assert set(made) == {"surround", "stereo", "stereo-fr"}
    assert bursts(made["stereo-fr"], 2)[0] == pytest.approx((1 + offset_ms / 1000, 1.25 + offset_ms / 1000), abs=0.01)


def test_mono_tracks_are_taken_on_a_clock_that_does_not_start_at_zero(folder):
    late = folder / "late.mov"
    ffmpeg("-i", str(folder / "film.mov"), "-map", "0", "-c", "copy", "-output_ts_offset", "7", str(late))
    late.replace(folder / "film.mov")
    a_sidecar(folder, surround(**{name: {"track": 1} for name in ("C", "Ls", "Rs")}))
    made = encoded(folder, planned(folder))
    assert bursts(made["surround"], 6)[1][0] == pytest.approx(BURSTS_S["R"], abs=0.01)


def test_a_changed_file_makes_its_own_sound_new_and_nothing_else(folder):
    a_sidecar(folder, surround(), {"language": "fr", "file": "film.fr.wav"})
    before = planned(folder)
    wav(folder / "film.fr.wav", 1.5, 1.5)
    after = planned(folder)
    changed = [old.digest != new.digest for old, new in zip(before.jobs, after.jobs, strict=True)]
    assert changed == [False, True, False]
    assert before.master.identity != after.master.identity
    assert before.master.sha256 == after.master.sha256


def test_a_file_that_changes_after_it_was_registered_is_not_encoded(folder):
    a_sidecar(folder, surround())
    plan = planned(folder)
    wav(folder / "mix_C.wav", 1.5, seconds=3)
    with pytest.raises(SourceRejected, match="changed since it was registered"):
        encoded(folder, plan)


def test_a_sidecar_elsewhere_is_named_and_its_files_are_found_beside_the_master(folder):
    elsewhere = folder / "sound.yaml"
    elsewhere.write_text(yaml.safe_dump({"tracks": [{"language": "fr", "file": "film.fr.wav"}]}))
    assert [job.track.language for job in planned(folder, str(elsewhere)).jobs[:1]] == ["fr"]
    with pytest.raises(SourceRejected, match=r"sidecar .*none\.yaml does not exist"):
        planned(folder, str(folder / "none.yaml"))


@pytest.mark.parametrize(
    ("track", "said"),
    [
        (surround(C={"file": "none.wav"}), r"names none\.wav, which is not in the folder"),
        (surround(C={"file": "../outside.wav"}), r"names \.\./outside\.wav, which is outside the master's folder"),
        (surround(C={"file": "link.wav"}), "which is outside the master's folder"),
        (surround(C={"file": "/etc/passwd"}), "which is outside the master's folder"),
        (surround(C={"file": "https://example.org/c.wav"}), "from the folder of a local master only"),
        (surround(C={"track": 9}), "asks for sound track 9, but the master has 3"),
        (surround(C={"file": "sides.wav", "channel": 2}), r"channel 2 of sides\.wav, which has 2, counted from 0"),
        (surround(C={"file": "short.wav"}), r"different lengths: .* lasts 4\.000 s, short\.wav 3\.000 s"),
        (surround(C={"file": "film.audio.yaml"}), "is not a media file"),
        (surround(C={}), "give either 'track' or 'file'"),
        ({"layout": "5.1", "channels": {"L": {"track": 1}}}, "layout 5.1 has the channels L, R, C, LFE, Ls, Rs, not L"),
        ({"channels": {"L": {"track": 1}}}, "channels need a 'layout'"),
        ({"language": "fr"}, "give one of 'track', 'file' and 'channels'"),
        ({"language": "fr", "file": "film.fr.wav", "layout": "5.1"}, "which has 2 channels, but layout 5.1 has 6"),
        ({"language": "french", "track": 1}, r"tracks\.0\.language"),
        ({"language": "fr", "trak": 1}, r"tracks\.0\.trak"),
    ],
)
def test_every_mistake_is_one_sentence(folder, track, said):
    wav(folder / "short.wav", 1.5, seconds=3)
    wav(folder.parent / "outside.wav", 1.5)
    (folder / "link.wav").symlink_to(folder.parent / "outside.wav")
    a_sidecar(folder, track)
    with pytest.raises(SourceRejected, match=said) as refused:
        planned(folder)
    assert len(refused.value.reasons) == 1


def test_a_sidecar_that_is_no_yaml_is_refused(folder):
    (folder / "film.audio.yaml").write_text("tracks: [")
    with pytest.raises(SourceRejected, match=r"film\.audio\.yaml is not valid YAML"):
        planned(folder)


def labelled(path, labels):
    inputs, labelling = [], []
    for number, label in enumerate(labels):
        inputs += ["-f", "lavfi", "-i", f"aevalsrc='{burst(0.5 * (number + 1))[0]}':s=48000:d=4"]
        labelling += ["-map", f"{number + 1}:a", *([f"-filter:a:{number}", f"channelmap=0-{label}"] if label else [])]
    numbered_clip(path, seconds="4", sound=(*inputs, "-map", "0:v", *labelling), output=("-c:a", "pcm_s16le"))


def test_six_mono_tracks_that_say_their_channels_are_one_surround_track(tmp_path):
    (tmp_path / "film").mkdir()
    labelled(tmp_path / "film" / "film.mov", ["FR", "FL", "FC", "LFE", "SL", "SR"])
    made = encoded(tmp_path / "film", planned(tmp_path / "film"))
    assert [start for start, _ in bursts(made["surround"], 6)][:3] == pytest.approx([1.0, 0.5, 1.5], abs=0.01)


def test_six_mono_tracks_that_do_not_say_it_are_left_alone_and_a_sidecar_is_suggested(tmp_path, capsys):
    (tmp_path / "film").mkdir()
    labelled(tmp_path / "film" / "film.mov", [""] * 6)
    plan = planned(tmp_path / "film")
    assert [output.rung.name for output in plan.jobs[0].outputs] == ["stereo"]
    assert "film.audio.yaml" in capsys.readouterr().out
