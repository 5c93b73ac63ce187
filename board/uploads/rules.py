"""What may be uploaded, and how it is cut. Pure."""

from datetime import UTC, datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from board.uploads.schemas import Kind, StartRequest
from pipeline.drop_rules import MASTERS
from telecine.document import digest_of
from telecine.errors import TelecineError
from telecine.storage.multipart import MOST_PARTS

__all__ = ["SUFFIXES", "UploadRefused", "check_request", "content_type", "launch_time", "part_bytes", "upload_id_of"]

_MOST_BYTES = 5 << 40  # an object of Amazon S3
_SMALL_BYTES = 64 << 20
_LONGEST_NAME = 180
_MIB = 1 << 20

SUFFIXES: dict[Kind, frozenset[str]] = {
    "master": MASTERS | {".mka"},
    "audio": frozenset({".yaml", ".yml", ".wav", ".w64", ".flac", ".mka", ".m4a", ".mp4", ".eac3", ".ec3", ".ac3"}),
    "subtitles": frozenset({".srt", ".vtt", ".ttml", ".xml", ".imsc", ".dfxp", ".scc"}),
}

_TYPES = {".mov": "video/quicktime", ".mp4": "video/mp4", ".m4v": "video/mp4", ".mxf": "application/mxf"}


class UploadRefused(TelecineError):
    """What a page asked for cannot be; the sentence says why."""


def check_request(wanted: StartRequest) -> None:
    """Raises UploadRefused, one sentence, for a name, a size or a kind that cannot be right."""
    name = wanted.name
    suffix = PurePosixPath(name).suffix.lower()
    if (
        not name
        or len(name) > _LONGEST_NAME
        or name.startswith(".")
        or any(c in "/\\" or ord(c) < ord(" ") for c in name)
    ):
        message = f"The file name {name[:60]!r} cannot be used: 1 to {_LONGEST_NAME} characters, without '/' or '\\'."
        raise UploadRefused(message)
    if suffix not in SUFFIXES[wanted.kind]:
        known = ", ".join(sorted(SUFFIXES[wanted.kind]))
        message = f"{name} has the ending '{suffix}', and {wanted.kind} is expected to be one of {known}."
        raise UploadRefused(message)
    most = _SMALL_BYTES if wanted.kind == "subtitles" else _MOST_BYTES
    if not 0 < wanted.size_bytes <= most:
        message = f"{name} has {wanted.size_bytes} bytes, and {wanted.kind} is expected to have 1 to {most}."
        raise UploadRefused(message)


def part_bytes(size_bytes: int, least: int) -> int:
    """Whole MiB a part, so that no object needs more parts than S3 allows."""
    needed = -(-size_bytes // MOST_PARTS)
    return max(least, -(-needed // _MIB) * _MIB)


def upload_id_of(delivery: str, name: str) -> str:
    """One upload for each name of a delivery, whoever asks how often."""
    return digest_of("upload", delivery, name)[:32]


def content_type(name: str) -> str:
    return _TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")


def launch_time(local: str | None, zone: str) -> datetime | None:
    """Wall-clock time of a zone as a moment. Raises UploadRefused, also for a time that a clock change skips."""
    if not local:
        return None
    try:
        at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError) as error:
        message = (
            f"The launch time '{local}' in '{zone}' is not understood: YYYY-MM-DDTHH:MM and a zone as Europe/Paris."
        )
        raise UploadRefused(message) from error
    moment = at.astimezone(UTC)
    if moment.astimezone(at.tzinfo).replace(tzinfo=None) != at.replace(tzinfo=None):
        message = f"There is no {local} in {zone}: clocks are put forward over it."
        raise UploadRefused(message)
    return at
