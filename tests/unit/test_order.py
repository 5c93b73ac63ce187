from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from telecine.order import Line, Place, is_shared, neediest, urgency
from telecine.title import Priority

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def place(title="t", priority=Priority.NORMAL, **fields):
    return Place(title_id=title, priority=priority, **{"launch_at": None, "submitted_at": NOW, **fields})


def in_order(*places):
    return [found.title_id for found in sorted(places, key=urgency)]


def test_class_comes_before_launch_launch_before_slack_and_slack_before_age():
    soon = {"launch_at": NOW + timedelta(hours=1)}
    old, young = NOW - timedelta(days=9), NOW
    assert in_order(
        place("young", submitted_at=young),
        place("old", submitted_at=old),
        place("much-work", **soon, remaining_s=900.0),
        place("little-work", **soon, remaining_s=60.0, submitted_at=old),
        place("sooner", launch_at=NOW),
        place("critical", Priority.CRITICAL),
    ) == ["critical", "sooner", "much-work", "little-work", "old", "young"]


def test_a_share_of_a_twentieth_is_every_twentieth_turn():
    assert [turn for turn in range(60) if is_shared(turn, 0.05)] == [19, 39, 59]


@given(st.floats(0, 0.5), st.integers(0, 10_000))
def test_over_any_stretch_of_turns_a_share_is_kept_to_within_one(share, start):
    served = sum(is_shared(turn, share) for turn in range(start, start + 200))
    assert abs(served - 200 * share) <= 1.001


def test_a_share_goes_to_the_oldest_title_behind_the_first_class():
    places = [
        place("first", Priority.CRITICAL),
        place("young", Priority.LOW, submitted_at=NOW),
        place("old", Priority.NORMAL, submitted_at=NOW - timedelta(days=1)),
        place("held", Priority.LOW, submitted_at=NOW - timedelta(days=2), held=True),
    ]
    assert neediest(places).title_id == "old"
    assert neediest(places[:1]) is None


def test_held_titles_stand_in_no_line():
    line = Line([place("a"), place("b", held=True)])
    assert [found.title_id for found in line] == ["a"]
    line.put(place("b"))
    line.put(place("a", held=True))
    assert [found.title_id for found in line] == ["b"]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.sampled_from(Priority),
        st.none() | st.integers(0, 3),
        st.integers(0, 3),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
)


@given(CHANGES)
def test_a_line_is_sorted_whatever_comes_changes_and_goes(changes):
    line, known = Line(), {}
    for title, priority, launch, age, held, gone in changes:
        if gone:
            line.drop(title)
            known.pop(title, None)
            continue
        launch_at = None if launch is None else NOW + timedelta(hours=launch)
        known[title] = place(title, priority, launch_at=launch_at, submitted_at=NOW - timedelta(days=age), held=held)
        line.put(known[title])
    standing = [found for found in known.values() if not found.held]
    assert list(line) == sorted(standing, key=urgency)
    needy = neediest(standing)
    if standing:
        first = min(found.priority.rank for found in standing)
        assert next(line.oldest(first), None) == needy
