"""Per-title and per-shot ladders against the fixed one: bits at equal VMAF (BD-rate), and what the analysis costs.

    .venv/bin/python bench/per_title.py CLIP [--profile netflix] [--codec x264] [--modes title shot] [--keep FOLDER]

Encodes the profile's SDR rungs of one codec three times with the project's own line (plan, chunks, joins): as the
catalogue says (CRFs under caps), per title, per shot; and by hand as fixed ladders usually are, at the caps as average
rates. Quality is VMAF of every --subsample-th frame at the size of the largest rung. The
BD-rate integrates the difference of log bits over the VMAF range both ladders reach (piecewise cubic through the
rungs, as in ITU-T work; negative: fewer bits). --keep makes encodes look-ups when run again.
"""

import argparse
import math
import shutil
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from pairing import measured, vmaf

from encoders.assemble import assemble
from encoders.complexity.analyse import Bench, analyse
from encoders.complexity.hull import fitted
from encoders.documents import VideoJob
from encoders.plan import plan_encode
from encoders.probe import inspect_master
from encoders.quality import measure
from encoders.source import register_master
from encoders.verify import read_samples
from encoders.work import encode, toolchain
from profiles.load import load_profile
from profiles.per_title import PerTitle
from profiles.select import choose_ladder
from telecine.settings import load_settings, usable_cores
from telecine.storage.local import LocalStore
from telecine.tools import tool_path


def made(probe, ladder, shots, store, folder, subsample):
    """Renditions of the ladder's pictures with their quality, and the CPU seconds of encoding."""
    plan = plan_encode(
        probe, ladder.model_copy(update={"audio": ()}), chunk_seconds=30, threads=1, toolchain=toolchain(), shots=shots
    )
    source = Path(probe.master.uri.removeprefix("file://"))
    jobs = [job for job in plan.jobs if isinstance(job, VideoJob)]
    with ThreadPoolExecutor(usable_cores()) as pool:
        done = list(pool.map(lambda job: encode(job, source, store, folder), jobs))
    renditions = measure(plan, assemble(plan, store, folder), source, store, folder, subsample=subsample)
    return plan, renditions.video, sum(chunk.cpu_s for chunk in done)


def pchip(xs, ys):
    """Slopes of the piecewise cubic through rising xs (Fritsch and Carlson), and a function to evaluate it."""
    h = [b - a for a, b in pairwise(xs)]
    d = [(b - a) / step for (a, b), step in zip(pairwise(ys), h, strict=True)]
    m = [d[0], *(0.0 if a * b <= 0 else 2 * a * b / (a + b) for a, b in pairwise(d)), d[-1]]

    def at(x):
        k = max(i for i in range(len(h)) if i == 0 or xs[i] <= x)
        t = (x - xs[k]) / h[k]
        return (
            ys[k] * (1 + 2 * t) * (1 - t) ** 2 + h[k] * m[k] * t * (1 - t) ** 2
            + ys[k + 1] * t * t * (3 - 2 * t) + h[k] * m[k + 1] * t * t * (t - 1)
        )  # fmt: skip

    return at


def bd_rate(anchor, test):
    """Mean difference of log bits over the common VMAF range, as a share; points are (bps, vmaf)."""
    a, t = sorted(anchor, key=lambda p: p[1]), sorted(test, key=lambda p: p[1])
    low, high = max(a[0][1], t[0][1]), min(a[-1][1], t[-1][1])
    fa, ft = (pchip([v for _, v in side], [math.log(b) for b, _ in side]) for side in (a, t))
    steps = [low + (high - low) * (n + 0.5) / 400 for n in range(400)]
    return math.exp(statistics.fmean(ft(v) - fa(v) for v in steps)) - 1, low, high


def peak_of_segments(rendition, store, folder, segment_frames):
    """Largest share of its cap that a delivery segment takes."""
    path = folder / "peak.mp4"
    store.get_file(rendition.key, path)
    samples = read_samples(path)
    sizes = [size * 8 for _, size in sorted(zip(samples.pts, samples.sizes, strict=True))]
    rate = float(rendition.frame_rate.fraction)
    path.unlink()
    return max(
        sum(part) * rate / len(part)
        for part in (sizes[n : n + segment_frames] for n in range(0, len(sizes), segment_frames))
    )


