import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telecine.order import Place
from telecine.simulation import CONTROL, Floor, Load, Running, Step, Work, alone_s, quantile, simulate
from telecine.title import Priority

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SURE = (1.0,)


def place(title, priority=Priority.NORMAL, *, age=0, held=False, launch_in=None):
    launch_at = None if launch_in is None else NOW + timedelta(seconds=launch_in)
    submitted_at = NOW - timedelta(seconds=age)
    return Place(title_id=title, priority=priority, launch_at=launch_at, submitted_at=submitted_at, held=held)


def chunks(count, seconds=10.0, queue="cpu", ratios=SURE):
    return Work(queue, (seconds,) * count, ratios)


def load(title, *works, priority=Priority.NORMAL, age=0, held=False, launch_in=None, **more):
    return Load(place(title, priority, age=age, held=held, launch_in=launch_in), works=works, **more)


def finishes(loads, *, cpu=1, control=4, **more):
    floor = Floor({"cpu": cpu, CONTROL: control}, more.pop("failure_rate", 0.0))
    found = simulate(loads, floor, runs=more.pop("runs", 1), **more)
    return {title: made[0] for title, made in found.items()}


def test_the_more_urgent_title_is_served_first_and_the_other_when_it_is_done():
    low, critical = load("low", chunks(3), priority=Priority.LOW, age=99), load("c", chunks(2), priority="critical")
    assert finishes([low, critical]) == {"c": 20, "low": 50}


def test_within_a_class_the_earlier_launch_goes_first():
    assert finishes([load("a", chunks(1), launch_in=99), load("b", chunks(1), launch_in=9)]) == {"b": 10, "a": 20}


def test_what_runs_is_not_killed_for_what_is_more_urgent():
    busy = load("low", priority=Priority.LOW, running=(Running(chunks(1, 40), progress=0.5),))
    assert finishes([busy, load("c", chunks(1), priority="critical")]) == {"low": 20, "c": 30}


def test_a_title_that_arrives_later_overtakes_at_the_next_chunk_boundary():
    low = load("low", chunks(3), priority=Priority.LOW)
    assert finishes([low, load("c", chunks(1), priority="critical", arrives_s=5)]) == {"c": 20, "low": 40}


def test_a_held_title_is_never_done_and_takes_no_slot_but_those_it_has():
    held = load("held", chunks(1), priority="critical", held=True, running=(Running(chunks(1), progress=0.5),))
    assert finishes([held, load("other", chunks(1))]) == {"held": math.inf, "other": 15}


def test_without_a_slot_nothing_is_ever_done():
    assert finishes([load("a", chunks(1))], cpu=0) == {"a": math.inf}


def test_steps_come_one_after_the_other_and_take_control_slots_in_order():
    steps = {"before": (Step(3, SURE),), "after": (Step(5, SURE), Step(7, SURE))}
    assert finishes([load("a", chunks(1), **steps)]) == {"a": 25}
    two = [load("a", chunks(1), **steps), load("b", chunks(1), priority="high", **steps)]
    assert finishes(two, cpu=2, control=1) == {"b": 25, "a": 37}


def test_a_step_that_joins_waits_for_what_runs_beside_the_encode():
    beside = Step(100, SURE, elapsed_s=20)
    after = (Step(5, SURE), Step(7, SURE, joins=True))
    assert finishes([load("a", chunks(1), beside=beside, after=after)]) == {"a": 87}


def test_a_title_with_nothing_left_is_done_now():
    assert finishes([load("a")]) == {"a": 0}


def test_of_a_running_job_only_durations_longer_than_it_ran_are_likely():
    running = Running(Work("cpu", (10.0,), (0.1, 2.0)), elapsed_s=5)
    assert simulate([load("a", running=(running,))], Floor({"cpu": 1}), runs=20) == {"a": (15.0,) * 20}


def test_failed_attempts_cost_time_and_are_tried_again():
    loads = [load("a", chunks(50))]
    sound, troubled = finishes(loads)["a"], finishes(loads, failure_rate=0.2)["a"]
    assert sound == 500
    assert 520 < troubled < 700


def test_quantiles_are_times_by_which_that_share_of_runs_was_done():
    assert [quantile(range(1, 11), share) for share in (0.5, 0.9, 1.0)] == [5, 9, 10]


def test_served_alone_a_title_needs_its_longest_job_or_its_share_of_all_slots():
    after = (Step(5, SURE), Step(1, SURE, joins=True))
    assert alone_s(load("a", chunks(40), after=after), {"cpu": 4}) == 106
    assert alone_s(load("a", chunks(2)), {"cpu": 4}) == 10
    assert alone_s(load("a", chunks(2), beside=Step(50, SURE), after=after), {"cpu": 4}) == 51
    assert alone_s(load("a", chunks(2, queue="gpu")), {"cpu": 4}) is None
    assert alone_s(load("a", running=(Running(chunks(1), progress=0.75),)), {"cpu": 1}) == 2.5


RATIOS = st.lists(st.floats(0.2, 5), min_size=1, max_size=4).map(tuple)
PLACES = st.tuples(st.sampled_from(Priority), st.none() | st.integers(0, 999), st.integers(0, 99))


@st.composite
def queues(draw, ratios=RATIOS):
    found = []
    for number, (priority, launch_in, age) in enumerate(draw(st.lists(PLACES, min_size=1, max_size=6))):
        work = Work("cpu", tuple(draw(st.lists(st.floats(1, 30), max_size=8))), draw(ratios))
        tail = (Step(draw(st.floats(0, 9)), draw(ratios)),)
        found.append(load(f"t{number}", work, priority=priority, launch_in=launch_in, age=age, after=tail))
    return found


