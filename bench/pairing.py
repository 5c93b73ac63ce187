"""What the paired benchmarks share: a command's cost, sides taken in turn, one yardstick of quality for all."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from telecine.tools import tool_path


@dataclass(frozen=True, slots=True)
class Cost:
    """Of commands run at once: wall seconds, CPU seconds of them and their children, RSS in MiB of the largest."""

    wall: float
    cpu: float
    rss: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} s wall, {self.cpu:.1f} CPU-s, {self.rss:.0f} MiB"


def measured(commands: Sequence[Sequence[str]], env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Cost:
    """Run commands side by side to their end; the first failure ends the benchmark with the end of what it said."""
    began = time.monotonic()
    children = [
        subprocess.Popen(argv, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for argv in commands
    ]
    cpu, rss = 0.0, 0.0
    for child in children:
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            last = said.decode(errors="replace")[-2000:]
            sys.exit(f"{child.args[0]} failed with status {os.waitstatus_to_exitcode(status)}: {last}")
        cpu, rss = cpu + usage.ru_utime + usage.ru_stime, max(rss, usage.ru_maxrss / 1024)
    return Cost(time.monotonic() - began, cpu, rss)


def in_turn(sides: Mapping[str, Callable[[int], Cost]], rounds: int) -> Iterator[dict[str, Cost]]:
    """Each round runs every side once; every other round in the opposite order, so that no side is always first."""
    for number in range(1, rounds + 1):
        order = list(sides) if number % 2 else list(reversed(sides))
        found = {side: sides[side](number) for side in order}
        load = f"load {os.getloadavg()[0]:.1f}"
        print(f"round {number} ({load}): " + "; ".join(f"{side} {found[side]}" for side in sides), flush=True)
        yield found


def print_ratios(rounds: Sequence[Mapping[str, Cost]], ours: str) -> None:
    """Median over the rounds of our cost over each other side's cost in the same round."""
    for other in (side for side in rounds[0] if side != ours):
        wall = [found[ours].wall / found[other].wall for found in rounds]
        cpu = [found[ours].cpu / found[other].cpu for found in rounds]
        each = ", ".join(f"{w:.2f}/{c:.2f}" for w, c in zip(wall, cpu, strict=True))
        print(
            f"{ours} over {other}: wall {statistics.median(wall):.3f}, CPU {statistics.median(cpu):.3f} "
            f"(median; each round, wall/CPU: {each})"
        )


class Seen(NamedTuple):
    """A rendition: bits a second, mean VMAF and its 5th percentile."""

    bps: float
    mean: float
    fifth: float

    def __str__(self) -> str:
        return f"{self.bps / 1000:.0f} kb/s VMAF {self.mean:.2f} (5th percentile {self.fifth:.2f})"


def vmaf(clip: Path, renditions: Sequence[Path], size: tuple[int, int], subsample: int, folder: Path) -> list[Seen]:
    """VMAF of each rendition, frame by number, scaled up to ``size``."""
    # one name of colour on both sides: where a source names none, a filter of two inputs would convert one of them
    named = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    scaled = f"scale={size[0]}:{size[1]}:flags=bicubic+accurate_rnd,setsar=1,format=yuv420p,{named}"
    inputs = [word for path in (clip, *renditions) for word in ("-i", str(path))]
    count = len(renditions)
    graph = [f"[0:v:0]{scaled},settb=AVTB,setpts=N,split={count}" + "".join(f"[r{n}]" for n in range(count))]
    for n in range(count):
        graph.append(f"[{n + 1}:v:0]settb=AVTB,setpts=N,{scaled}[m{n}]")
        options = f"model=version=vmaf_v0.6.1:log_fmt=json:log_path={n}.json:n_subsample={subsample}:n_threads=2"
        graph.append(f"[m{n}][r{n}]libvmaf={options}:shortest=1[o{n}]")
    maps = [word for n in range(count) for word in ("-map", f"[o{n}]", "-f", "null", "-")]
    argv = [tool_path("ffmpeg"), "-v", "error", "-nostdin", *inputs, "-filter_complex", ";".join(graph), *maps]
    subprocess.run(argv, cwd=folder, check=True)
    return [_quality(path, folder / f"{n}.json") for n, path in enumerate(renditions)]


def _quality(path: Path, log: Path) -> Seen:
    frames = json.loads(log.read_text())["frames"]
    scores = sorted(frame["metrics"]["vmaf"] for frame in frames if "vmaf" in frame["metrics"])
    fifth = scores[max(0, -(-5 * len(scores) // 100) - 1)]
    return Seen(kilobits(path) * 1000, statistics.fmean(scores), fifth)


def kilobits(path: Path) -> float:
    """Average rate of the video samples of a file."""
    entries = ("-show_entries", "packet=size:stream=r_frame_rate", "-of", "json")
    argv = [tool_path("ffprobe"), "-v", "error", "-select_streams", "v:0", *entries, str(path)]
    found = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    numerator, denominator = found["streams"][0]["r_frame_rate"].split("/")
    sizes = [int(packet["size"]) for packet in found["packets"]]
    return sum(sizes) * 8 / (len(sizes) * int(denominator) / int(numerator)) / 1000
