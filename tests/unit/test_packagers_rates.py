from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packagers.evidence.documents import SegmentEvidence
from packagers.evidence.measures import peak_bps as peak_of_proof
from packagers.hls import target_duration_s, target_line
from packagers.rates import average_bps, peak_bps

SIX = Fraction(6)


def test_a_short_last_segment_counts_with_the_one_before_it_only():
    assert peak_bps([6000, 8000], [SIX, Fraction(2)], 6) == 14000  # 14,000 bytes in 8 s; 8,000 in 2 s are no peak
    assert (
        peak_bps([6000, 8000], [SIX, Fraction(4)], 6) == 16000
    )  # long enough to count alone; ten seconds are too long


def test_a_track_shorter_than_half_a_target_has_its_average_for_a_peak():
    assert peak_bps([1000], [Fraction(2)], 6) == average_bps([1000], [Fraction(2)]) == 4000


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.fractions(Fraction(1, 10), 8)), min_size=1, max_size=12),
    st.integers(1, 8),
)
def test_what_is_declared_is_what_the_proof_measures(segments, target_s):
    sizes, seconds = zip(*segments, strict=True)
    found = [SegmentEvidence(start=0, duration=one, size_bytes=size, samples=1) for size, one in segments]
    assert peak_bps(sizes, seconds, target_s) == pytest.approx(peak_of_proof(found, Fraction(target_s)), abs=1)


@pytest.mark.parametrize(
    ("longest", "target"), [(Fraction(6006, 1000), 6), (Fraction(1, 4), 1), (Fraction(13, 2), 7), (SIX, 6)]
)
def test_the_target_is_the_longest_segment_to_the_nearest_second(longest, target):
    line = target_line([Fraction(1, 10), longest])
    assert line == f"#EXT-X-TARGETDURATION:{target}"
    assert target_duration_s(f"#EXTM3U\n{line}\n#EXTINF:1,\n") == target
