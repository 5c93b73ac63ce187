"""Masters whose every frame is told by its brightness, made with the real ffmpeg."""

import subprocess
import sys
from pathlib import Path

from encoders.assemble import assemble
from encoders.plan import plan_encode
from encoders.probe import inspect_master
from encoders.qualify import qualify
from encoders.source import register_master
from encoders.work import encode, toolchain
from profiles.models import Profile
from profiles.select import choose_ladder
from telecine.storage.local import LocalStore
from telecine.tools import tool_path

STEP, LEVELS, DARKEST = 37, 200, 20
"""Frame n has brightness DARKEST + (n * STEP) % LEVELS: neighbours differ by far more than an encoder blurs."""


def python_script(path: Path, text: str) -> Path:
    """An executable of this Python; found by a shell, since the first line of a script bears no space in a path."""
    path.write_text(f"""#!/bin/sh
'''exec' "{sys.executable}" "$0" "$@"
' '''
{text}""")
    path.chmod(0o755)
    return path


def brightness(frame: int) -> int:
    return DARKEST + (frame * STEP) % LEVELS


def ffmpeg(*arguments: str) -> bytes:
    command = [tool_path("ffmpeg"), "-v", "error", "-nostdin", "-y", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def numbered_clip(
    path: Path, *, rate="24", seconds="6", size="160x90", video=(), select="", sound=(), output=()
) -> Path:
    """A clip of numbered frames; ``sound`` are input arguments of its sound, ``output`` ones of the container."""
    picture = f"nullsrc=s={size}:r={rate}:d={seconds},format=gray,geq=lum='{DARKEST}+mod(N*{STEP},{LEVELS})'"
    picture += f",{select}" if select else ""
    arguments = ["-f", "lavfi", "-i", f"{picture},format=yuv420p", *sound]
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "10", *video, "-c:a", "aac"]
    ffmpeg(*arguments, *coding, *output, str(path))
    return path


def shown_brightness(path: Path, size="160x90") -> list[int]:
    """Mean brightness of every frame of a video."""
    width, height = (int(part) for part in size.split("x"))
    raw = ffmpeg(
        "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"
    )
    frame = width * height
    assert len(raw) % frame == 0
    return [sum(raw[at : at + frame]) // frame for at in range(0, len(raw), frame)]


def samples_of(path: Path, seconds_hertz=48_000) -> list[int]:
    """First channel of a sound file as 16-bit samples."""
    raw = ffmpeg("-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar", str(seconds_hertz), "-f", "s16le", "-")
    return list(memoryview(raw).cast("h"))


def planned(path: Path, folder: Path, profile: Profile, *, chunk_seconds: int, threads: int = 1):
    """The plan of a master that qualifies."""
    probe = inspect_master(register_master(str(path), folder / "work"), path)
    allowed = profile.source_checks.decode_errors.allows_any
    qualify(probe, picture=bool(profile.video), damage_allowed=allowed)
    ladder = choose_ladder(profile, probe)
    return plan_encode(probe, ladder, chunk_seconds=chunk_seconds, threads=threads, toolchain=toolchain())


def released(path: Path, folder: Path, profile: Profile, **asked):
    """Plan, renditions and store of a master, every job encoded."""
    plan, store = planned(path, folder, profile, **asked), LocalStore(folder / "store")
    for job in plan.jobs:
        encode(job, path, store, folder / "work")
    return plan, assemble(plan, store, folder / "work"), store
