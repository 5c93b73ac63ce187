"""The 4K HDR ladder: one ffmpeg for all rungs of a chunk against one ffmpeg a rung, CPU and peak RSS.

    .venv/bin/python bench/uhd_one_decode.py UHD_HDR_CLIP [--frames 24] [--rungs 2160p-hevc,1080p,720p,480p]

Both sides encode the first frames with the settings and filters of the plan; alone, a rung decodes and tone-maps by
itself. It does so at its own size, or with --map-at source as the line does that everybody copies: tone-map what was
decoded, then scale. --rungs none encodes nothing (raw pictures to nowhere): what decoding and mapping alone cost.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from pairing import measured

from encoders.command import video_command
from pipeline.make import plan_only
from pipeline.submission import request_from
from telecine.settings import load_settings
from telecine.tools import tool_path


def argv_of(job, outputs, clip, folder, *, encode, map_at=None):
    folder.mkdir()
    targets = [(output, folder / f"{output.rung.name}.mp4") for output in outputs]
    known = [*outputs]
    if map_at and outputs[0].rung.dynamic_range == "sdr":
        # an SDR rung of that size that is planned but not asked for: where mapping is done
        size = {"width": map_at[0], "height": map_at[1]}
        known.append(outputs[0].model_copy(update={"rung": outputs[0].rung.model_copy(update=size)}))
    command = video_command(job.model_copy(update={"outputs": tuple(known)}), clip, targets, None)
    argv = [tool_path("ffmpeg"), *command[1:]]
    return argv if encode else unencoded(argv)


def unencoded(argv):
    """The same graph with every encoder taken out: options of outputs follow their -map."""
    first = argv.index("-map")
    graph, labels = argv[:first], [argv[n + 1] for n, word in enumerate(argv) if word == "-map"]
    sinks = [word for label in labels for word in ("-map", label, "-c:v", "wrapped_avframe", "-f", "null", "-")]
    return [*graph, *sinks, "-copyts", "-filter_complex_threads", "1"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--rungs", help="names, with commas; default: all that the netflix profile gives the clip")
    parser.add_argument("--map-at", choices=("rung", "source"), default="rung")
    options = parser.parse_args()
    clip = options.clip.resolve()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        plan = plan_only(request_from({"master_uri": str(clip), "profile": "netflix"}), load_settings(folder / "d"))
        job = next(job for job in plan.jobs if job.kind == "video")
        end = job.chunk.start + options.frames
        job = job.model_copy(update={"chunk": job.chunk.model_copy(update={"end": end})})
        encode = options.rungs != "none"
        wanted = options.rungs.split(",") if options.rungs and encode else [o.rung.name for o in job.outputs]
        outputs = [output for output in job.outputs if output.rung.name in wanted]
        if not outputs:
            sys.exit(f"The plan has no rung of {wanted}, but {[o.rung.name for o in job.outputs]}.")
        together = measured([argv_of(job, outputs, clip, folder / "all", encode=encode)])
        size = (job.track.width, job.track.height) if options.map_at == "source" else None
        alone = {
            o.rung.name: measured([argv_of(job, [o], clip, folder / o.rung.name, encode=encode, map_at=size)])
            for o in outputs
        }
    apart = sum(cost.cpu for cost in alone.values())
    print(f"{options.frames} frames, load {os.getloadavg()[0]:.1f}")
    for rung, cost in alone.items():
        print(f"{rung} alone: {cost}")
    print(f"together: {together}; one a rung: {apart:.1f} CPU-s; ratio {together.cpu / apart:.3f}")


if __name__ == "__main__":
    main()