def nominal(clip, plan, subsample, folder):
    """The ladder as it is usually made: each rung's cap as its average rate for every title (ABR, peaks within 7 %)."""
    made, gop = [], str(plan.ladder.gop_frames)
    for rung in plan.ladder.video:
        rate, path = rung.max_bps, folder / f"nominal-{rung.name}.mp4"
        picture = ["-vf", f"scale={rung.width}:{rung.height}:flags=bicubic,setsar=1,format=yuv420p", "-an"]
        caps = ["-b:v", str(rate), "-maxrate", str(rate * 107 // 100), "-bufsize", str(rate * 3 // 2)]
        fixed = ["-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-preset", rung.preset, "-c:v", "libx264"]
        measured([[tool_path("ffmpeg"), "-v", "error", "-y", "-i", str(clip), *picture, *fixed, *caps, str(path)]])
        made.append(path)
    size = max((rung.width, rung.height) for rung in plan.ladder.video)
    return vmaf(clip, made, size, subsample, folder)


def show(name, plan, renditions, store, folder):
    caps = {rung.name: rung for rung in plan.ladder.video}
    for r in renditions:
        peak = peak_of_segments(r, store, folder, plan.ladder.segment_frames)
        print(
            f"{name:6} {r.name:10} {r.width}x{r.height} crf {caps[r.name].crf:5.2f} {r.average_bps / 1e3:7.0f} kb/s  "
            f"VMAF {r.quality.mean:6.2f} (5th percentile {r.quality.percentile_5:6.2f})  "
            f"largest segment {peak / caps[r.name].max_bps:.2f} of its cap"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--profile", default="netflix")
    parser.add_argument("--codec", default="x264")
    parser.add_argument("--modes", nargs="+", default=["title", "shot"], choices=["title", "shot"])
    parser.add_argument("--subsample", type=int, default=4)
    parser.add_argument("--keep", type=Path, help="folder whose encodes are used again")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="bench-"))
    store, work = LocalStore(folder / "store"), folder / "work"
    probe = inspect_master(register_master(str(options.clip), work), options.clip.resolve())
    profile = load_profile(options.profile, load_settings(folder).catalogue_dir)
    ladder = choose_ladder(profile, probe)
    rungs = tuple(r for r in ladder.video if r.codec == options.codec and r.dynamic_range == "sdr")
    ladder = ladder.model_copy(update={"video": rungs})
    plan, fixed, encode_cpu_s = made(probe, ladder, {}, store, work, options.subsample)
    show("fixed", plan, fixed, store, work)
    anchor = [(r.average_bps, r.quality.mean) for r in fixed]
    usual = nominal(options.clip.resolve(), plan, options.subsample, work) if options.codec == "x264" else []
    for seen, rung in zip(usual, ladder.video, strict=False):
        print(f"rates  {rung.name:10} {rung.width}x{rung.height} average {rung.max_bps / 1e6:g} Mb/s asked: {seen}")
    for mode in options.modes:
        bench = Bench(options.clip.resolve(), store, work, at_once=usable_cores(), toolchain=toolchain())
        report = analyse(probe, ladder, PerTitle(mode=mode), bench)
        chosen, shots = fitted(ladder, report)
        plan, renditions, cpu_s = made(probe, chosen, shots, store, work, options.subsample)
        show(mode, plan, renditions, store, work)
        ours = [(r.average_bps, r.quality.mean) for r in renditions]
        saved, low, high = bd_rate(anchor, ours)
        worse = [
            r.name for r, f in zip(renditions, fixed, strict=True) if r.quality.percentile_5 < f.quality.percentile_5
        ]
        share = f"{report.cpu_s / encode_cpu_s:.3f} of the fixed ladder's" if encode_cpu_s else "encodes were kept"
        print(f"{mode}: BD-rate {saved:+.1%} against the catalogue's capped CRF, VMAF {low:.1f} to {high:.1f}")
        if usual:
            saved, low, high = bd_rate([(seen.bps, seen.mean) for seen in usual], ours)
            print(f"{mode}: BD-rate {saved:+.1%} against the same rungs at fixed rates, VMAF {low:.1f} to {high:.1f}")
        print(f"{mode}: analysis {report.cpu_s:.1f} CPU-s ({share})")
        print(
            f"{mode}: encode {cpu_s:.0f} CPU-s; 5th percentile below the fixed ladder's: {', '.join(worse) or 'none'}"
        )
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