@given(queues(), st.integers(1, 5))
def test_equal_seeds_give_equal_futures(loads, slots):
    floor = Floor({"cpu": slots, CONTROL: 99}, 0.1)
    assert simulate(loads, floor, runs=3, seed=7) == simulate(loads[::-1], floor, runs=3, seed=7)


@settings(deadline=None)
@given(queues(), st.integers(1, 5), st.integers(0, 99))
def test_more_slots_never_make_any_title_later(loads, slots, seed):
    few, more = (simulate(loads, Floor({"cpu": count, CONTROL: 99}), runs=3, seed=seed) for count in (slots, slots + 1))
    assert all(quantile(more[title], 0.5) <= quantile(few[title], 0.5) + 1e-6 for title in few)
    assert max(quantile(made, 0.5) for made in more.values()) <= max(quantile(m, 0.5) for m in few.values()) + 1e-6


@settings(deadline=None)
@given(queues(), st.integers(1, 5), st.data())
def test_raising_the_class_of_a_title_never_makes_it_later(loads, slots, data):
    index = data.draw(st.integers(0, len(loads) - 1))
    raised = [*loads]
    chosen = loads[index].place
    higher = [one for one in Priority if one.rank <= chosen.priority.rank]
    changed = chosen.model_copy(update={"priority": data.draw(st.sampled_from(higher))})
    raised[index] = Load(changed, works=loads[index].works, after=loads[index].after)
    floor = Floor({"cpu": slots, CONTROL: 99})
    before, after = (simulate(some, floor, runs=3, seed=1)[chosen.title_id] for some in (loads, raised))
    assert all(new <= old + 1e-6 for new, old in zip(after, before, strict=True))


@given(queues(), st.integers(1, 5))
def test_holding_a_title_leaves_it_undone_and_delays_no_other(loads, slots):
    first = loads[0].place.model_copy(update={"held": True})
    held = [Load(first, works=loads[0].works, after=loads[0].after), *loads[1:]]
    floor = Floor({"cpu": slots, CONTROL: 99})
    before, after = simulate(loads, floor, runs=2), simulate(held, floor, runs=2)
    assert set(after[first.title_id]) == {math.inf}
    others = [one.place.title_id for one in loads[1:]]
    assert all(new <= old + 1e-6 for t in others for new, old in zip(after[t], before[t], strict=True))


@given(queues(st.just(SURE)), st.integers(1, 3))
def test_slots_do_all_the_work_and_no_more(loads, slots):
    """Work is conserved: the last encode ends no earlier than all work divided among the slots."""
    bare = [Load(one.place, works=one.works) for one in loads]
    total = sum(sum(work.sizes) for one in bare for work in one.works)
    longest = max((max(work.sizes, default=0) for one in bare for work in one.works), default=0)
    end = max(made[0] for made in simulate(bare, Floor({"cpu": slots}), runs=1).values())
    assert total / slots - 1e-6 <= end <= total / slots + longest + 1e-6


def test_a_common_factor_of_a_title_widens_its_forecast():
    narrow, wide = load("n", chunks(50)), load("w", chunks(50), spread=0.5)
    found = simulate([narrow, wide], Floor({"cpu": 100}), runs=40)
    assert quantile(found["n"], 0.9) == quantile(found["n"], 0.1)
    assert quantile(found["w"], 0.9) > 1.5 * quantile(found["w"], 0.1)
    assert quantile(found["w"], 0.5) == pytest.approx(10, rel=0.4)


def test_the_oldest_title_behind_the_first_class_gets_its_share_and_is_not_starved():
    loads = [load("c", chunks(200), priority="critical"), load("old", chunks(4), age=9), load("new", chunks(4), age=1)]
    fair, unfair = (simulate(loads, Floor({"cpu": 2}, share=share), runs=1) for share in (0.05, 0))
    assert unfair["old"][0] > unfair["c"][0]
    assert fair["old"][0] < fair["new"][0] < fair["c"][0]
    assert fair["old"][0] == pytest.approx(4 * 20 * 10 / 2, rel=0.1)


def test_the_share_goes_on_from_the_turn_the_dispatcher_is_at():
    loads = [load("c", chunks(200), priority="critical"), load("low", chunks(1), priority="low")]
    ends = [simulate(loads, Floor({"cpu": 2}, share=0.05, turn=turn), runs=1)["low"][0] for turn in (2, 17)]
    assert ends[0] > ends[1]


def test_the_first_class_never_waits_for_a_share():
    loads = [load("c", chunks(1), priority="critical"), load("low", chunks(9), priority="low", age=9)]
    assert simulate(loads, Floor({"cpu": 1}, share=0.5, turn=1), runs=1)["c"] == (10,)


@given(queues(), st.integers(1, 4), st.sampled_from([0.05, 0.3]))
def test_a_share_loses_and_repeats_no_work(loads, slots, share):
    bare = [Load(one.place, works=one.works) for one in loads]
    total = sum(sum(work.sizes) for one in bare for work in one.works)
    held_to = simulate([Load(one.place, works=one.works) for one in bare], Floor({"cpu": 1}, share=share), runs=1)
    assert all(math.isfinite(made[0]) for made in held_to.values())
    if all(work.ratios == SURE for one in bare for work in one.works):
        assert max(made[0] for made in held_to.values()) == pytest.approx(total)
