"""AV1 against H.264: bits at equal VMAF (BD-rate) and CPU of the `netflix-av1` and `netflix` rungs up to 1080p.

    .venv/bin/python bench/av1_vs_h264.py CLIP [--keep FOLDER]

Both ladders are encoded in this run by the project's own line (plan, chunks, joins) from the same clip; quality is VMAF
of every --subsample-th frame at the size of the largest rung. CPU is of the encoders, decode and scaling included.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from per_title import bd_rate, made, show

from encoders.probe import inspect_master
from encoders.source import register_master
from profiles.load import load_profile
from profiles.models import VideoCodec
from profiles.select import choose_ladder
from telecine.settings import load_settings
from telecine.storage.local import LocalStore

LADDERS = {"netflix": VideoCodec.X264, "netflix-av1": VideoCodec.SVT_AV1}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--subsample", type=int, default=4)
    parser.add_argument("--keep", type=Path, help="folder whose encodes are used again (their CPU is not counted)")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="bench-"))
    store, work = LocalStore(folder / "store"), folder / "work"
    probe = inspect_master(register_master(str(options.clip), work), options.clip.resolve())
    points, cost = {}, {}
    for name, codec in LADDERS.items():
        ladder = choose_ladder(load_profile(name, load_settings(folder).catalogue_dir), probe)
        rungs = tuple(r for r in ladder.video if r.codec is codec and max(r.width, r.height) <= 1920)
        plan, renditions, cost[name] = made(
            probe, ladder.model_copy(update={"video": rungs}), {}, store, work, options.subsample
        )
        show(name[-6:], plan, renditions, store, work)
        points[name] = [(r.average_bps, r.quality.mean) for r in renditions]
    saved, low, high = bd_rate(points["netflix"], points["netflix-av1"])
    print(f"AV1 over H.264: BD-rate {saved:+.1%} over VMAF {low:.1f} to {high:.1f}")
    if all(cost.values()):
        print(
            f"AV1 over H.264: CPU {cost['netflix-av1'] / cost['netflix']:.3f} ({cost['netflix']:.0f} CPU-s for H.264)"
        )
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
