"""What it costs to find the next chunk among many waiting titles: 10, 1,000 and 10,000 of them.

    .venv/bin/python bench/dispatch_decision.py [--rounds 200]

Medians in wall time, each also as a ratio to the case of ten titles:

- order: a title changed its class and is put into the line (telecine.order.Line), and the first of it are read;
- decide: encoders.dispatch.decide on what the registry gives then, one slot free;
- tick: EncodeQueue.open_jobs on SQLite with nothing changed since the last one, as nearly every one is;
- tick, changed: the same after a title's class was changed.

Every title is followed, has four chunks that wait, and a class and launch of its own.
"""

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from sqlalchemy import insert, update

from encoders.dispatch import Observation, decide
from encoders.leases import Lease
from telecine.order import Line, Place
from telecine.registry.models import JobRow, TitleRow
from telecine.registry.queue import EncodeQueue
from telecine.registry.repository import Registry
from telecine.title import Priority

COUNTS, CHUNKS, SLOTS = (10, 1_000, 10_000), 4, 8
NOW = datetime.now(UTC)


def places(count, random):
    """Waiting titles of all classes, two of three with a launch."""
    for number in range(count):
        launch_at = NOW + timedelta(minutes=random.randint(60, 100_000)) if number % 3 else None
        yield Place(
            title_id=f"t{number:05}",
            priority=random.choice(list(Priority)),
            launch_at=launch_at,
            submitted_at=NOW - timedelta(minutes=random.randint(0, 10_000)),
            remaining_s=random.uniform(60, 10_000),
        )


def filled(folder, waiting):
    """A registry with these titles, each of them followed, and their chunks."""
    registry = Registry(f"sqlite:///{folder / 'registry.db'}")
    registry.migrate()
    seen = {"encode_seen_at": NOW + timedelta(hours=1), "updated_at": NOW, "documents": {}, "run_id": None}
    titles = [
        seen
        | {"title_id": p.title_id, "name": p.title_id, "profile": "p", "priority": p.priority, "launch_at": p.launch_at}
        | {"master_uri": "file:///m", "stage": "encoding", "created_at": p.submitted_at, "remaining_s": p.remaining_s}
        for p in waiting
    ]
    jobs = [
        {"title_id": p.title_id, "digest": f"{p.title_id}-{n}", "position": n, "state": "waiting", "units": 24}
        | {"sends": 0, "failures": 0, "queue": "cpu", "body": "{}"}
        for p in waiting
        for n in range(CHUNKS)
    ]
    with registry.transaction() as session:
        session.execute(insert(TitleRow), titles)
        session.execute(insert(JobRow), jobs)
    return registry


def median_ms(rounds, work, prepare=lambda _: None):
    """Of ``work(prepared)``; what ``prepare(number)`` does is not counted."""
    found = []
    for number in range(rounds):
        prepared = prepare(number)
        began = time.perf_counter()
        work(prepared)
        found.append(1000 * (time.perf_counter() - began))
    return statistics.median(found)


def moved(waiting, random):
    """One of the titles, in another class."""
    place = random.choice(waiting)
    others = [priority for priority in Priority if priority != place.priority]
    return place.model_copy(update={"priority": random.choice(others)})


def measured(count, rounds):
    random = Random(count)
    waiting = list(places(count, random))
    line = Line(waiting)

    def reorder(place):
        line.put(place)
        for _, first in zip(range(SLOTS + 1), line, strict=False):
            assert not first.held

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        registry = filled(Path(name), waiting)
        queue = EncodeQueue(registry)
        jobs = queue.open_jobs(SLOTS + 1)
        leases = {f"other-{n}": Lease(owner="bench/1/1") for n in range(SLOTS - 1)}
        seen = Observation(jobs=jobs, leases=leases, results={}, slots=SLOTS, now=NOW, lease_s=15, turn=19, share=0.05)

        def change(_):
            place = moved(waiting, random)
            values = {"priority": place.priority, "updated_at": datetime.now(UTC)}
            with registry.transaction() as session:
                session.execute(update(TitleRow).where(TitleRow.title_id == place.title_id).values(values))

        return {
            "order": median_ms(rounds, reorder, lambda _: moved(waiting, random)),
            "decide": median_ms(rounds, lambda _: decide(seen)),
            "tick": median_ms(rounds, lambda _: queue.open_jobs(SLOTS + 1)),
            "tick, changed": median_ms(rounds, lambda _: queue.open_jobs(SLOTS + 1), change),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    least = None
    for count in COUNTS:
        found = measured(count, options.rounds)
        least = least or found
        told = "; ".join(f"{name} {ms:.3f} ms (x{ms / least[name]:.1f})" for name, ms in found.items())
        print(f"{count:>6} titles: {told}; order and decide {found['order'] + found['decide']:.3f} ms", flush=True)


if __name__ == "__main__":
    main()
