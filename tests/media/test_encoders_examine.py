"""One pass over a master finds what is wrong with it, at the times it happens."""

import sys
from pathlib import Path

import pytest

from encoders.examine import examine
from encoders.probe import inspect_master
from encoders.source import register_master
from encoders.work import encode
from profiles.models import Profile, VideoRung
from profiles.source_checks import SourceChecks, UndecodableCheck
from telecine.errors import EncodeFailed, SourceRejected
from telecine.findings import Severity
from telecine.storage.local import LocalStore

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, numbered_clip, planned

pytestmark = pytest.mark.media


def report(path, tmp_path, checks=None):
    probe = inspect_master(register_master(str(path), tmp_path / "work"), path)
    return examine(probe, path, checks or SourceChecks(), tmp_path / "work")


def spans(found, kind):
    return [(float(f.start), float(f.end)) for f in found.findings if f.kind == kind]


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """Black to 3 s, motion to 6 s, still to 11 s, black to the end at 14 s; sound clips from 4 to 8 s, else silent."""
    path = tmp_path_factory.mktemp("troubled") / "troubled.mkv"
    picture = "testsrc2=s=160x90:r=24:d=3,tpad=stop_mode=clone:stop_duration=5"
    picture += ",tpad=start_duration=3:color=black:stop_duration=3"
    sound = "aevalsrc='if(between(t,4,8),clip(1.8*sin(2*PI*440*t),-1,1),0)':s=48000:d=14"
    ffmpeg(
        *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-preset", "veryfast", "-crf", "10"),
        *("-output_ts_offset", "1", "-c:a", "pcm_s16le", str(path)),
    )
    return path


def test_black_freeze_silence_and_clipping_are_told_on_the_masters_own_clock(troubled, tmp_path):
    found = report(troubled, tmp_path)
    frame = 1 / 20
    assert spans(found, "black") == [pytest.approx((1, 4), abs=frame), pytest.approx((12, 15), abs=frame)]
    assert spans(found, "freeze") == [pytest.approx((6.96, 12), abs=frame)], "a freeze that is black is told as black"
    assert spans(found, "silence") == [pytest.approx((9, 15), abs=frame)], "four seconds are no finding by default"
    assert spans(found, "clipping") == [pytest.approx((5, 9), abs=1)]
    assert (found.pictures, found.undecodable) == (336, 0)
    assert [finding.start for finding in found.findings if finding.start] == sorted(
        finding.start for finding in found.findings if finding.start
    )


def test_without_pictures_that_none_refers_to_times_are_a_few_pictures_off(troubled, tmp_path):
    probe = inspect_master(register_master(str(troubled), tmp_path / "work"), troubled)
    found = examine(probe, troubled, SourceChecks(), tmp_path / "work", every_picture=False)
    assert not found.every_picture
    assert spans(found, "black") == [pytest.approx((1, 4), abs=0.2), pytest.approx((12, 15), abs=0.2)]
    assert spans(found, "freeze") == [pytest.approx((6.96, 12), abs=0.2)]
    assert (found.undecodable, found.rejections) == (0, ())


def test_severities_and_lengths_are_the_profiles(troubled, tmp_path):
    checks = SourceChecks.model_validate(
        {
            "black": {"severity": "reject", "minimum_s": 3.5},
            "silence": {"severity": "ask", "minimum_s": 1, "level_db": -60},
            "freeze": {"severity": "reject", "minimum_s": 5, "level_db": -50},
        }
    )
    found = report(troubled, tmp_path, checks)
    assert spans(found, "black") == []
    assert len(spans(found, "silence")) == 2
    assert len(found.rejections) == 1
    assert found.rejections[0].startswith("The picture stands still from 0:06.9")


def test_a_sound_master_has_no_finding_and_its_loudness_is_measured(tmp_path):
    picture = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=24:d=6")
    tone = ("-f", "lavfi", "-i", "sine=f=1000:d=6:r=48000,volume=-5dB,pan=stereo|c0=c0|c1=c0")
    ffmpeg(*picture, *tone, "-preset", "ultrafast", "-c:a", "pcm_s16le", str(tmp_path / "a.mov"))
    found = report(tmp_path / "a.mov", tmp_path)
    assert found.findings == ()
    # 1/8 of full scale less 5 dB; a sine's mean is 3.01 dB below its peak, and two equal channels add 3.01
    assert found.loudness[0].integrated_lufs == pytest.approx(-23.06, abs=0.2)
    assert found.loudness[0].sample_peak_dbfs == pytest.approx(-23.06, abs=0.2)


