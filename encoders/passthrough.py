"""Sound that is not encoded: the master's own AC-3 or E-AC-3 frames, Dolby Atmos and all, laid on the programme."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from encoders.command import Argv, coded_frames_command, extract_command, silence_command, wrap_command
from encoders.documents import AudioJob, AudioOutput
from encoders.frames import FRAME_SAMPLES, Laid, lay_frames
from encoders.tooling import run_tool
from telecine.errors import EncodeFailed
from telecine.process import Completed

__all__ = ["pass_through"]

Run = Callable[[Argv], Completed]


@dataclass(frozen=True, slots=True)
class _Frames:
    """Coded frames in one file without container: when each begins, and where the bytes of each end."""

    path: Path
    times: tuple[Fraction, ...]
    ends: tuple[int, ...]

    def place(self, number: int) -> tuple[int, int]:
        """First byte of a frame and the byte after its last."""
        return (self.ends[number - 1] if number else 0), self.ends[number]


def pass_through(job: AudioJob, output: AudioOutput, source: Path, target: Path, run: Run) -> Completed:
    """Write the track's own frames over exactly the programme into an MP4. Raises EncodeFailed, ToolFailed.

    No sample is decoded, so loudness, objects and metadata are the master's. ``run`` runs a command on the master.
    """
    rate = output.rung.sample_rate_hz
    frames, done = _extracted(job, source, target.with_suffix(".frames"), run)
    laid = lay_frames(frames.times, Fraction(FRAME_SAMPLES, rate), job.start, job.duration)
    silence = _silence(job, output, target.with_suffix(".silence")) if None in laid.slots else None
    joined = target.with_suffix(".joined")
    _join(laid, frames, silence, joined)
    frames.path.unlink()
    run_tool(wrap_command(joined, target, output.rung.codec, laid.lead))
    joined.unlink()
    return done


def _extracted(job: AudioJob, source: Path, raw: Path, run: Run) -> tuple[_Frames, Completed]:
    done = run(extract_command(source, job.track, raw))
    frames = _listed(source, job.track.index, raw)
    if not frames.times or frames.ends[-1] != raw.stat().st_size:
        listed = frames.ends[-1] if frames.ends else 0
        message = (
            f"Sound track {job.track.index} cannot be passed through: its packets hold {listed} bytes "
            f"and {raw.stat().st_size} were copied."
        )
        raise EncodeFailed(message)
    return frames, done


def _listed(source: Path, track: int, raw: Path) -> _Frames:
    """Packets of a track; one without a time follows the one before it."""
    times: list[Fraction] = []
    sizes: list[int] = []

    def read(line: str) -> None:
        fields = line.strip().split(",")
        if fields[0] == "stream":
            bases.append(Fraction(fields[1]))
        elif fields[0] == "packet" and fields[2].isdecimal():
            ticks.append(int(fields[1]) if fields[1].lstrip("-").isdecimal() else None)
            sizes.append(int(fields[2]))

    bases: list[Fraction] = []
    ticks: list[int | None] = []
    run_tool(coded_frames_command(source, track), on_line=read)
    for tick in ticks:
        if tick is None and not times:
            message = f"Sound track {track} cannot be passed through: its first packet has no time."
            raise EncodeFailed(message)
        times.append(times[-1] if tick is None else tick * bases[0])
    return _Frames(raw, tuple(times), tuple(accumulate(sizes)))


def _silence(job: AudioJob, output: AudioOutput, raw: Path) -> bytes:
    """One frame of silence in the track's codec, layout and rate; its objects, if it had any, are silent too."""
    run_tool(silence_command(output.rung, job.track, raw))
    frames = _listed(raw, 0, raw)
    first, end = frames.place(1)  # the encoder's first frame fades in from nothing
    silence = raw.read_bytes()[first:end]
    raw.unlink()
    return silence


def _join(laid: Laid, frames: _Frames, silence: bytes | None, joined: Path) -> None:
    with frames.path.open("rb") as source, joined.open("wb") as target:
        for slot in laid.slots:
            if slot is None:
                target.write(silence or b"")
                continue
            first, end = frames.place(slot)
            source.seek(first)
            target.write(source.read(end - first))
