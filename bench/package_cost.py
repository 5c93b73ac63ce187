"""What packaging and verifying cost over encoding, for a three-rung title, all in one run of ``telecine make``.

    .venv/bin/python bench/package_cost.py CLIP [--rounds 1] [--profile standard]

CPU of this process and all its children (getrusage). What FFmpeg takes to decrypt, decode and compare every frame is
told apart from reading, fetching and judging, which is this process's own. With ``--rounds`` above 1: medians.
"""

import argparse
import itertools
import os
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.make import MakeWatcher, make
from pipeline.submission import request_from
from profiles.load import load_profile
from telecine.settings import load_settings, usable_cores

RUNGS = 3


@dataclass(frozen=True, slots=True)
class Mark:
    stage: str
    wall: float
    own: float
    children: float


@dataclass(frozen=True, slots=True)
class Costs:
    encode: float
    package: float
    judge: float
    decode: float
    walls: dict[str, float]
    decode_busy: float


def mark(stage):
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Mark(stage, time.monotonic(), own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime)


def three_rungs(name, folder):
    """The profile with its three largest rungs of video, as a catalogue of its own."""
    profile = load_profile(name, None)
    rungs = sorted(profile.video, key=lambda rung: -rung.width * rung.height)[:RUNGS]
    changed = profile.model_copy(update={"name": "three", "video": tuple(rungs)})
    folder.mkdir()
    (folder / "three.yaml").write_text(changed.model_dump_json(exclude_none=True))
    return folder


def measured(clip, profile):
    marks = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        catalogue = three_rungs(profile, folder / "catalogue")
        settings = load_settings(folder / "data").model_copy(update={"catalogue_dir": catalogue})
        request = request_from({"master_uri": str(clip.resolve()), "profile": "three"})
        watcher = MakeWatcher(stage=lambda stage: marks.append(mark(stage)), encode=lambda _: None)
        report = make(request, folder / "out", settings, watcher)
        marks.append(mark("end"))
    if len(report.renditions.video) != RUNGS:
        sys.exit(f"{len(report.renditions.video)} rungs were made where {RUNGS} were wanted: take a larger clip")
    at = {one.stage: (one, after) for one, after in itertools.pairwise(marks)}
    walls = {stage: after.wall - one.wall for stage, (one, after) in at.items()}
    packaging, verifying = at["package"], at["verify"]
    decode = verifying[1].children - verifying[0].children
    return Costs(
        encode=report.encode_cpu_s,
        package=sum(getattr(packaging[1], who) - getattr(packaging[0], who) for who in ("own", "children")),
        judge=verifying[1].own - verifying[0].own,
        decode=decode,
        walls=walls,
        decode_busy=decode / (walls["verify"] * usable_cores()),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    rounds = []
    for number in range(1, options.rounds + 1):
        found = measured(options.clip, options.profile)
        rounds.append(found)
        walls = found.walls
        print(
            f"round {number} (load {os.getloadavg()[0]:.1f}): "
            f"encode {found.encode:.1f} CPU-s in {walls['encode']:.1f} s; "
            f"package {found.package:.2f} CPU-s in {walls['package']:.1f} s; verify in {walls['verify']:.1f} s: "
            f"judging {found.judge:.2f} CPU-s, decoding {found.decode:.2f} CPU-s, cores busy {found.decode_busy:.0%}"
        )
    for name, ratio in (
        ("package and verify without decoding, over encode", lambda one: (one.package + one.judge) / one.encode),
        ("decode-verify over encode", lambda one: one.decode / one.encode),
        (
            "wall of package and verify over wall of encode",
            lambda one: (one.walls["package"] + one.walls["verify"]) / one.walls["encode"],
        ),
    ):
        print(f"{name}: {statistics.median(map(ratio, rounds)):.3f}")


if __name__ == "__main__":
    main()
