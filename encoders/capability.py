"""What this machine can truly do for encoding, found out by doing it: one frame through each encoder and decoder."""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import Field

from encoders.codecs.nvenc import ENCODERS
from encoders.tooling import run_tool, version_line
from telecine.document import Document, UtcTime, digest_of
from telecine.errors import TelecineError
from telecine.settings import Settings, usable_cores
from telecine.tools import tool_path

__all__ = ["CPU_ENCODERS", "GPU_ENCODERS", "Ability", "Capability", "capability"]

CPU_ENCODERS = ("libx264", "libx265", "libsvtav1", "libvpx-vp9")
GPU_ENCODERS = (*ENCODERS.values(), "hevc_nvenc 10 bit")
_MOST_SESSIONS = 8
_VALID = timedelta(days=1)
_TIMEOUT_S = 30
_PICTURE = ("-f", "lavfi", "-i", "color=size=256x256:rate=1:duration=1")
_QUIET = ("ffmpeg", "-v", "error", "-nostdin", "-y")


class Ability(Document):
    """One thing that was tried; ``problem`` is the tool's own last line where it does not work."""

    name: str
    problem: str | None = None

    @property
    def works(self) -> bool:
        return self.problem is None


class Capability(Document):
    """What was found on one machine with one build of FFmpeg."""

    machine: str = Field(description="digest of what it depends on: tool, its version, host, GPU devices")
    found_at: UtcTime
    cores: int
    memory_bytes: int = Field(description="what encoders of this machine may use together")
    encoders: tuple[Ability, ...]
    decoders: tuple[Ability, ...] = Field(description="NVDEC with scaling on the GPU, by codec")
    gpu_sessions: int = Field(description="NVENC encodes at once; 0 without NVENC")

    @property
    def working(self) -> tuple[str, ...]:
        """Names of all that works."""
        return tuple(ability.name for ability in (*self.encoders, *self.decoders) if ability.works)


def capability(settings: Settings, *, now: datetime | None = None) -> Capability:
    """What this machine can do; remembered for a day in the data folder, as long as tool and devices are the same."""
    moment = now or datetime.now(UTC)
    machine = _machine()
    path = settings.work_dir / "capability" / f"{machine}.json"
    try:
        known = Capability.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        known = None  # never tried, or written by another version
    if known is None or moment - known.found_at > _VALID:
        known = _tried(machine, moment)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(known.model_dump_json())
        part.replace(path)
    # limits of a process are no property of the machine: read each time
    return known.model_copy(update={"cores": usable_cores(), "memory_bytes": settings.worker_memory_bytes})


def _machine() -> str:
    devices = sorted(path.name for path in Path("/dev").glob("nvidia*"))
    path = Path(tool_path("ffmpeg"))
    return digest_of(version_line("ffmpeg"), str(path), path.stat().st_mtime_ns, os.uname().nodename, devices)[:16]


def _tried(machine: str, moment: datetime) -> Capability:
    with ThreadPoolExecutor(2) as pool:
        encoders = tuple(pool.map(_encoder, (*CPU_ENCODERS, *GPU_ENCODERS)))
    by_name = {ability.name: ability for ability in encoders}
    has_nvenc = by_name["h264_nvenc"].works
    return Capability(
        machine=machine,
        found_at=moment,
        cores=0,
        memory_bytes=0,
        encoders=encoders,
        decoders=_decoders(by_name) if has_nvenc else (),
        gpu_sessions=_sessions() if has_nvenc else 0,
    )


def _encoder(name: str) -> Ability:
    """One frame of 256x256, to nowhere: smaller ones are below what some hardware takes."""
    encoder, _, ten_bit = name.partition(" ")
    pixels = ("-pix_fmt", "p010le", "-profile:v", "main10") if ten_bit else ()
    quiet = ("-svtav1-params", "lp=1") if encoder == "libsvtav1" else ()
    return _ability(name, (*_QUIET, *_PICTURE, "-frames:v", "1", "-c:v", encoder, *pixels, *quiet, "-f", "null", "-"))


def _decoders(encoders: dict[str, Ability]) -> tuple[Ability, ...]:
    """One frame of each codec through NVDEC and the GPU's scaler; what no encoder here makes is not tried."""
    sources = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}
    with tempfile.TemporaryDirectory() as folder:
        return tuple(
            _decoder(codec, encoder, Path(folder)) for codec, encoder in sources.items() if encoders[encoder].works
        )


def _decoder(codec: str, encoder: str, folder: Path) -> Ability:
    clip = folder / f"{codec}.mp4"
    made = _ability(codec, (*_QUIET, *_PICTURE, "-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", encoder, str(clip)))
    if not made.works:
        return made
    on_gpu = ("-hwaccel", "cuda", "-hwaccel_output_format", "cuda", "-i", str(clip))
    # a decoder that fell back to the CPU gives frames the GPU's scaler refuses, so this cannot pass by mistake
    scaled = ("-vf", "scale_cuda=w=128:h=128,hwdownload,format=nv12", "-frames:v", "1", "-f", "null", "-")
    return _ability(f"nvdec {codec}", (*_QUIET, *on_gpu, *scaled))


def _sessions() -> int:
    """How many NVENC encodes run at once: tried one after the other, the first refusal is the limit."""
    for count in range(2, _MOST_SESSIONS + 1):
        outputs = ("-frames:v", "1", "-c:v", "h264_nvenc", "-f", "null", "-") * count
        if not _ability("sessions", (*_QUIET, *_PICTURE, *outputs)).works:
            return count - 1
    return _MOST_SESSIONS


def _ability(name: str, command: Sequence[str]) -> Ability:
    try:
        run_tool(command, timeout_s=_TIMEOUT_S)
    except TelecineError as error:
        return Ability(name=name, problem=(str(error).strip().splitlines() or ["no message"])[-1][:200])
    return Ability(name=name)
