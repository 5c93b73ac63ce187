"""How long a roll-back takes, and until each edge and the playback service answer with the old version.

    .venv/bin/python bench/rollback.py [--rounds 20] [--segments 2000]

Real servers on this machine: SeaweedFS, Redis, two edges (agent and Caddy), the playback service. The baseline of the
same run is one PUT and one GET of a small object on the same S3 server, the least that any flip of a pointer costs. The
wait of a reader counts from the start of the roll-back; readers ask every 5 ms, over a new connection each time.
"""

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from pipeline.versions import roll_back
from tests.contract.conftest import redis_server, seaweedfs
from tests.contract.release_stand import ReleaseStand

TITLE = "bench"


def baseline_s(store):
    began = time.monotonic()
    store.put_bytes("bench/pointer.json", b"{}" * 200, content_type="application/json")
    store.get_bytes("bench/pointer.json")
    return time.monotonic() - began


def rolled_back(stand, version):
    """Seconds of the action itself, and until each reader answers, from its start."""
    with ThreadPoolExecutor(1) as pool:
        readers = pool.submit(stand.seconds_until_all_answer, TITLE, version)
        began = time.monotonic()
        roll_back(stand.place, TITLE, version, who="bench", why="bench")
        return {"the action": time.monotonic() - began} | readers.result()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--segments", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        servers = redis_server(Path(name) / "redis"), seaweedfs(Path(name) / "s3")
        for server in servers:
            server.start()
            stack.callback(server.kill)
            server.ready()
        stand = ReleaseStand(Path(name), servers[1], servers[0])
        stack.callback(stand.stop)
        stand.start()
        kept = [stand.released(TITLE, options.segments, 2000).version for _ in range(2)]
        base, found = [], []
        for number in range(options.rounds):
            base.append(baseline_s(stand.place.origin))
            found.append(rolled_back(stand, kept[number % 2]))
        report(base, found, options.segments)


def report(base, found, segments):
    median = statistics.median(base)
    print(f"{len(found)} roll-backs of a title of {segments} objects a version; S3 PUT+GET: {median * 1000:.1f} ms")
    print(f"{'':12}{'median ms':>10}{'worst ms':>10}{'x PUT+GET':>11}")
    for what in found[0]:
        times = [one[what] for one in found]
        middle = statistics.median(times)
        print(f"{what:12}{middle * 1000:10.1f}{max(times) * 1000:10.1f}{middle / median:11.1f}")


if __name__ == "__main__":
    main()
