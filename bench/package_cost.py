"""What packaging and verifying cost over encoding, for a three-rung title, all in one run of ``telecine make``.

    .venv/bin/python bench/package_cost.py CLIP [--minutes N] [--rounds 1] [--profile standard]

``--minutes`` loops the clip until it lasts so long: all of it is encoded, with the profile's own settings. The same
renditions are then packaged and verified once more without trick play and thumbnails, which tells what those cost.
Verification is said to run in parallel where FFmpeg keeps more than one core busy over the wall time of the stage.

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

from pipeline import steps
from pipeline.make import MakeWatcher, local_place, make
from pipeline.submission import request_from
from profiles.load import load_profile
from telecine.process import Command, run
from telecine.settings import load_settings, usable_cores
from telecine.tools import tool_path

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
    bare_package: float
    bare_verify: float


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


def looped(clip, minutes, folder):
    """The clip over and over, not encoded again, ``minutes`` long."""
    if not minutes:
        return clip
    target = folder / f"{clip.stem}-looped.mov"
    argv = (tool_path("ffmpeg"), "-nostdin", "-v", "error", "-stream_loop", "-1", "-i", str(clip), "-map", "0")
    run(Command((*argv, "-c", "copy", "-t", str(60 * minutes), str(target))))
    return target


def bare_costs(out, settings, report):
    """CPU of packaging and of verifying the same renditions, with neither trick play nor thumbnails."""
    place = local_place(settings, out / "bare")
    for rendition in report.renditions.renditions:
        made = out / "renditions" / f"{rendition.name}.mp4"
        place.work.put_file(rendition.key, made, content_type="video/mp4")
    packaging = load_profile("three", settings.catalogue_dir).packaging
    packaging = packaging.model_copy(update={"trick_play": False, "thumbnails": None})
    marks = [mark("package")]
    package = steps.package(place, report.title_id, packaging, report.renditions, report.accessories)
    marks.append(mark("verify"))
    steps.verify(place, package, report.renditions)
    marks.append(mark("end"))
    return [spent(*pair) for pair in itertools.pairwise(marks)]


def spent(one, after):
    return after.own - one.own + after.children - one.children


def measured(clip, profile, minutes):
    marks = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        catalogue = three_rungs(profile, folder / "catalogue")
        settings = load_settings(folder / "data").model_copy(update={"catalogue_dir": catalogue})
        master = looped(clip.resolve(), minutes, folder)
        request = request_from({"master_uri": str(master), "profile": "three"})
        watcher = MakeWatcher(stage=lambda stage: marks.append(mark(stage)), encode=lambda _: None)
        report = make(request, folder / "out", settings, watcher)
        marks.append(mark("end"))
        bare_package, bare_verify = bare_costs(folder / "out", settings, report)
    if len(report.renditions.video) != RUNGS:
        sys.exit(f"{len(report.renditions.video)} rungs were made where {RUNGS} were wanted: take a larger clip")
    at = {one.stage: (one, after) for one, after in itertools.pairwise(marks)}
    walls = {stage: after.wall - one.wall for stage, (one, after) in at.items()}
    packaging, verifying = at["package"], at["verify"]
    decode = verifying[1].children - verifying[0].children
    return Costs(
        encode=report.encode_cpu_s,
        package=spent(*packaging),
        judge=verifying[1].own - verifying[0].own,
        decode=decode,
        walls=walls,
        decode_busy=decode / (walls["verify"] * usable_cores()),
        bare_package=bare_package,
        bare_verify=bare_verify,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--minutes", type=float, default=0, help="loop the clip to so many; default: as it is")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    rounds = []
    for number in range(1, options.rounds + 1):
        found = measured(options.clip, options.profile, options.minutes)
        rounds.append(found)
        walls = found.walls
        print(
            f"round {number} (load {os.getloadavg()[0]:.1f}): "
            f"encode {found.encode:.1f} CPU-s in {walls['encode']:.1f} s; "
            f"package {found.package:.2f} CPU-s in {walls['package']:.1f} s; verify in {walls['verify']:.1f} s: "
            f"judging {found.judge:.2f} CPU-s, decoding {found.decode:.2f} CPU-s, {usable_cores()} cores busy "
            f"{found.decode_busy:.0%} with it, so {found.decode / walls['verify']:.2f} decoders at once; without trick "
            f"play and thumbnails package {found.bare_package:.2f}, verify {found.bare_verify:.2f} CPU-s",
            flush=True,
        )
    for name, ratio in (
        ("package and verify without decoding, over encode", lambda one: (one.package + one.judge) / one.encode),
        ("decode-verify over encode", lambda one: one.decode / one.encode),
        (
            "trick play and thumbnails, packaged and verified, over encode",
            lambda one: (one.package + one.judge + one.decode - one.bare_package - one.bare_verify) / one.encode,
        ),
        (
            "wall of package and verify over wall of encode",
            lambda one: (one.walls["package"] + one.walls["verify"]) / one.walls["encode"],
        ),
    ):
        print(f"{name}: {statistics.median(map(ratio, rounds)):.3f}")


if __name__ == "__main__":
    main()
