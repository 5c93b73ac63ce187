from fractions import Fraction

import pytest

from encoders.documents import AudioJob, AudioOutput, Chunk
from encoders.features import FEATURES_LENGTH, cost_of, megapixels, reading_s
from profiles.models import AudioRung
from telecine.media import AudioTrack
from tests.unit.forecast_jobs import MASTER, rung, video


def test_features_name_what_costs_and_not_where_a_chunk_lies():
    job = video()
    later = job.model_copy(update={"digest": "e", "chunk": Chunk(index=7, start=700, end=800)})
    assert cost_of(later) == cost_of(job)
    assert cost_of(job).features == "video/cpu/x264-slow/sdr/640x360/from-1920x1080/25fps"
    assert cost_of(job).units == 100


@pytest.mark.parametrize(
    "other",
    [
        video(rung(preset="fast")),
        video(rung(codec="x265")),
        video(rung(width=320, height=180)),
        video(transfer="smpte2084"),
        video(rate=50),
        video(width=3840, height=2160),
        video(rung(), rung(name="b", width=320, height=180)),
    ],
)
def test_what_changes_the_cost_changes_the_features(other):
    assert cost_of(other).features != cost_of(video()).features


def test_slower_presets_later_codecs_and_more_pixels_are_reckoned_to_cost_more():
    fast, slow = (cost_of(video(rung(preset=preset))).nominal_s for preset in ("fast", "slow"))
    x265, hdr = cost_of(video(rung(codec="x265"))).nominal_s, cost_of(video(transfer="smpte2084")).nominal_s
    longer = cost_of(video(frames=1000)).nominal_s
    assert fast < slow < hdr
    assert slow < x265
    assert 5 * slow < longer < 10 * slow


def test_features_of_very_many_rungs_still_fit_their_column():
    many = [rung(name=f"r{n}", width=640 + 2 * n, height=360 + 2 * n) for n in range(40)]
    features = {cost_of(video(*some)).features for some in (many, many[:-1])}
    assert len(features) == 2
    assert all(len(one) <= FEATURES_LENGTH for one in features)


def test_sound_is_counted_in_seconds():
    track = AudioTrack(
        index=1, codec="pcm", channels=2, layout="stereo", sample_rate_hz=48_000, start=0, duration=Fraction(90)
    )
    output = AudioOutput(rung=AudioRung(name="s", codec="aac", channels=2, bitrate_bps=128_000), digest="", key="")
    job = AudioJob(digest="d", master=MASTER, track=track, start=0, duration=Fraction(90), outputs=(output,))
    cost = cost_of(job)
    assert (cost.features, cost.units, megapixels(job)) == ("audio/cpu/aac-2", 90, 0)


def test_a_master_of_more_bits_costs_more_to_decode_and_arithmetic_coding_most():
    job = video()
    heavy = job.model_copy(update={"master": MASTER.model_copy(update={"size_bytes": 250_000_000})})
    arithmetic = heavy.model_copy(update={"track": job.track.model_copy(update={"codec": "h264"})})
    assert cost_of(job).nominal_s < cost_of(heavy).nominal_s < cost_of(arithmetic).nominal_s
    assert reading_s(250_000_000, "h264") == pytest.approx(16, rel=0.01)


def test_a_chunk_decodes_its_share_of_the_bits():
    def job(frames):
        made = video(frames=frames)
        return made.model_copy(update={"master": MASTER.model_copy(update={"size_bytes": 10**9})})

    half, whole = (cost_of(job(frames)).nominal_s for frames in (50, 99))
    assert half < 0.6 * whole
