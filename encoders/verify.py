"""Proof of what an encoder wrote, sample by sample; its exit status proves nothing."""

import json
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from encoders.boxes import codec_string
from encoders.command import packets_command
from encoders.keyframes import is_random_access
from encoders.tooling import run_tool
from telecine.errors import EncodeFailed

__all__ = ["Packets", "peak_bps", "read_samples", "verify_sound", "verify_video"]


@dataclass(frozen=True, slots=True)
class Packets:
    """Samples of one MP4 track in decoding order; times in ticks of ``time_base``."""

    time_base: Fraction
    duration_ticks: int
    pts: tuple[int, ...]
    dts: tuple[int, ...]
    durations: tuple[int, ...]
    sizes: tuple[int, ...]
    places: tuple[int, ...]
    keys: tuple[bool, ...]

    @property
    def shown_sizes(self) -> tuple[int, ...]:
        """Bytes of the samples in order of presentation."""
        return tuple(size for _, size in sorted(zip(self.pts, self.sizes, strict=True)))

    @property
    def duration(self) -> Fraction:
        """Duration of the track as presented, after its edit list."""
        return self.duration_ticks * self.time_base


def read_samples(path: Path) -> Packets:
    """All samples of the first track. Raises ToolFailed or EncodeFailed when it cannot be read back."""
    found = json.loads(run_tool(packets_command(path)).stdout)
    packets, streams = found.get("packets", []), found.get("streams", [])
    if not packets or not streams:
        message = f"The encoded file {path.name} holds no samples."
        raise EncodeFailed(message)

    def column(name: str) -> tuple[int, ...]:
        return tuple(int(packet[name]) for packet in packets)

    return Packets(
        time_base=Fraction(streams[0]["time_base"]),
        duration_ticks=int(streams[0]["duration_ts"]),
        pts=column("pts"),
        dts=column("dts"),
        durations=column("duration"),
        sizes=column("size"),
        places=column("pos"),
        keys=tuple("K" in packet["flags"] for packet in packets),
    )


def verify_video(path: Path, *, frames: int, rate: Fraction, gop_frames: int) -> Packets:
    """Prove frame count, constant time grid from 0, and an IDR exactly every ``gop_frames``. Raises EncodeFailed."""
    packets = read_samples(path)
    if len(packets.pts) != frames:
        _refuse(path, f"{frames} frames were expected and {len(packets.pts)} were written")
    tick = 1 / (rate * packets.time_base)
    if tick.denominator != 1 or sorted(packets.pts) != [frame * tick.numerator for frame in range(frames)]:
        _refuse(path, f"its frames are not at every 1/({rate}) s from 0")
    if any(later <= earlier for earlier, later in pairwise(packets.dts)):
        _refuse(path, "its decoding times do not rise")
    if packets.duration * rate != frames:
        _refuse(path, f"it is {packets.duration} s long and not {frames / rate} s")
    keys = sorted(time // tick.numerator for time, key in zip(packets.pts, packets.keys, strict=True) if key)
    if keys != list(range(0, frames, gop_frames)):
        _refuse(path, f"its key frames are at {keys[:5]}... and not every {gop_frames} frames")
    _check_idr(path, packets)
    return packets


def verify_sound(path: Path, *, duration: Fraction) -> Packets:
    """Prove that the sound lasts ``duration`` to within one encoder frame. Raises EncodeFailed."""
    packets = read_samples(path)
    frame = max(packets.durations) * packets.time_base
    if abs(packets.duration - duration) > frame:
        _refuse(path, f"it is {float(packets.duration):.3f} s long and not {float(duration):.3f} s")
    return packets


def peak_bps(packets: Packets) -> int:
    """Most bits of any one-second window over the samples in decoding order."""
    second = 1 / packets.time_base
    most = bits = first = 0
    for position, time in enumerate(packets.dts):
        bits += packets.sizes[position] * 8
        while time - packets.dts[first] >= second:
            bits -= packets.sizes[first] * 8
            first += 1
        most = max(most, bits)
    return most


def _check_idr(path: Path, packets: Packets) -> None:
    """A sync sample may also be a mere recovery point; each must be a picture that refers to none before it."""
    codec = codec_string(path)
    with path.open("rb") as file:
        for place, size, key in zip(packets.places, packets.sizes, packets.keys, strict=True):
            if not key:
                continue
            file.seek(place)
            if not is_random_access(codec, file.read(size)):
                _refuse(path, f"its key frame at byte {place} is no IDR picture")


def _refuse(path: Path, what: str) -> None:
    message = f"The encoded file {path.name} is not as planned: {what}."
    raise EncodeFailed(message)
