"""The sound of one track: measured, mixed and encoded, or passed through; then measured again as it came out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from encoders.command import Argv, audio_command, loudness_command, made_loudness_command
from encoders.documents import AudioJob, AudioOutput
from encoders.graph import METERED
from encoders.loudness import gain_for, gate_of, read_loudness
from encoders.passthrough import pass_through
from encoders.tooling import run_tool
from encoders.verify import verify_sound
from telecine.process import Completed
from telecine.rendition import Loudness, LoudnessReport

__all__ = ["encode_sounds"]

Run = Callable[[Argv, Path], Completed]
Sounds = Sequence[tuple[AudioOutput, Path]]

_LOG_TAIL = 4096


def encode_sounds(
    job: AudioJob, source: Path, sounds: Sounds, run: Run
) -> tuple[Completed, Mapping[str, LoudnessReport]]:
    """Write every output of ``sounds``, all in one folder; what the last command used, and loudness by digest.

    ``run`` runs a command that reads the master, in a folder. Raises EncodeFailed when a file is not as planned.
    """
    folder = sounds[0][1].parent
    mixed = [(output, target) for output, target in sounds if output.rung.passthrough == "never"]
    before, gains = _measured_before(job, source, mixed, run)
    done = None
    if mixed:
        done = run(audio_command(job, source, mixed, gains), folder)
    for output, target in sounds:
        if output.rung.passthrough != "never":
            passed = pass_through(job, output, source, target, lambda argv: run(argv, folder))
            done = done or passed
        verify_sound(target, duration=job.duration)
    assert done is not None  # noqa: S101 - each output is mixed or passed
    after = _measured_after(sounds, folder)
    return done, {
        output.digest: LoudnessReport(
            before=before.get(output.digest),
            after=after[output.digest],
            gain_db=gains.get(output.digest, 0),
            gate=gate_of(output.rung, job.track),
        )
        for output, _ in sounds
    }


def _measured_before(
    job: AudioJob, source: Path, mixed: Sounds, run: Run
) -> tuple[dict[str, Loudness], dict[str, float]]:
    """The first of two passes: loudness and gain of each output whose rung asks for a loudness, by digest."""
    wanted = [(output, f"{target.stem}.before") for output, target in mixed if output.rung.loudness_lufs is not None]
    if not wanted:
        return {}, {}
    folder = mixed[0][1].parent
    run(loudness_command(job, source, wanted), folder)
    found = {output.digest: _read(folder, name) for output, name in wanted}
    gains = {
        output.digest: gain_for(output.rung, job.track, found[output.digest].integrated_lufs) for output, _ in wanted
    }
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
