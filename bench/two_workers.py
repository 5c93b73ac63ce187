"""Two workers against one: wall time of the same title, each worker on one core of its own.

    .venv/bin/python bench/two_workers.py CLIP [--profile standard] [--chunk-seconds 6] [--rounds 1]

Real Celery workers (one slot each, pinned to a core), a real Redis and a real S3 server (SeaweedFS); the dispatcher
runs here as in the encode task's trigger. Each measurement encodes into a bucket of its own, so nothing is reused;
time runs from the first tick to the last chunk, workers being up. Slots that are not at work are ours: dispatch, and
the wait of one worker for the other's last chunk. Jobs that take longer beside one another than alone are the
machine's: its cores share caches, memory and whatever else runs; the load before and after is printed for that.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import func, select

from encoders.leases import LeaseBoard
from encoders.queue import app
from encoders.work import toolchain
from pipeline.encoding import QueuedEncode
from pipeline.installation import open_installation
from pipeline.make import plan_only
from pipeline.submission import request_from
from telecine.registry.models import ChunkRow
from telecine.settings import load_settings
from tests.contract.conftest import redis_server, seaweedfs

ROUND_S = 0.4


def worker(number, core, environment, log):
    argv = [sys.executable, "-m", "celery", "-A", "encoders.queue", "worker", "--queues", "cpu", "--concurrency", "1"]
    argv += ["--hostname", f"w{number}@%h", "--without-gossip", "--without-mingle"]
    child = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, start_new_session=True)
    os.sched_setaffinity(child.pid, {core})  # before it has children, who inherit it
    return child


def encoded(plan, settings, board, count):
    """Wall seconds in which ``count`` workers that are up encode a plan, and the slot seconds of all its jobs."""
    place = open_installation(settings)
    place.work.ensure_bucket()
    title = f"bench-{count}"
    place.registry.submit(request_from({"master_uri": plan.master.uri, "title_id": title}), "run")
    encode = QueuedEncode(place, title)
    while board.slots("cpu") != count:
        time.sleep(0.1)
    encode.start(plan)
    began = time.monotonic()
    while True:
        encode.tick()
        progress = encode.progress()
        if progress.chunks_done == progress.chunks_total:
            wall = time.monotonic() - began
            with place.registry.transaction() as session:
                return wall, session.scalar(select(func.sum(ChunkRow.seconds)))
        time.sleep(ROUND_S)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--chunk-seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        servers = redis_server(folder / "redis"), seaweedfs(folder / "s3")
        for server in servers:
            server.start()
            stack.callback(server.kill)
            server.ready()
        redis, s3 = servers
        for number in range(1, options.rounds + 1):
            walls, busy = {}, {}
            for count in (1, 2) if number % 2 else (2, 1):
                settings, environment = installation(folder / f"{number}-{count}", redis, s3, f"bench-{number}-{count}")
                settings = settings.model_copy(update={"chunk_seconds": options.chunk_seconds})
                request = request_from({"master_uri": str(options.clip), "profile": options.profile})
                plan = plan_only(request, settings)
                with (folder / f"workers-{number}-{count}.log").open("w") as log:
                    load = os.getloadavg()[0]
                    workers = [worker(n, cores[n], environment, log) for n in range(count)]
                    try:
                        walls[count], busy[count] = encoded(plan, settings, LeaseBoard(redis.url, 15), count)
                    finally:
                        for child in workers:
                            child.terminate()
                            child.wait()
                print(
                    f"round {number}: {count} worker(s), {len(plan.jobs)} jobs: {walls[count]:.1f} s, "
                    f"slots at work {100 * busy[count] / (count * walls[count]):.1f} % of it "
                    f"(load before {load:.1f}, after {os.getloadavg()[0]:.1f})",
                    flush=True,
                )
                time.sleep(11)  # until the board has forgotten these workers
            print(f"round {number}: two workers are {walls[1] / walls[2]:.2f} times as fast as one; {toolchain()}")
            print(
                f"round {number}: beside one another the same jobs took {busy[2] / busy[1]:.3f} times as long as alone"
            )


def installation(data, redis, s3, bucket):
    environment = {
        "TELECINE_DATA_DIR": str(data),
        "TELECINE_REDIS_URL": redis.url.get_secret_value(),
        "TELECINE_S3_ENDPOINT": s3.endpoint,
        "TELECINE_S3_ACCESS_KEY": s3.access_key,
        "TELECINE_S3_SECRET_KEY": s3.secret_key.get_secret_value(),
        "TELECINE_WORK_BUCKET": bucket,
    }
    os.environ.update(environment)
    app.conf.broker_url = redis.url.get_secret_value()
    settings = load_settings(data)
    place = open_installation(settings)
    place.registry.migrate()
    return settings, {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


if __name__ == "__main__":
    main()
