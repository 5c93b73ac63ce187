"""What looking at a whole master costs: CPU of its examination and of its inspection against that of its encode.

    .venv/bin/python bench/examine_cost.py CLIP [--profile standard] [--rounds 1]

Inspection reads every packet and looks at sampled windows before the plan; the examination decodes everything once,
beside the encode. All are run on the same clip one after the other, in one process tree, and only ratios are claimed.
"""

import argparse
import resource
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from encoders.examine import examine
from encoders.probe import inspect_master
from encoders.work import encode
from pipeline.make import plan_only
from pipeline.submission import request_from
from profiles.load import load_profile
from telecine.settings import load_settings
from telecine.storage.local import LocalStore


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of all children that ``work`` waits for."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    work()
    return spent() - before


def measured(clip: Path, profile: str, folder: Path) -> tuple[float, float, float]:
    """CPU seconds of inspection, examination and encode of one clip, all made anew in ``folder``."""
    checks, store = load_profile(profile).source_checks, LocalStore(folder / "store")
    plan = plan_only(request_from({"master_uri": str(clip), "profile": profile}), load_settings(folder))
    looked = cpu_s(lambda: inspect_master(plan.master, clip))
    examined = cpu_s(lambda: examine(plan.probe, clip, checks, folder, every_picture=False))
    encoded = cpu_s(lambda: [encode(job, clip, store, folder) for job in plan.jobs])
    return looked, examined, encoded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    ratios = []
    for number in range(1, options.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            looked, examined, encoded = measured(options.clip.resolve(), options.profile, Path(name))
        ratios.append((looked / encoded, examined / encoded))
        print(
            f"round {number}: encode {encoded:.1f} CPU-s, inspection {looked:.2f} ({looked / encoded:.2%}), "
            f"examination {examined:.2f} ({examined / encoded:.2%})",
            flush=True,
        )
    print(
        f"median of the encode's CPU: inspection {statistics.median(r[0] for r in ratios):.2%}, "
        f"examination {statistics.median(r[1] for r in ratios):.2%}"
    )


if __name__ == "__main__":
    main()
