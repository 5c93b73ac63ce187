"""Which frames quality is measured on."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.sampling import choose_sampling

RATE = Fraction(24)


def test_every_frame_of_a_few_seconds_is_measured():
    assert choose_sampling(7, 240, RATE, 0).windows == ((7, 247),)
    assert choose_sampling(7, 240, RATE, 0).frames == 240


def test_about_three_hundred_frames_of_some_minutes_are_measured_in_one_go():
    found = choose_sampling(0, 2_400, RATE, 0)
    assert (found.windows, found.every, found.frames) == (((0, 2_400),), 8, 300)


def test_a_long_title_is_looked_at_through_windows_that_cost_the_same_however_long_it_is():
    for hours in (1, 3):
        found = choose_sampling(100, hours * 3600 * 24, RATE, 0)
        assert found.frames == 320
        assert sum(end - start for start, end in found.windows) == 360
        assert found.windows[0][0] == 100
        assert found.windows[-1][1] == 100 + hours * 3600 * 24
        assert all(before[1] < after[0] for before, after in pairwise(found.windows))


@settings(deadline=None, max_examples=50)
@given(first=st.integers(0, 500), total=st.integers(1, 30_000), subsample=st.integers(1, 8))
def test_an_asked_stride_takes_the_same_frames_however_the_title_is_cut_into_pieces(first, total, subsample):
    found = choose_sampling(first, total, RATE, subsample)
    taken = [frame for start, end in found.windows for frame in range(start, end, subsample)]
    assert taken == list(range(first, first + total, subsample))
    assert found.frames == len(taken)
    assert all(end - start <= 3600 * subsample for start, end in found.windows)
