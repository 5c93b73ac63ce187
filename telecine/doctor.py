"""What this machine has and can do, checked by doing it."""

import importlib.metadata
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from telecine.document import Document
from telecine.errors import MissingRequirement, ToolFailed, Unavailable
from telecine.process import Command, run
from telecine.settings import Settings, clone_root
from telecine.tools import tool_path

__all__ = ["Check", "DoctorReport", "diagnose"]

_VERSIONS = {
    "ffmpeg": ("-version",),
    "ffprobe": ("-version",),
    "packager": ("--version",),
    "weed": ("version",),
    "caddy": ("version",),
    "redis-server": ("--version",),
    "node": ("--version",),
}
_NEEDED_ENCODERS = ("libx264", "aac")
_OTHER_ENCODERS = ("libx265", "libsvtav1", "libvpx-vp9", "h264_nvenc", "hevc_nvenc", "av1_nvenc")
_DISK_BYTES = 6 << 30


class Check(Document):
    """One finding; ``needed`` ones decide the verdict, the others are good to know."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    needed: bool = True


class DoctorReport(Document):
    """All findings."""

    ok: bool
    checks: tuple[Check, ...]


def diagnose(settings: Settings) -> DoctorReport:
    """Check everything, a few things at a time; changes nothing."""
    with ThreadPoolExecutor(2) as pool:
        tools = list(pool.map(_tool, _VERSIONS))
        encoders = list(pool.map(_encoder, (*_NEEDED_ENCODERS, *_OTHER_ENCODERS)))
    checks = (_python(), _machine(), _disk(settings.data_dir), *tools, *encoders, _vmaf(), _player(), _browser())
    return DoctorReport(ok=all(check.ok for check in checks if check.needed), checks=checks)


def _python() -> Check:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    airflow = importlib.metadata.version("apache-airflow-core")
    return Check(name="Python, Airflow", ok=sys.version_info >= (3, 11), found=f"{found}, {airflow}")


def _machine() -> Check:
    cores = len(os.sched_getaffinity(0))
    memory = psutil.virtual_memory()
    found = f"{cores} cores, {memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB free"
    advice = "The stack takes about 1.5 GiB and a 1080p chunk about 1 GiB."
    return Check(name="cores and memory", ok=memory.total >= 3 << 30, found=found, advice=advice)


def _disk(folder: Path) -> Check:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    advice = f"Free at least {_DISK_BYTES >> 30} GB on the disk of {existing}, or set TELECINE_DATA_DIR."
    return Check(name="disk", ok=free >= _DISK_BYTES, found=f"{free / 1e9:.1f} GB free at {existing}", advice=advice)


def _tool(name: str) -> Check:
    try:
        path = tool_path(name)
        said = run(Command((path, *_VERSIONS[name]), timeout_s=20), check=False)
    except (MissingRequirement, Unavailable, OSError) as error:
        return Check(name=name, ok=False, found="", advice=str(error))
    first = (said.stdout.decode(errors="replace") or said.stderr).strip().splitlines() or ["(silent)"]
    return Check(name=name, ok=True, found=first[0][:80])


def _encoder(name: str) -> Check:
    """One frame (or a little silence) through the encoder, to nowhere."""
    picture = ("-f", "lavfi", "-i", "color=size=256x256:rate=1:duration=1", "-frames:v", "1", "-c:v", name)
    silence = ("-f", "lavfi", "-i", "anullsrc=duration=0.1", "-c:a", name)
    source = silence if name == "aac" else picture
    needed = name in _NEEDED_ENCODERS
    try:
        run(Command((tool_path("ffmpeg"), "-v", "error", *source, "-f", "null", "-"), timeout_s=30))
    except (ToolFailed, Unavailable, MissingRequirement) as error:
        lines = str(error).splitlines()
        advice = lines[-1][:120] if needed or not name.endswith("nvenc") else "no NVIDIA encoder here; the CPU encodes"
        return Check(name=f"encoder {name}", ok=False, found="does not work", advice=advice, needed=needed)
    return Check(name=f"encoder {name}", ok=True, found="works", needed=needed)


def _vmaf() -> Check:
    graph = "color=size=320x240:rate=1:duration=1,split[a][b];[a][b]libvmaf=model=version=vmaf_v0.6.1"
    try:
        run(Command((tool_path("ffmpeg"), "-v", "error", "-filter_complex", graph, "-f", "null", "-"), timeout_s=30))
    except (ToolFailed, Unavailable, MissingRequirement) as error:
        return Check(name="libvmaf", ok=False, found="does not work", advice=str(error).splitlines()[-1][:120])
    return Check(name="libvmaf", ok=True, found="works, model vmaf_v0.6.1")


def _player() -> Check:
    folder = clone_root() / "playback" / "web" / "node_modules" / "shaka-player"
    found = "installed" if folder.is_dir() else "not installed"
    return Check(name="shaka-player", ok=folder.is_dir(), found=found, advice="Run 'make install'.")


def _browser() -> Check:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for name in names if (path := shutil.which(name))), "")
    advice = "Only the browser tests need it: install Debian's package chromium."
    return Check(name="Chromium", ok=bool(found), found=found or "none", advice=advice, needed=False)
