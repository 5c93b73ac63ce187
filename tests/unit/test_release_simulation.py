"""The benchmark of the order of titles, small: no figure of time is held."""

from bench.release_simulation import ORDERS, floor_of, loads_of, outcome

COUNT, WORKERS, SEED = 120, 20, 3


def missed(name):
    floor, loads = loads_of(COUNT, WORKERS, SEED)
    return {
        order: outcome(loads[name], floor_of(order, floor), SEED, key).missed.total() for order, key in ORDERS.items()
    }


def test_of_feasible_launches_within_classes_every_one_is_met():
    found = missed("kept")
    assert found["ours"] == 0
    assert found["FIFO"] > 10
    assert found["static priority"] > 10


def test_of_feasible_launches_of_one_class_every_one_is_met():
    found = missed("one class")
    assert found["ours"] == 0
    assert found["FIFO"] > 10


def test_a_class_goes_before_a_launch_so_launches_that_ask_otherwise_are_missed_in_low_classes_first():
    floor, loads = loads_of(COUNT, WORKERS, SEED)
    found = outcome(loads["blind"], floor, SEED, ORDERS["ours"]).missed
    assert found["critical"] == 0
    assert found["low"] > found["high"]
