"""Spells the commands that open, decode and hash a track, and reads the hash lists they write."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from pydantic import SecretBytes

from telecine.process import Command
from telecine.protection import ContentKey
from telecine.rendition import Loudness

__all__ = [
    "METERED",
    "STRICT",
    "Sample",
    "Totals",
    "complaint_in",
    "count_samples",
    "loudness_in",
    "opened_by",
    "proof_command",
    "read_samples",
    "samples_command",
]

STRICT = ("-xerror", "-err_detect", "explode")  # without them ffmpeg exits with 0 on a wrong key
METERED = ("-af", "ebur128=peak=true:framelog=quiet")
"""Measures loudness (EBU R128, ITU-R BS.1770) while sound is decoded; FFmpeg logs it at level info."""

_FIELDS = 6
_SILENCE_LUFS = -70.0
_FIGURE = re.compile(r"^\s*(I|LRA|Peak):\s+(-?[\d.]+|-?inf|nan)\s+(?:LUFS|LU|dBFS)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a hash list: times in ticks, the size and hash of its bytes.

    ``ticks``, how long it lasts, is not compared: of VP9 at odd rates FFmpeg guesses it from the rate. The times do not
    lie, and durations are proven by the grid of the segments.
    """

    dts: int
    pts: int
    ticks: int = field(compare=False)
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Totals:
    """A hash list summed up. ``md5`` is over the digests in order; ``duration`` in seconds."""

    count: int
    ticks: int
    duration: Fraction
    md5: str


def proof_command(track: Path, key: ContentKey | None, coded: Path, decoded: Path, *, video: bool) -> Command:
    """List the coded samples of ``track`` in ``coded``, decode all of it and list that in ``decoded``.

    It is decrypted when a key is given.

    MD5 for the coded samples, which are compared. Pictures are only counted: every bit is parsed, but nobody sees them,
    so they are not deblocked, and wrapped, so that their pixels are not hashed. Sound is metered on its way.
    """
    # any other mode would drop or repeat pictures
    shown = ("-fps_mode", "passthrough", "-c:v", "wrapped_avframe") if video else METERED
    decoder = ("-skip_loop_filter", "all") if video else ("-hide_banner", "-nostats", "-v", "info")
    command = samples_command(track, coded, key, decoder=decoder)
    hashed = ("-map", "0:0", *shown, "-f", "framehash", "-hash", "murmur3", str(decoded))
    return Command((*command.argv, *hashed), secret_files=command.secret_files)


def samples_command(
    track: Path, samples: Path, key: ContentKey | None = None, decoder: tuple[str, ...] = ()
) -> Command:
    """List the coded samples of a track, decrypted when a key is given.

    What is compared must be read through the same list, as it turns samples into Annex B with their parameter sets.
    """
    source = ("-f", "concat", "-safe", "0", "-i", "{secret:list}")
    argv = ("ffmpeg", "-nostdin", "-y", "-v", "error", *STRICT, *decoder, *source)
    return Command(
        (*argv, "-map", "0:0", "-c", "copy", "-f", "framemd5", str(samples)),
        secret_files={"list": opened_by(track, key.key if key else None)},
    )


def loudness_in(said: str) -> Loudness | None:
    """The summary FFmpeg's meter logs at its end; None where it logged none."""
    found = dict(_FIGURE.findall(said.rpartition("Summary:")[2]))
    if "I" not in found:
        return None
    return Loudness(
        integrated_lufs=_figure(found["I"]),
        range_lu=max(0.0, _figure(found.get("LRA", "0"))),
        true_peak_dbtp=_figure(found.get("Peak", "-inf")),
    )


def complaint_in(said: str) -> str:
    """The first line of what FFmpeg said that tells of an error, else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "rror" in line or "nvalid" in line), lines[-1] if lines else "no message")


def _figure(text: str) -> float:
    return _SILENCE_LUFS if "inf" in text or text == "nan" else float(text)


def opened_by(track: Path, key: SecretBytes | None) -> bytes:
    """A concat list of one track, with its key as an option: an argument would be seen by every user."""
    quoted = str(track.absolute()).replace("'", r"'\''")
    script = f"ffconcat version 1.0\nfile '{quoted}'\n"
    if key is not None:
        script += f"option decryption_key {key.get_secret_value().hex()}\n"
    return script.encode()


def read_samples(listing: Path) -> Iterator[Sample]:
    """The samples of a hash list; their side data, which differs between containers, is left out."""
    with listing.open() as lines:
        for line in lines:
            if not line.startswith("#"):
                _, dts, pts, ticks, size, digest = (field.strip() for field in line.split(",")[:_FIELDS])
                yield Sample(int(dts), int(pts), int(ticks), int(size), digest)


def count_samples(listing: Path) -> Totals:
    """A hash list summed up."""
    count, ticks, digests = 0, 0, hashlib.md5(usedforsecurity=False)
    for sample in read_samples(listing):
        count, ticks = count + 1, ticks + sample.ticks
        digests.update(sample.digest.encode())
    return Totals(count, ticks, ticks * _time_base(listing), digests.hexdigest())


def _time_base(listing: Path) -> Fraction:
    with listing.open() as lines:
        return next((Fraction(line.split(":")[1].strip()) for line in lines if line.startswith("#tb ")), Fraction(0))
