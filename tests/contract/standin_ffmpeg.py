"""A stand-in for an ffmpeg with an NVIDIA GPU: given by TELECINE_TOOL_FFMPEG, set up by a JSON file beside it.

It holds NVENC's side of the contract against what the real ffmpeg says of itself: every option of an NVENC output must
be one of that encoder's own (or of FFmpeg's encoders in general), values of named choices included, and more outputs
than sessions are refused as the driver refuses them. What it accepts is encoded by the CPU's encoder of the same codec,
with other coding tools than ours, so that outputs are real and differ from the CPU's. Everything else is the real one.
"""

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = {"-nostdin", "-copyts", "-y", "-noaccurate_seek", "-hide_banner"}
GENERAL = {
    "-map", "-f", "-b", "-bf", "-bsf", "-bufsize", "-c", "-enc_time_base", "-fflags", "-flags", "-fps_mode", "-g",
    "-map_chapters", "-map_metadata", "-maxrate", "-profile", "-tag", "-video_track_timescale", "-frames", "-pix_fmt",
}  # fmt: skip
CPU = {
    "h264_nvenc": ("libx264", "yuv420p", ("-preset", "ultrafast", "-sc_threshold", "0", "-keyint_min")),
    "hevc_nvenc": ("libx265", "yuv420p10le", ("-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params")),
    "av1_nvenc": ("libsvtav1", "yuv420p10le", ("-preset", "12", "-svtav1-params")),
}


def settings():
    return json.loads((HERE / "standin.json").read_text())


@functools.cache
def own_options(encoder):
    """Options of an encoder as the real ffmpeg lists them: name to the named values it takes (none: a number)."""
    said = subprocess.run([settings()["real"], "-h", f"encoder={encoder}"], capture_output=True, text=True, check=True)
    found, current = {}, ""
    for line in said.stdout.splitlines():
        if option := re.match(r"  (-\S+)\s+<(\w+)>", line):
            current = option[1]
            found[current] = set()
        elif value := re.match(r"     (\S+)\s+(-?\d+)\s+E\.\.V", line):
            found[current] |= {value[1], value[2]}
    return found


def refuse(message, status):
    sys.stderr.write(f"{message}\n")
    sys.exit(status)


def outputs(argv):
    """Split into what comes before the first output's options, and each output as (options, address)."""
    first = max((at for at, word in enumerate(argv) if word in {"-i", "-filter_complex"}), default=-2) + 2
    before, rest, made, options = argv[:first], argv[first:], [], []
    while rest:
        word = rest.pop(0)
        if word in FLAGS:
            options.append((word, None))
        elif word.startswith("-") and word != "-":
            options.append((word, rest.pop(0)))
        else:
            made.append((options, word))
            options = []
    return before, made, [word for pair in options for word in pair if word is not None]


def checked(options, encoder):
    own = own_options(encoder)
    for name, value in options:
        plain = name.partition(":")[0]
        if plain not in own and plain not in GENERAL and name not in FLAGS and plain != "-vf":
            refuse(f"Unrecognized option '{name}' for {encoder}.", 8)
        if own.get(plain) and value not in own[plain] and not re.fullmatch(r"[\d.]+", value):
            refuse(f'[{encoder}] Unable to parse "{plain}" option value "{value}"', 8)


def on_cpu(options, encoder):
    cpu, pixels, extra = CPU[encoder]
    given = dict(options)
    gop = given.get("-g", "48")
    kept = [
        (n, v) for n, v in options if n.partition(":")[0] in GENERAL and n not in {"-c:v", "-b:v", "-bf", "-profile:v"}
    ]
    words = [word for pair in kept for word in pair if word is not None]
    grid = {
        "libx264": [gop, "-coder", "0", "-refs", "1", "-bf", "0"],
        "libx265": [f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes=0:log-level=error"],
        "libsvtav1": ["lp=1"],
    }[cpu]
    return [*words, "-c:v", cpu, "-pix_fmt", pixels, *extra, *grid, "-crf", "30"]


def translated(words):
    text = "\n".join(words)
    text = re.sub(r"-hwaccel(_output_format)?\ncuda\n", "", text)
    text = re.sub(r"scale_cuda=format=\w+:h=(\d+):interp_algo=\w+:w=(\d+)", r"scale=w=\2:h=\1", text)
    text = re.sub(r"scale_cuda=w=(\d+):h=(\d+),hwdownload", r"scale=w=\1:h=\2", text)
    return text.replace("bwdif_cuda", "bwdif").split("\n")


def main():
    argv, known = sys.argv[1:], settings()
    with (HERE / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(argv) + "\n")
    text = "\n".join(argv)
    if not known["gpu"] or ("_nvenc" not in text and "-hwaccel" not in text):
        os.execv(known["real"], [known["real"], *argv])
    before, made, after = outputs(argv)
    on_gpu = [(options, dict(options).get("-c:v", "")) for options, _ in made]
    sessions = sum(encoder.endswith("_nvenc") for _, encoder in on_gpu)
    if sessions > known["sessions"]:
        refuse("[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10): (no details)", 187)
    if any(f"start_pts={start}" in text for start in known.get("refused_starts", [])):
        refuse("[h264_nvenc @ 0x1] EncodePicture failed!: generic error (20)", 187)
    if "-hwaccel" in argv and known.get("nvdec") is False:
        refuse("Impossible to convert between the formats supported by the filter and the filter 'auto_scale_0'", 218)
    command = list(translated(before)) if before else []
    for (options, address), (_, encoder) in zip(made, on_gpu, strict=True):
        if encoder in CPU:
            checked(options, encoder)
            command += on_cpu(options, encoder)
        else:
            command += translated([word for pair in options for word in pair if word is not None])
        command.append(address)
    os.execv(known["real"], [known["real"], *command, *after])


if __name__ == "__main__":
    main()
