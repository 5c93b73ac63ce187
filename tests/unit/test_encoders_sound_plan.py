"""Which track of a master each rung is made of."""

import pytest

from encoders.documents import AudioJob
from encoders.plan import plan_encode
from profiles.load import load_profile
from profiles.models import AudioRung, Profile
from profiles.select import can_pass, choose_ladder
from telecine.errors import SourceRejected
from telecine.media import AudioTrack, Master, Probe

STEREO = AudioRung(name="stereo", channels=2, bitrate_bps=128_000)
SURROUND = AudioRung(name="surround", channels=6, bitrate_bps=384_000, min_source_channels=6)
ATMOS = AudioRung(name="atmos", codec="eac3", channels=6, bitrate_bps=768_000, passthrough="only", atmos=True)


def a_track(index, **changes):
    told = {
        "index": index, "codec": "aac", "channels": 2, "layout": "stereo", "sample_rate_hz": 48_000,
        "language": "eng", "start": 0, "duration": 60,
    }  # fmt: skip
    return AudioTrack(**told | changes)


def planned(*tracks, rungs=(STEREO, SURROUND, ATMOS)):
    master = Master(uri="file:///a.mka", size_bytes=9, sha256="ab" * 32)
    probe = Probe(master=master, container="matroska", duration=60, audio=tracks)
    profile = Profile(name="sound", summary="tests", video=(), audio=rungs)
    return plan_encode(probe, choose_ladder(profile, probe), chunk_seconds=30, threads=1, toolchain="t")


def made_of(*tracks, **asked):
    jobs = planned(*tracks, **asked).jobs
    return {output.rung.name: job.track.index for job in jobs if isinstance(job, AudioJob) for output in job.outputs}


def test_a_stereo_and_a_surround_track_of_one_language_complete_each_other():
    assert made_of(a_track(0), a_track(1, channels=6, layout="5.1")) == {"stereo": 0, "surround": 1}


def test_an_atmos_track_beside_others_gives_the_atmos_rendition():
    atmos = a_track(2, codec="eac3", channels=6, layout="5.1(side)", atmos=True)
    assert made_of(a_track(0), a_track(1, channels=6, layout="5.1"), atmos) == {"stereo": 0, "surround": 1, "atmos": 2}
    assert made_of(atmos) == {"stereo": 2, "surround": 2, "atmos": 2}


def test_a_commentary_first_in_the_file_is_not_taken_for_the_programme():
    assert made_of(a_track(0, role="commentary"), a_track(1)) == {"stereo": 1, "stereo-eng-commentary": 0}


def test_empty_tracks_are_left_out_where_others_hold_sound():
    assert made_of(a_track(0, duration=0), a_track(1)) == {"stereo": 1}


def test_what_is_only_told_of_a_track_makes_no_sound_new():
    def digest(**changes):
        return planned(a_track(0, **changes)).jobs[0].outputs[0].digest

    assert digest() == digest(title="English", language="fra", role="commentary")
    assert digest() != digest(layout="downmix")


def test_sound_alone_is_planned_on_its_own_clock_without_frames_or_chunks():
    plan = planned(a_track(0, start="7/2", duration=90))
    assert (plan.total_frames, plan.chunks) == (0, ())
    assert [(job.start, job.duration) for job in plan.jobs] == [(3.5, 90)]
    assert plan.ladder.segment_frames / plan.frame_rate.fraction == 6


def test_a_master_that_no_rung_is_made_of_is_refused():
    with pytest.raises(SourceRejected, match="no sound track from which a rung of profile 'sound' is made"):
        planned(a_track(0), rungs=(SURROUND,))


@pytest.mark.parametrize(
    ("rung", "track", "passed"),
    [
        (ATMOS, {"codec": "eac3", "atmos": True}, True),
        (ATMOS, {"codec": "eac3"}, False),
        (ATMOS, {"codec": "eac3", "atmos": True, "sample_rate_hz": 44_100}, False),
        (ATMOS.model_copy(update={"atmos": False}), {"codec": "ac3"}, False),
        (STEREO, {"codec": "aac", "bit_rate_bps": 96_000}, False),
    ],
)
def test_what_is_passed_through_is_of_the_rung_s_own_kind(rung, track, passed):
    assert can_pass(rung, a_track(0, **track)) is passed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"codec": "aac", "passthrough": "only"}, "only ac3 and eac3 are passed through"),
        ({"codec": "eac3", "passthrough": "only", "loudness_lufs": -24}, "keeps its loudness"),
        ({"codec": "eac3", "atmos": True}, "Atmos cannot be encoded here"),
    ],
)
def test_rungs_that_ask_for_the_impossible_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        AudioRung(name="rung", channels=6, bitrate_bps=1, **changes)


def test_the_netflix_profile_has_an_atmos_rung_for_masters_with_objects_alone():
    netflix = load_profile("netflix")
    assert [rung.name for rung in netflix.audio if rung.atmos] == ["atmos"]
