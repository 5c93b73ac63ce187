"""How true forecasts are: six titles at once through real workers, p50 at a third of the way against the true finish.

    .venv/bin/python bench/forecast_accuracy.py [--seconds 40] [--slots 2] [--every 2]

Real Celery workers, a real Redis and S3 server (SeaweedFS), the dispatcher as in the encode task's trigger, and the
real stages after the encode, up to the publication; only Airflow is not there. Two other titles go before, so that
there is a history. A forecast counts where the true finish lies within p50 +/- 20 % of the time that was left then.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bench.two_workers import installation
from encoders.leases import LeaseBoard
from pipeline import placing, shelf, steps
from pipeline.encoding import QueuedEncode
from pipeline.forecasting import forecast
from pipeline.installation import open_installation
from pipeline.remembering import remember_stage
from pipeline.submission import request_from
from telecine.keystore import load_or_create_master_key
from telecine.registry.records import Stage
from telecine.title import Priority
from tests.contract.conftest import redis_server, seaweedfs
from tests.media.encoders_clips import ffmpeg

CONTENTS = {
    "bars": "testsrc2=s=640x360:r=24",
    "fractal": "mandelbrot=s=640x360:r=24",
    "noise": "testsrc2=s=640x360:r=24,noise=alls=40:allf=t",
    "life": "life=s=640x360:r=24:mold=10:ratio=0.1",
    "colours": "gradients=s=640x360:r=24:speed=0.05",
    "cells": "cellauto=s=640x360:r=24",
}
WARMING = {
    "first": "rgbtestsrc=s=640x360:r=24,noise=alls=5:allf=t",
    "second": "testsrc=s=640x360:r=24,noise=alls=10:allf=t",
}
CLASSES = {"noise": Priority.HIGH, "life": Priority.LOW}
PROFILE = """
name: small
summary: two small rungs
gop_seconds: 1
segment_gops: 2
video:
  - {name: 360p, codec: x264, width: 640, height: 360, crf: 20, max_bps: 2_000_000, preset: slow}
  - {name: 180p, codec: x264, width: 320, height: 180, crf: 22, max_bps: 600_000, preset: slow}
audio:
  - {name: stereo, codec: aac, channels: 2, bitrate_bps: 96_000}
