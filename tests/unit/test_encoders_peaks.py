"""No delivery segment may pass its rung's cap."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.documents import ShotCrf, VideoOutput
from encoders.peaks import heaviest_load, lighter, told
from profiles.models import VideoCodec, VideoRung


def a_rung(codec=VideoCodec.X264, **changed):
    return VideoRung(name="r", codec=codec, width=2, height=2, crf=30, max_bps=1_000_000, **changed)


def test_the_load_is_that_of_the_heaviest_segment():
    sizes = [100] * 10 + [300] * 10 + [200] * 10
    assert heaviest_load(sizes, 10, Fraction(10), 24_000) == 1
    assert heaviest_load(sizes, 10, Fraction(10), 12_000) == 2


def test_a_short_last_segment_counts_with_the_one_before_it():
    assert heaviest_load([100] * 10 + [1000], 10, Fraction(10), 8_000) == Fraction(20, 11)
    assert heaviest_load([100] * 10 + [1000] * 5, 10, Fraction(10), 8_000) == 10


def test_a_programme_shorter_than_half_a_segment_counts_as_half_of_one():
    assert heaviest_load([1000], 10, Fraction(10), 8_000) == 2


def test_an_encoder_is_told_less_than_the_cap_and_the_less_the_shorter_the_segment():
    six, two = (told(a_rung(), Fraction(seconds)).max_bps for seconds in (6, 2))
    assert (six, two) == (923_076, 800_000)


@settings(deadline=None, max_examples=50)
@given(load=st.fractions(min_value=Fraction(101, 100), max_value=4))
def test_another_try_is_lighter_and_a_soft_cap_is_met_by_the_crf_too(load):
    for codec in VideoCodec:
        shot = ShotCrf(start=0, end=9, crf=40)
        output = VideoOutput(rung=a_rung(codec, preset="5"), digest="0" * 64, key="k", shots=(shot,))
        changed = lighter(output, load)
        again = changed.rung
        assert again.max_bps * load <= Fraction(99, 100) * 1_000_000
        assert (again.crf > 30) == (codec in {VideoCodec.VP9, VideoCodec.SVT_AV1})
        assert again.crf <= 63
        assert changed.shots[0].crf == min(63, 40 + again.crf - 30)
