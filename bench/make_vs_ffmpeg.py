"""``telecine make`` against the same ffmpeg run by hand with the same settings: CPU and wall, paired in one run.

    .venv/bin/python bench/make_vs_ffmpeg.py CLIP [--rounds 3] [--hand-threads N]

The hand-written side runs ffmpeg once over the whole clip with the very filter graph and encoder settings of the plan
(printed with --show), sound at the same time, and stops there: it does not inspect, join, encrypt, package or verify.
--hand-threads gives its encoders other threads than ours have; 0 lets ffmpeg choose. Rounds run one after the other,
alternating which side is first; figures are of whole process trees (wait4), and only ratios are claimed.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from encoders.command import audio_command, video_command
from encoders.documents import AudioJob, VideoJob
from encoders.plan import plan_encode
from encoders.work import toolchain
from pipeline.make import plan_only
from pipeline.submission import request_from
from telecine.settings import load_settings
from telecine.tools import tool_path


def measured(commands, env=None):
    """Wall seconds of commands run at once, CPU seconds of them and their children, peak RSS in MiB of the largest."""
    began = time.monotonic()
    children = [
        subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for argv in commands
    ]
    cpu, rss = 0.0, 0.0
    for child in children:
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            sys.exit(f"{child.args[0]} failed with status {os.waitstatus_to_exitcode(status)}")
        cpu, rss = cpu + usage.ru_utime + usage.ru_stime, max(rss, usage.ru_maxrss / 1024)
    return time.monotonic() - began, cpu, rss


def by_hand(plan, clip, folder):
    """The argv of each encode of the plan, writing into a folder; the only chunk is the whole clip."""
    for job in plan.jobs:
        targets = [(output, folder / f"{output.rung.name}.mp4") for output in job.outputs]
        match job:
            case VideoJob():
                command = video_command(job, clip, targets, None)
            case AudioJob():
                command = audio_command(job, clip, targets)
        yield [tool_path("ffmpeg"), *command[1:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hand-threads", type=int, help="threads of the hand-written encoders; 0: ffmpeg chooses")
    parser.add_argument("--show", action="store_true", help="print the hand-written command lines")
    options = parser.parse_args()
    settings = load_settings(Path(tempfile.mkdtemp(prefix="bench-")))
    ours = plan_only(request_from({"master_uri": str(options.clip)}), settings)
    whole = 24 * 3600
    threads = settings.encode_threads if options.hand_threads is None else options.hand_threads
    plan = plan_encode(ours.probe, ours.ladder, chunk_seconds=whole, threads=threads, toolchain=toolchain())
    telecine = Path(sys.executable).parent / "telecine"
    ratios = []
    for number in range(1, options.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            lines = list(by_hand(plan, options.clip.resolve(), folder))
            if options.show and number == 1:
                print(*(" ".join(argv) for argv in lines), sep="\n")
            env = {**os.environ, "TELECINE_DATA_DIR": str(folder / "data")}
            sides = {
                "hand": lambda lines=lines: measured(lines),
                "make": lambda folder=folder, env=env: measured(
                    [[str(telecine), "make", str(options.clip), str(folder / "out")]], env
                ),
            }
            order = ("hand", "make") if number % 2 else ("make", "hand")
            found = {side: sides[side]() for side in order}
            hand, made = found["hand"], found["make"]
            ratios.append((made[0] / hand[0], made[1] / hand[1]))
            print(
                f"round {number}: by hand {hand[0]:.1f} s wall, {hand[1]:.1f} CPU-s, {hand[2]:.0f} MiB; "
                f"telecine make {made[0]:.1f} s wall, {made[1]:.1f} CPU-s, {made[2]:.0f} MiB; "
                f"ratio wall {ratios[-1][0]:.3f}, CPU {ratios[-1][1]:.3f}",
                flush=True,
            )
    shutil.rmtree(settings.data_dir, ignore_errors=True)
    print(
        f"median ratio: wall {statistics.median(r[0] for r in ratios):.3f}, "
        f"CPU {statistics.median(r[1] for r in ratios):.3f}"
    )


if __name__ == "__main__":
    main()