def test_one_clipped_channel_of_six_is_found(tmp_path):
    channels = "|".join(["0.1*sin(2*PI*300*t)"] * 4 + ["clip(1.5*sin(2*PI*440*t),-1,1)", "0.1*sin(2*PI*200*t)"])
    sound = ("-f", "lavfi", "-i", f"aevalsrc=exprs='{channels}':c=5.1:s=48000:d=4")
    picture = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=24:d=4")
    ffmpeg(*picture, *sound, "-preset", "ultrafast", "-c:a", "pcm_s16le", str(tmp_path / "a.mkv"))
    assert spans(report(tmp_path / "a.mkv", tmp_path), "clipping") == [pytest.approx((0, 4), abs=0.05)]


def test_missing_pictures_are_counted_where_they_are_missing(tmp_path):
    source = numbered_clip(
        tmp_path / "a.mkv",
        seconds="8",
        select="select='not(between(n,60,62)+eq(n,120))'",
        output=("-fps_mode", "passthrough"),
    )
    dropped = [finding for finding in report(source, tmp_path).findings if finding.kind == "dropped_frames"]
    assert [(finding.value, finding.unit) for finding in dropped] == [(4, "pictures")]
    assert float(dropped[0].start) == pytest.approx(59 / 24, abs=0.002)
    assert "4 pictures are missing in 2 places" in dropped[0].sentence


def test_a_rate_that_really_varies_drops_nothing(tmp_path):
    source = numbered_clip(
        tmp_path / "a.mkv", seconds="8", select="select='lt(n,96)+not(mod(n,2))'", output=("-fps_mode", "passthrough")
    )
    assert not [finding for finding in report(source, tmp_path).findings if finding.kind == "dropped_frames"]


def test_sound_that_starts_late_or_ends_early_is_told(tmp_path):
    sound = ("-itsoffset", "0.5", "-f", "lavfi", "-i", "sine=d=3:r=48000")
    found = report(numbered_clip(tmp_path / "a.mkv", seconds="6", sound=sound), tmp_path)
    told = {finding.kind: finding for finding in found.findings}
    assert told["late_start"].value == pytest.approx(0.5, abs=0.03)
    assert told["duration_mismatch"].value == pytest.approx(-2.5, abs=0.05)
    assert "ends 2.5 s earlier than the picture: silence fills the rest" in told["duration_mismatch"].sentence


@pytest.fixture(scope="module")
def scratched(tmp_path_factory):
    """24 s with a damaged place in the middle, where inspection does not look."""
    path = tmp_path_factory.mktemp("scratched") / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=24:d=24", "-g", "24", "-preset", "veryfast", str(path))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    for at in range(middle, middle + 4000, 40):
        content[at] ^= 0xFF
    path.write_bytes(content)
    return path


def test_pictures_that_do_not_decode_are_counted_and_end_the_title(scratched, tmp_path):
    found = report(scratched, tmp_path)
    assert 1 <= found.undecodable <= 48
    assert found.pictures == 576
    assert len(found.rejections) == 1
    assert f"{found.undecodable} of 576 pictures could not be decoded whole" in found.rejections[0]


def test_a_profile_may_bear_a_few_of_them(scratched, tmp_path):
    bearing = SourceChecks(decode_errors=UndecodableCheck(most_share=0.1))
    found = report(scratched, tmp_path, bearing)
    assert found.rejections == ()
    assert [f.severity for f in found.findings if f.kind == "decode_errors"] == [Severity.WARNING]
    rung = VideoRung(name="small", width=160, height=90, crf=30, max_bps=1_000_000, preset="ultrafast")
    asked = {"name": "small", "summary": "tests", "video": (rung,), "audio": ()}
    store = LocalStore(tmp_path / "store")
    job = planned(scratched, tmp_path, Profile(**asked, source_checks=bearing), chunk_seconds=24).jobs[0]
    assert encode(job, scratched, store, tmp_path / "work").outputs[0].frames == 576
    strict = job.model_copy(update={"damage_allowed": False})
    with pytest.raises(SourceRejected, match="damaged inside"):
        encode(strict, scratched, LocalStore(tmp_path / "other"), tmp_path / "work")
    with pytest.raises(SourceRejected, match="is damaged"):
        planned(scratched, tmp_path, Profile(**asked), chunk_seconds=24)


def test_an_exception_of_the_watcher_ends_the_pass(troubled, tmp_path):
    probe = inspect_master(register_master(str(troubled), tmp_path / "work"), troubled)

    def stop(_):
        message = "stopped"
        raise EncodeFailed(message)

    with pytest.raises(EncodeFailed, match="stopped"):
        examine(probe, troubled, SourceChecks(), tmp_path / "work", stop)
    assert not list((tmp_path / "work").glob("encode-*"))
