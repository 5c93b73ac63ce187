"""Launches met by the order of titles against FIFO and static priority: 1,000 titles on 200 workers, with failures.

    .venv/bin/python bench/release_simulation.py [--titles 1000] [--workers 200] [--seed 1] [--margin 2] [--share 0.05]

The simulation is the one forecasts are made with; every order works through the same titles, chunks, durations and
failures. Titles come in bursts. A load is feasible because a schedule that meets every launch is known: launches are
set from the finishes of one, in an order nobody told the dispatcher, plus a margin of two of the longest attempts: for
a chunk that runs already and is not killed, and for one that fails. Three loads:

- kept: that schedule serves classes in turn, as the dispatcher promises to;
- blind: it knows no classes, so launches of low titles may ask to go before critical ones;
- one class: the same launches, and all titles of one class.

Beside it the decision cost, in CPU time: of all of a run for each chunk dispatched, and of finding the most urgent of
10,000 titles.
"""

import argparse
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from telecine.order import Place, urgency
from telecine.simulation import Floor, Load, Work, simulate
from telecine.title import Priority

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CLASSES = (Priority.CRITICAL,) * 5 + (Priority.HIGH,) * 15 + (Priority.NORMAL,) * 50 + (Priority.LOW,) * 30
FAILURE_RATE = 0.03
SHARE = 0.05
RATIOS = (0.5, 0.7, 0.85, 1.0, 1.15, 1.4, 1.9)
CHUNKS, CHUNK_S = (20, 220), (20.0, 90.0)
LOADED = 0.85
LONGEST_S = CHUNK_S[1] * RATIOS[-1]


@dataclass(frozen=True)
class Outcome:
    missed: Counter
    late_s: float
    chunks: int
    decision_us: float


def titles(count, workers, random):
    """Titles without launches, in ten bursts that keep the workers busy for the share ``LOADED`` of the time."""
    made = []
    for number in range(count):
        sizes = (random.uniform(*CHUNK_S),) * random.randint(*CHUNKS)
        place = Place(title_id=f"t{number:05}", priority=random.choice(CLASSES), launch_at=None, submitted_at=NOW)
        made.append(Load(place, works=(Work("cpu", sizes, RATIOS),)))
    work_s = sum(load.works[0].expected_s for load in made) / (1 - FAILURE_RATE / 2)
    between_s = work_s / workers / LOADED / 10
    return [arriving(load, between_s * (index * 10 // count), random) for index, load in enumerate(made)]


def arriving(load, seconds, random):
    seconds += random.uniform(0, 60)
    submitted = load.place.model_copy(update={"submitted_at": NOW + timedelta(seconds=seconds)})
    return replace(load, place=submitted, arrives_s=seconds)


def with_launches(loads, floor, seed, order, margin_s):
    """Launches that a known schedule meets: the one of ``order``."""
    finishes = simulate(loads, floor, runs=1, seed=seed, order=order)
    launches = {title: NOW + timedelta(seconds=made[0] + margin_s) for title, made in finishes.items()}
    return [
        replace(one, place=one.place.model_copy(update={"launch_at": launches[one.place.title_id]})) for one in loads
    ]


def floor_of(order, floor):
    """Only our order gives a share to the classes behind the first."""
    return floor if order == "ours" else replace(floor, share=0)


def outcome(loads, floor, seed, order):
    began = time.process_time()
    finishes = simulate(loads, floor, runs=1, seed=seed, order=order)
    spent = time.process_time() - began
    late = {one.place.title_id: finishes[one.place.title_id][0] - launch_s(one) for one in loads}
    missed = Counter(one.place.priority for one in loads if late[one.place.title_id] > 0)
    chunks = sum(len(work.sizes) for one in loads for work in one.works)
    return Outcome(missed, max(0.0, *late.values()), chunks, spent / chunks * 1e6)


def launch_s(load):
    return (load.place.launch_at - NOW).total_seconds()


def fifo(place):
    return (place.submitted_at, place.title_id)


def static(place):
    return (place.priority.rank, place.submitted_at, place.title_id)


ORDERS = {"ours": urgency, "FIFO": fifo, "static priority": static}


def loads_of(count, workers, seed, margin=2, share=SHARE):
    """The three loads, by name."""
    random, floor = Random(seed), Floor({"cpu": workers}, FAILURE_RATE)
    loads = titles(count, workers, random)
    wish = {one.place.title_id: random.random() for one in loads}
    kept = with_launches(
        loads, floor, seed, lambda place: (place.priority.rank, wish[place.title_id]), margin * LONGEST_S
    )
    blind = with_launches(loads, floor, seed, lambda place: wish[place.title_id], margin * LONGEST_S)
    same = [replace(one, place=one.place.model_copy(update={"priority": Priority.NORMAL})) for one in blind]
    return replace(floor, share=share), {"kept": kept, "blind": blind, "one class": same}


def decision_cost(count, random):
    """Milliseconds to find the most urgent of so many waiting titles, from nothing."""
    waiting = [one.place for one in titles(count, 200, random)]
    began = time.process_time()
    for _ in range(10):
        min(waiting, key=urgency)
    return (time.process_time() - began) / 10 * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--titles", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--margin", type=float, default=2, help="of launches, in longest attempts at a chunk")
    parser.add_argument("--share", type=float, default=SHARE, help="of dispatches, for classes behind the first")
    options = parser.parse_args()
    floor, loads = loads_of(options.titles, options.workers, options.seed, options.margin, options.share)
    for name, load in loads.items():
        found = {order: outcome(load, floor_of(order, floor), options.seed, key) for order, key in ORDERS.items()}
        print(f"{name}: {options.titles} titles, {found['ours'].chunks:,} chunks, {options.workers} workers, feasible")
        ours = found["ours"].missed.total()
        for order, one in found.items():
            missed = one.missed.total()
            fewer = f", ours misses {100 * (1 - ours / missed):.1f} % fewer" if missed and order != "ours" else ""
            by_class = ", ".join(f"{count} {priority}" for priority, count in sorted(one.missed.items()))
            print(
                f"  {order:16} {missed:4} launches missed ({by_class or 'none'}), worst by {one.late_s:,.0f} s{fewer}; "
                f"{one.decision_us:.1f} us of CPU a chunk"
            )
    print(f"the most urgent of 10,000 waiting titles: {decision_cost(10_000, Random(1)):.2f} ms without any index")


if __name__ == "__main__":
    main()
