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
import sys
import tempfile
from pathlib import Path

from pairing import in_turn, measured, print_ratios

from encoders.command import audio_command, video_command
from encoders.documents import AudioJob, VideoJob
from encoders.plan import plan_encode
from encoders.work import toolchain
from pipeline.make import plan_only
from pipeline.submission import request_from
from telecine.settings import load_settings
from telecine.tools import tool_path


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


def make_in(folder, clip):
    def run(number):
        env = {**os.environ, "TELECINE_DATA_DIR": str(folder / f"data-{number}")}
        telecine = str(Path(sys.executable).parent / "telecine")
        return measured([[telecine, "make", str(clip), str(folder / f"out-{number}")]], env)

    return run


def hand_in(folder, lines):
    def run(_):
        shutil.rmtree(folder / "hand", ignore_errors=True)
        (folder / "hand").mkdir()
        return measured(lines)

    return run


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
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        lines = list(by_hand(plan, options.clip.resolve(), folder / "hand"))
        if options.show:
            print(*(" ".join(argv) for argv in lines), sep="\n")
        rounds = in_turn({"telecine": make_in(folder, options.clip), "by hand": hand_in(folder, lines)}, options.rounds)
        print_ratios(list(rounds), "telecine")
    shutil.rmtree(settings.data_dir, ignore_errors=True)


if __name__ == "__main__":
    main()
