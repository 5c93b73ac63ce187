"""Decrypts and decodes a whole track, and measures the loudness of sound (EBU R128, ITU-R BS.1770)."""

import re
from pathlib import Path

from pydantic import SecretBytes

from packagers.decode import METERED, STRICT, complaint_in, count_samples, loudness_in, opened_by
from packagers.evidence.documents import Decoded
from packagers.evidence.measures import Media, Picture
from packagers.evidence.offers import Ref
from packagers.tooling import run_tool
from telecine.errors import PackageRejected, ToolFailed
from telecine.process import Command
from telecine.protection import ContentKey

__all__ = ["decode_command", "decode_picture", "decode_track"]

_SIZE = re.compile(r"^#dimensions 0: (\d+)x(\d+)$", re.MULTILINE)

_PICTURE_TIMEOUT_S = 60


def decode_track(media: Media, key: SecretBytes | None, folder: Path) -> tuple[Decoded, float]:
    """What came out, and the CPU seconds it took. Raises PackageRejected when it does not decode to its end."""
    listing = folder / f"{media.path.stem}.frames"
    kid = media.head.kid if media.head else None
    secret = ContentKey(kid=kid or "", label="", key=key, iv=SecretBytes(b"")) if key else None
    try:
        done = run_tool(decode_command(media, key, listing), keys=(secret,) if secret else ())
    except ToolFailed as failure:
        message = f"it does not decode{f' with its key {kid}' if kid else ''}: {complaint_in(failure.stderr_tail)}"
        raise PackageRejected(message) from None
    totals = count_samples(listing)
    listing.unlink()
    loudness = loudness_in(done.stderr) if media.kind == "audio" else None
    return Decoded(frames=totals.count, duration=totals.duration, loudness=loudness), done.cpu_s


def decode_picture(ref: Ref, path: Path) -> Picture:
    """A picture decoded to its last block. Raises PackageRejected when it is none, or breaks off."""
    source = ("-threads", "1", "-i", str(path.absolute()), "-map", "0:v:0", "-frames:v", "1")
    argv = ("ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-v", "error", *STRICT, *source)
    try:
        done = run_tool(Command((*argv, "-f", "framehash", "-hash", "murmur3", "-"), timeout_s=_PICTURE_TIMEOUT_S))
    except ToolFailed as failure:
        message = f"it does not decode: {complaint_in(failure.stderr_tail)}"
        raise PackageRejected(message) from None
    size = _SIZE.search(done.stdout.decode(errors="replace"))
    if size is None:
        message = "no picture came out of the decoder."
        raise PackageRejected(message)
    return Picture(ref, int(size[1]), int(size[2]), done.cpu_s)


def decode_command(media: Media, key: SecretBytes | None, listing: Path) -> Command:
    """Decode all of a track into a list of its frames, with one thread: tracks run side by side.

    Of a track for seeking only key frames are decoded, so that what is called one but is none is missed in the list.
    """
    keyed = ("-skip_frame", "nokey") if media.kind == "trick" and not media.offer.dependent else ()
    source = (*keyed, "-threads", "1", "-f", "concat", "-safe", "0", "-i", "{secret:list}", "-map", "0:0")
    level: str
    shown: tuple[str, ...]
    if media.kind == "audio":
        level, shown = "info", METERED
    else:  # nobody sees the pictures: they are wrapped, so that their pixels are not hashed
        level, shown = "error", ("-fps_mode", "passthrough", "-c:v", "wrapped_avframe")
    argv = ("ffmpeg", "-nostdin", "-y", "-hide_banner", "-nostats", "-v", level, *STRICT, *source, *shown)
    secret = {"list": opened_by(media.path, key)}
    return Command((*argv, "-f", "framehash", "-hash", "murmur3", str(listing)), secret_files=secret)
