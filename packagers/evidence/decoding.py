"""Decrypts and decodes a whole track, and measures the loudness of sound (EBU R128, ITU-R BS.1770)."""

import re
from pathlib import Path

from pydantic import SecretBytes

from packagers.decode import STRICT, count_samples, opened_by
from packagers.evidence.documents import Decoded
from packagers.evidence.measures import Media
from packagers.tooling import run_tool
from telecine.errors import PackageRejected, ToolFailed
from telecine.process import Command
from telecine.protection import ContentKey
from telecine.rendition import Loudness

__all__ = ["decode_command", "decode_track"]

_SILENCE_LUFS = -70.0
_FIGURE = re.compile(r"^\s*(I|LRA|Peak):\s+(-?[\d.]+|-?inf|nan)\s+(?:LUFS|LU|dBFS)", re.MULTILINE)


def decode_track(media: Media, key: SecretBytes | None, folder: Path) -> tuple[Decoded, float]:
    """What came out, and the CPU seconds it took. Raises PackageRejected when it does not decode to its end."""
    listing = folder / f"{media.path.stem}.frames"
    kid = media.head.kid if media.head else None
    secret = ContentKey(kid=kid or "", label="", key=key, iv=SecretBytes(b"")) if key else None
    try:
        done = run_tool(decode_command(media, key, listing), keys=(secret,) if secret else ())
    except ToolFailed as failure:
        lines = [line for line in failure.stderr_tail.splitlines() if line.strip()]
        told = next(
            (line for line in lines if "rror" in line or "nvalid" in line), lines[-1] if lines else "no message"
        )
        message = f"it does not decode{f' with its key {kid}' if kid else ''}: {told.strip()}"
        raise PackageRejected(message) from None
    totals = count_samples(listing)
    listing.unlink()
    loudness = _loudness(done.stderr) if media.kind == "audio" else None
    return Decoded(frames=totals.count, duration=totals.duration, loudness=loudness), done.cpu_s


def decode_command(media: Media, key: SecretBytes | None, listing: Path) -> Command:
    """Decode all of a track into a list of its frames, with one thread: tracks run side by side."""
    source = ("-threads", "1", "-f", "concat", "-safe", "0", "-i", "{secret:list}", "-map", "0:0")
    level: str
    shown: tuple[str, ...]
    if media.kind == "audio":
        level, shown = "info", ("-af", "ebur128=peak=true:framelog=quiet")
    else:  # nobody sees the pictures: they are wrapped, so that their pixels are not hashed
        level, shown = "error", ("-fps_mode", "passthrough", "-c:v", "wrapped_avframe")
    argv = ("ffmpeg", "-nostdin", "-y", "-hide_banner", "-nostats", "-v", level, *STRICT, *source, *shown)
    secret = {"list": opened_by(media.path, key)}
    return Command((*argv, "-f", "framehash", "-hash", "murmur3", str(listing)), secret_files=secret)


def _loudness(said: str) -> Loudness | None:
    """The summary FFmpeg's meter logs at its end; None where it logged none."""
    found = dict(_FIGURE.findall(said.rpartition("Summary:")[2]))
    if "I" not in found:
        return None
    return Loudness(
        integrated_lufs=_figure(found["I"]),
        range_lu=max(0.0, _figure(found.get("LRA", "0"))),
        true_peak_dbtp=_figure(found.get("Peak", "-inf")),
    )


def _figure(text: str) -> float:
    return _SILENCE_LUFS if "inf" in text or text == "nan" else float(text)
