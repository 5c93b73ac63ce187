"""Where the CPU and the time of ``telecine make`` go: each stage, the encoders' share, how busy the cores are.

    .venv/bin/python bench/encode_share.py CLIP [--profile standard]

Of this process and all its children (getrusage). "busy" is their CPU over wall time and the cores this process may use;
"idle" is what the kernel says nobody used meanwhile, so on a machine with other work the two do not add up to 100 %.
"""

import argparse
import itertools
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.make import MakeWatcher, make
from pipeline.submission import request_from
from telecine.settings import load_settings, usable_cores


@dataclass(frozen=True, slots=True)
class Mark:
    stage: str
    wall: float
    cpu: float
    idle: float


def mark(stage):
    cpu = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        cpu += usage.ru_utime + usage.ru_stime
    with Path("/proc/stat").open() as lines:
        idle = int(lines.readline().split()[4]) / os.sysconf("SC_CLK_TCK")
    return Mark(stage, time.monotonic(), cpu, idle)


def main():
    marks = [mark("start")]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--profile", default="standard")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        request = request_from({"master_uri": str(options.clip.resolve()), "profile": options.profile})
        watcher = MakeWatcher(stage=lambda stage: marks.append(mark(stage)), encode=lambda _: None)
        report = make(request, folder / "out", load_settings(folder / "data"), watcher)
        marks.append(mark("end"))
    cores, machine = usable_cores(), os.cpu_count()
    print(
        f"{cores} cores, load {os.getloadavg()[0]:.1f}; Python and imports before the start: {marks[0].cpu:.2f} CPU-s"
    )
    for one, following in itertools.pairwise(marks[1:]):
        wall, cpu = following.wall - one.wall, following.cpu - one.cpu
        idle = (following.idle - one.idle) / (wall * machine)
        print(f"{one.stage:9} {wall:6.2f} s wall {cpu:7.2f} CPU-s, busy {cpu / (wall * cores):4.0%}, idle {idle:4.0%}")
    total = marks[-1].cpu
    print(f"encoders {report.encode_cpu_s:.1f} of {total:.1f} CPU-s: {report.encode_cpu_s / total:.1%}")
    for rendition in report.renditions.video:
        print(f"{rendition.name}: {rendition.average_bps / 1000:.0f} kb/s")


if __name__ == "__main__":
    main()
