import math
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telecine.durations import Sample, pooled

OTHERS = [Sample(ratio, content) for content, ratio in (("a", 1.0), ("b", 1.1), ("c", 0.9), ("d", 1.0))]


def test_jobs_alike_are_history_similar_ones_only_similar_and_nothing_a_guess():
    assert pooled(OTHERS, [], "film").basis == "history"
    assert pooled([], OTHERS, "film").basis == "similar"
    assert pooled([], [], "film").basis == "profile"


def test_the_less_is_known_the_wider_the_forecast():
    known, similar, guessed = pooled(OTHERS, [], "x"), pooled([], OTHERS, "x"), pooled([], [], "x")
    assert known.spread < similar.spread < guessed.spread


def test_a_titles_own_chunks_come_to_weigh_most():
    few = pooled([*OTHERS, Sample(3.0, "film")], [], "film")
    many = pooled([*OTHERS, *[Sample(3.0, "film")] * 20], [], "film")
    assert 1.2 < median(few.ratios) < 2.5
    assert median(many.ratios) == 3.0
    assert many.spread < few.spread < pooled(OTHERS, [], "film").spread


def test_one_own_chunk_scales_what_others_took():
    found = pooled([*OTHERS, Sample(8.0, "film")], [], "film")
    assert min(found.ratios) == pytest.approx(0.9 * 8 ** (1 / 3), rel=0.05)


def test_own_chunks_alone_are_history_too():
    assert pooled([Sample(2.0, "film")] * 3, [], "film").basis == "history"


@given(st.lists(st.builds(Sample, st.floats(0.01, 100), st.sampled_from("abc")), max_size=30), st.sampled_from("abcd"))
def test_every_pool_has_positive_ratios_and_a_spread(samples, content):
    found = pooled(samples, [], content)
    assert found.ratios
    assert all(ratio > 0 and math.isfinite(ratio) for ratio in found.ratios)
    assert found.spread >= 0
