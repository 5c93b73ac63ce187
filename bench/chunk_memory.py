"""Peak resident memory of one chunk's encoder, measured, beside what the plan reckons with.

    .venv/bin/python bench/chunk_memory.py [--frames 64] [--only x265] [--size 3840x2160]

Each line is one ffmpeg over a made clip of that size, one rung of that codec at the catalogue's usual preset and the
very argument list of the plan; RSS is that of the process (wait4). The clip is longer than the encoders look ahead, so
the peak does not rise with its length. ``ratio`` is measured over reckoned: at most 1, or the model is wrong.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from encoders.command import video_command
from encoders.memory import job_memory
from encoders.plan import plan_encode
from encoders.probe import inspect_master
from encoders.source import register_master
from profiles.models import Profile, VideoCodec, VideoRung
from profiles.select import choose_ladder
from telecine.tools import tool_path

PRESETS = {VideoCodec.X264: "slow", VideoCodec.X265: "medium", VideoCodec.VP9: "3", VideoCodec.SVT_AV1: "8"}
SIZES = ("854x480", "1280x720", "1920x1080", "3840x2160")
HDR = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-color_range", "tv")


def a_clip(folder, size, frames, *, hdr):
    path = folder / f"{size}{'-hdr' if hdr else ''}.mp4"
    if not path.exists():
        source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=24,noise=alls=6:allf=t", "-frames:v", str(frames)]
        coding = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-pix_fmt"]
        coding += ["yuv420p10le", *HDR] if hdr else ["yuv420p"]
        subprocess.run([tool_path("ffmpeg"), "-v", "error", *source, *coding, str(path)], check=True)
    return path


def a_job(clip, folder, rungs):
    probe = inspect_master(register_master(str(clip), folder), clip)
    profile = Profile(name="bench", summary="", video=rungs, audio=())
    ladder = choose_ladder(profile, probe)
    return plan_encode(probe, ladder, chunk_seconds=3600, threads=1, toolchain="bench").jobs[0]


def measured(job, clip, folder):
    targets = [(output, folder / f"{output.rung.name}.mp4") for output in job.outputs]
    argv = video_command(job, clip, targets, None)
    child = subprocess.Popen([tool_path("ffmpeg"), *argv[1:], "-y"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"ffmpeg ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def rung(codec, size, dynamic_range="sdr"):
    width, height = map(int, size.split("x"))
    name = f"{height}-{codec}-{dynamic_range}"
    return VideoRung(
        name=name, codec=codec, width=width, height=height, crf=26, max_bps=16_000_000,
        preset=PRESETS[codec], dynamic_range=dynamic_range,
    )  # fmt: skip


def cases(options):
    for codec in VideoCodec:
        for size in SIZES:
            if codec in (options.only or codec) and size in (options.size or size):
                yield f"{codec} {size}", False, size, (rung(codec, size),)
    if not options.only and not options.size:
        ladder = (
            rung(VideoCodec.X265, "3840x2160", "source"),
            rung(VideoCodec.X264, "1920x1080"),
            rung(VideoCodec.X264, "1280x720"),
        )
        yield "4K HDR: x265 2160p, tone-mapped x264 1080p and 720p", True, "3840x2160", ladder


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--only", help="one codec")
    parser.add_argument("--size", help="one size")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        for label, hdr, size, rungs in cases(options):
            clip = a_clip(folder, size, options.frames, hdr=hdr)
            job = a_job(clip, folder, rungs)
            peak, cpu = measured(job, clip, folder)
            reckoned = job_memory(job)
            print(
                f"{label}: {peak / 2**20:.0f} MiB measured, {reckoned / 2**20:.0f} MiB reckoned, "
                f"ratio {peak / reckoned:.2f} ({cpu:.0f} CPU-s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
