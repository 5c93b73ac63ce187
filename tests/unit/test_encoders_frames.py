"""Coded frames laid on a programme."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from encoders.frames import lay_frames

FRAME = Fraction(32, 1000)
MILLISECONDS = st.integers(-5_000, 5_000).map(lambda ms: Fraction(ms, 1000))


def rising(first, count, frame=FRAME):
    return [first + number * frame for number in range(count)]


def test_frames_that_fit_are_kept_as_they_are():
    laid = lay_frames(rising(Fraction(10), 100), FRAME, Fraction(10), 100 * FRAME)
    assert (laid.lead, laid.slots) == (0, tuple(range(100)))


def test_an_early_start_is_cut_at_a_frame_and_the_rest_is_the_edit_list_s():
    laid = lay_frames(rising(Fraction(-1, 10), 100), FRAME, Fraction(0), Fraction(1))
    assert laid.lead == Fraction(1, 10) - 3 * FRAME
    assert laid.slots == tuple(range(3, 35))


def test_a_late_start_a_gap_and_an_early_end_are_silence():
    times = [time for number, time in enumerate(rising(Fraction(1, 10), 20)) if number not in {4, 5}]
    slots = lay_frames(times, FRAME, Fraction(0), Fraction(1)).slots
    assert slots[:4] == (None, None, None, None)
    assert slots[4:10] == (0, 1, 2, 3, None, None)
    assert slots[-1] is None


def test_of_two_frames_at_one_place_the_first_stays():
    times = [Fraction(0), FRAME, FRAME + Fraction(1, 1000), 2 * FRAME]
    assert lay_frames(times, FRAME, Fraction(0), 3 * FRAME).slots == (0, 1, 3)


@given(first=MILLISECONDS, start=MILLISECONDS, count=st.integers(1, 400), length=st.integers(1, 9_000))
def test_every_frame_stays_where_it_was_and_the_programme_is_covered(first, start, count, length):
    duration = Fraction(length, 1000)
    times = rising(first, count)
    laid = lay_frames(times, FRAME, start, duration)
    assert 0 <= laid.lead < FRAME
    assert duration <= len(laid.slots) * FRAME - laid.lead < duration + FRAME
    for place, number in enumerate(laid.slots):
        at = start - laid.lead + place * FRAME
        assert number is None or times[number] == at
        assert number is not None or at not in times


@given(st.lists(st.integers(-1, 1), min_size=50, max_size=50))
def test_times_rounded_to_milliseconds_lose_no_frame(errors):
    frame = Fraction(1536, 44_100)
    times = [Fraction(round((n * frame) * 1000) + (error if n else 0), 1000) for n, error in enumerate(errors)]
    assert lay_frames(times, frame, Fraction(0), 50 * frame).slots == tuple(range(50))
