"""The sound of one track: measured, mixed and encoded, or passed through; then measured again as it came out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.command import Argv, audio_command, loudness_command, made_loudness_command
from encoders.documents import AudioJob, AudioOutput
from encoders.graph import METERED
from encoders.loudness import further_gain, gain_for, gate_of, read_loudness
from encoders.passthrough import pass_through
from encoders.tooling import run_tool
from encoders.verify import verify_sound
from telecine.process import Completed
from telecine.rendition import Loudness, LoudnessReport

__all__ = ["encode_sounds"]

Run = Callable[[Argv, Path], Completed]
Sounds = Sequence[tuple[AudioOutput, Path]]

_LOG_TAIL = 4096
_MOST_REPEATS = 2
"""Sound is encoded again where holding its peaks made it too quiet; most of it never is."""


@dataclass(frozen=True, slots=True)
class _Booth:
    """Where one track is worked on; ``run`` runs a command that reads the master, in a folder."""

    job: AudioJob
    source: Path
    folder: Path
    run: Run

    def mix(self, mixed: Sounds, gains: Mapping[str, float]) -> Completed:
        """Encode and prove outputs, each with its gain."""
        for _, target in mixed:
            target.unlink(missing_ok=True)
        done = self.run(audio_command(self.job, self.source, mixed, gains), self.folder)
        for _, target in mixed:
            verify_sound(target, duration=self.job.duration)
        return done

    def take(self, output: AudioOutput, target: Path) -> Completed:
        """Pass one output through and prove it."""
        done = pass_through(self.job, output, self.source, target, lambda argv: self.run(argv, self.folder))
        verify_sound(target, duration=self.job.duration)
        return done


def encode_sounds(
    job: AudioJob, source: Path, sounds: Sounds, run: Run
) -> tuple[Completed, Mapping[str, LoudnessReport]]:
    """Write every output of ``sounds``, all in one folder; what a command used, and loudness by digest.

    ``run`` runs a command that reads the master, in a folder. Raises EncodeFailed when a file is not as planned.
    """
    booth = _Booth(job, source, sounds[0][1].parent, run)
    mixed = [(output, target) for output, target in sounds if output.rung.passthrough == "never"]
    before, gains = _measured_before(booth, mixed)
    done = [booth.mix(mixed, gains)] if mixed else []
    done += [booth.take(output, target) for output, target in sounds if output.rung.passthrough != "never"]
    after = _measured_after(sounds, booth.folder)
    if gains:
        gains, after = _met(booth, mixed, gains, before, after)
    return done[0], {
        output.digest: LoudnessReport(
            before=before.get(output.digest),
            after=after[output.digest],
            gain_db=gains.get(output.digest, 0),
            gate=gate_of(output.rung, job.track),
        )
        for output, _ in sounds
    }


def _met(
    booth: _Booth,
    mixed: Sounds,
    asked: Mapping[str, float],
    before: Mapping[str, Loudness],
    after: dict[str, Loudness],
) -> tuple[Mapping[str, float], dict[str, Loudness]]:
    """Gains and loudness once what holding the peaks took is made up for, as far as it may be."""
    gains = dict(asked)
    for _ in range(_MOST_REPEATS):
        missing = {
            digest: before[digest].integrated_lufs + gain - after[digest].integrated_lufs
            for digest, gain in asked.items()
        }
        more = {digest: further_gain(asked[digest], gains[digest], lacking) for digest, lacking in missing.items()}
        gains |= {digest: gain for digest, gain in more.items() if gain is not None}
        repeated = [(output, target) for output, target in mixed if more.get(output.digest) is not None]
        if not repeated:
            break
        booth.mix(repeated, gains)
        after = {**after, **_measured_after(repeated, booth.folder)}
    return gains, after


def _measured_before(booth: _Booth, mixed: Sounds) -> tuple[dict[str, Loudness], Mapping[str, float]]:
    """The first of two passes: loudness and gain of each output whose rung asks for a loudness, by digest."""
    wanted = [(output, f"{target.stem}.before") for output, target in mixed if output.rung.loudness_lufs is not None]
    if not wanted:
        return {}, {}
    booth.run(loudness_command(booth.job, booth.source, wanted), booth.folder)
    found = {output.digest: _read(booth.folder, name) for output, name in wanted}
    gains = {out.digest: gain_for(out.rung, booth.job.track, found[out.digest].integrated_lufs) for out, _ in wanted}
    return found, {digest: gain for digest, gain in gains.items() if gain is not None}


def _measured_after(sounds: Sounds, folder: Path) -> dict[str, Loudness]:
    wanted = [(output, target, f"{target.stem}.after") for output, target in sounds]
    run_tool(made_loudness_command(wanted), cwd=folder)
    return {output.digest: _read(folder, name) for output, _, name in wanted}


def _read(folder: Path, name: str) -> Loudness:
    """Logs have a line for every tenth of a second; each repeats the figures so far, so only their ends are read."""
    return read_loudness({figure: _tail(folder / f"{name}.{figure}") for figure in METERED})


def _tail(path: Path) -> str:
    """The end of a log; nothing where the sound was too short for a single figure."""
    if not path.is_file():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _LOG_TAIL))
        return log.read().decode(errors="replace")