"""
WITHIN = 0.2


class Line:
    """One installation; titles go through it as through the DAG, in threads instead of tasks."""

    def __init__(self, place):
        self.place = place
        self.control = ThreadPoolExecutor(place.settings.control_slots)
        self.ready = {}

    def prepared(self, title, clip):
        """The title inspected and planned."""
        place, priority = self.place, CLASSES.get(title, Priority.NORMAL)
        request = request_from({"master_uri": str(clip), "title_id": title, "profile": "small", "priority": priority})
        place.registry.submit(request, None)
        master = steps.register(place, request)
        probe = steps.qualify(place, steps.inspect(place, master), "small")
        plan = steps.plan(place, probe, "small")
        for document in (probe, plan):
            place.registry.remember_document(title, type(document).__name__, shelf.keep(place.work, document))
        return plan

    def start(self, title, plan):
        self.place.registry.enter(title, Stage.ENCODE)
        encode = QueuedEncode(self.place, title)
        encode.start(plan)
        threading.Thread(target=self._follow, args=(title, encode, plan), daemon=True).start()

    def _follow(self, title, encode, plan):
        while True:
            encode.tick()
            progress = encode.progress()
            if progress.chunks_done == progress.chunks_total:
                break
            time.sleep(0.5)
        self._stages(title, plan)

    def _stages(self, title, plan):
        place, kept = self.place, {}

        def stage(name, work):
            def run():
                place.registry.enter(title, name)
                began = time.monotonic()
                kept[name] = work()
                remember_stage(place, title, name, time.monotonic() - began)

            self.control.submit(run).result()

        stage(Stage.ASSEMBLE, lambda: steps.assemble(place, plan))
        stage(Stage.MEASURE, lambda: steps.measure(place, plan, kept[Stage.ASSEMBLE]))
        packaging = plan.ladder.packaging
        stage(Stage.PACKAGE, lambda: steps.package(place, title, packaging, kept[Stage.MEASURE]))
        stage(Stage.VERIFY, lambda: steps.verify(place, kept[Stage.PACKAGE], kept[Stage.MEASURE], plan))
        stage(Stage.PUBLISH, lambda: placing.publish(place, kept[Stage.PACKAGE]))
        place.registry.enter(title, Stage.GO_LIVE)
        self.ready[title] = datetime.now(UTC)


def through(line, clips, every):
    """All clips at once; when they began, were ready, and all forecasts made meanwhile."""
    plans = {title: line.prepared(title, clip) for title, clip in clips.items()}
    began, told = datetime.now(UTC), []
    for title, plan in plans.items():
        line.start(title, plan)
    while not set(clips) <= set(line.ready):
        told.append(forecast(line.place))
        time.sleep(every)
    return began, told


def judged(title, began, told, ready):
    """The forecast nearest to a third of the way: its p50, seconds left then, and its error as a share of these."""
    third = began + (ready - began) / 3
    made = min((one for one in told if named(one, title)), key=lambda one: abs(one.made_at - third))
    mine = named(made, title)
    left = (ready - made.made_at).total_seconds()
    return mine, left, (mine.p50 - ready).total_seconds() / left, mine.p90 >= ready


def named(forecasts, title):
    return next((one for one in forecasts.titles if one.title_id == title and one.p50), None)


def clip(folder, name, source, seconds):
    path = folder / f"{name}.mp4"
    sound = ["-f", "lavfi", "-i", f"sine=440:d={seconds}"]
    coding = ["-t", str(seconds), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "12"]
    ffmpeg("-f", "lavfi", "-i", source, *sound, *coding, "-c:a", "aac", str(path))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--every", type=float, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        servers = redis_server(folder / "redis"), seaweedfs(folder / "s3")
        for server in servers:
            server.start()
            stack.callback(server.kill)
            server.ready()
        line, worker = opened(folder, servers, options)
        stack.callback(worker.wait)
        stack.callback(worker.terminate)
        while LeaseBoard(line.place.settings.redis_url, 15).slots("cpu") != options.slots:
            time.sleep(0.1)
        through(line, {title: clip(folder, title, source, options.seconds) for title, source in WARMING.items()}, 5)
        clips = {title: clip(folder, title, source, options.seconds) for title, source in CONTENTS.items()}
        load = os.getloadavg()[0]
        began, told = through(line, clips, options.every)
        print(f"load of the machine before {load:.1f}, after {os.getloadavg()[0]:.1f}; {len(told)} forecasts")
        report(dict.fromkeys(clips, began), line.ready, told)


def report(began, ready, told):
    """Prints the forecast of each title in ``began``, when it was submitted, and how many are true."""
    good = 0
    for title, submitted in began.items():
        at = ready[title]
        mine, left, error, held = judged(title, submitted, told, at)
        good += abs(error) <= WITHIN
        print(
            f"{title:8} {mine.priority:7} ready after {(at - submitted).total_seconds():6.1f} s; at a third p50 was "
            f"off by {100 * error:+6.1f} % of {left:5.1f} s left, {'within' if held else 'beyond'} p90, {mine.basis}"
        )
    print(f"{good} of {len(began)} within {100 * WITHIN:.0f} % of the time left")


def opened(folder, servers, options):
    """The installation and its worker; profiles in a folder of its own."""
    catalogue = folder / "catalogue"
    catalogue.mkdir()
    (catalogue / "small.yaml").write_text(PROFILE)
    os.environ |= {
        "TELECINE_CATALOGUE_DIR": str(catalogue),
        "TELECINE_CHUNK_SECONDS": "4",
        "TELECINE_CONTROL_HANDOVER_S": "0",
        "TELECINE_WORKER_SLOTS": str(options.slots),
    }
    settings, environment = installation(folder / "data", *servers, "bench")
    load_or_create_master_key(settings.kek_file)
    place = open_installation(settings)
    for store in (place.work, place.origin):
        store.ensure_bucket()
    argv = [sys.executable, "-m", "celery", "-A", "encoders.queue", "worker", "--queues", "cpu"]
    argv += ["--concurrency", str(options.slots), "--hostname", "bench@%h", "--without-gossip", "--without-mingle"]
    with (folder / "worker.log").open("w") as log:
        worker = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, start_new_session=True)
    return Line(place), worker


if __name__ == "__main__":
    main()
