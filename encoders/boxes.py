"""The few MP4 boxes this stage reads by itself: codec configurations (ISO/IEC 14496-12, -14, -15)."""

import struct
from collections.abc import Callable
from pathlib import Path

from telecine.errors import EncodeFailed
from telecine.light_boxes import box, with_entry_boxes, with_light_boxes
from telecine.media import ContentLight, MasteringDisplay

__all__ = ["add_light_boxes", "add_range", "codec_string"]

_ASC_DESCRIPTOR = 0x05
_MORE_LENGTH_BYTES = 0x80
_ESCAPE_OBJECT_TYPE = 31


def codec_string(path: Path) -> str:
    """RFC 6381 codec string of an MP4 with one track. Raises EncodeFailed when its codec is none of ours."""
    moov = _moov(path)
    for name, spelled in _CONFIGURATIONS.items():
        at = moov.find(name)
        if at >= 0:
            return spelled(moov[at + 4 : at + 128])
    message = f"The encoded file {path.name} has no codec configuration that is known here."
    raise EncodeFailed(message)


def add_light_boxes(path: Path, mastering: MasteringDisplay | None, light: ContentLight | None) -> None:
    """Write mdcv and clli into an MP4 whose index is behind its samples, as FFmpeg writes it. Raises EncodeFailed."""
    _rewrite_index(path, lambda row: with_light_boxes(row, mastering, light))


def add_range(path: Path, *, full: bool) -> None:
    """Say in a QuickTime file whether samples use the full range, for which its own colour box (nclc) has no room."""

    def ranged(row: bytes) -> bytes:
        at = row.find(b"colrnclc")
        if at < 0:
            return row
        points = row[at + 8 : at + 14]
        return with_entry_boxes(row, box(b"colr", b"nclx" + points + bytes([0x80 * full])))

    _rewrite_index(path, ranged)


def _rewrite_index(path: Path, change: Callable[[bytes], bytes]) -> None:
    moov = _moov(path)
    row = box(b"moov", moov)
    with path.open("r+b") as file:
        file.seek(-len(row), 2)
        if file.read() != row:
            message = f"The encoded file {path.name} has its index before its samples, where nothing can be added."
            raise EncodeFailed(message)
        file.seek(-len(row), 2)
        file.write(change(row))


def _avc(configuration: bytes) -> str:
    profile, constraints, level = configuration[1:4]
    return f"avc1.{profile:02x}{constraints:02x}{level:02x}"


def _hevc(configuration: bytes) -> str:
    """ISO/IEC 14496-15, annex E.3: profile, compatibility with its bits reversed, tier and level, constraint bytes."""
    space, tier, profile = configuration[1] >> 6, configuration[1] >> 5 & 1, configuration[1] & 0x1F
    compatibility = int(f"{int.from_bytes(configuration[2:6]):032b}"[::-1], 2)
    constraints = configuration[6:12].rstrip(b"\0")
    parts = [f"{('', 'A', 'B', 'C')[space]}{profile}", f"{compatibility:x}", f"{'LH'[tier]}{configuration[12]}"]
    return ".".join(["hvc1", *parts, *(f"{byte:x}" for byte in constraints)])


def _vp9(configuration: bytes) -> str:
    """VP codec ISO media file format binding: profile, level, depth, subsampling, colour triple, range."""
    profile, level, sampling = configuration[4:7]
    colour = configuration[7:10]
    fields = (profile, level, sampling >> 4, sampling >> 1 & 0b111, *colour, sampling & 1)
    return "vp09." + ".".join(f"{field:02d}" for field in fields)


def _av1(configuration: bytes) -> str:
    """AV1 codec ISO media file format binding, section 5: profile, level and tier, bit depth."""
    profile, level = configuration[1] >> 5, configuration[1] & 0x1F
    tier, deep, twelve = configuration[2] >> 7, configuration[2] >> 6 & 1, configuration[2] >> 5 & 1
    depth = 8 if not deep else 12 if twelve else 10
    return f"av01.{profile}.{level:02d}{'MH'[tier]}.{depth:02d}"


def _aac(descriptors: bytes) -> str:
    return f"mp4a.40.{_audio_object_type(descriptors[4:])}"


def _moov(path: Path) -> bytes:
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:  # noqa: PLR2004 - size and type, four bytes each
            size, kind = struct.unpack(">I4s", head)
            taken = 8
            if size == 1:
                size, taken = struct.unpack(">Q", file.read(8))[0], 16
            if kind == b"moov":
                return file.read(size - taken)
            file.seek(size - taken, 1)
    message = f"The encoded file {path.name} has no moov box."
    raise EncodeFailed(message)


def _audio_object_type(descriptors: bytes) -> int:
    """First five bits of the AudioSpecificConfig inside an ES descriptor (ISO/IEC 14496-1, 14496-3)."""
    headers = {0x03: 3, 0x04: 13}  # ES and decoder configuration: their own fields before the nested descriptors
    at = 0
    while at < len(descriptors):
        tag, at = descriptors[at], at + 1
        while descriptors[at] & _MORE_LENGTH_BYTES:
            at += 1
        at += 1
        if tag == _ASC_DESCRIPTOR:
            object_type = descriptors[at] >> 3
            if object_type == _ESCAPE_OBJECT_TYPE:
                return 32 + (int.from_bytes(descriptors[at : at + 2], "big") >> 5 & 0x3F)
            return object_type
        at += headers.get(tag, len(descriptors))
    message = "An encoded sound file has no AudioSpecificConfig."
    raise EncodeFailed(message)


_CONFIGURATIONS: dict[bytes, Callable[[bytes], str]] = {
    b"avcC": _avc,
    b"hvcC": _hevc,
    b"vpcC": _vp9,
    b"av1C": _av1,
    b"esds": _aac,
    b"dec3": lambda _: "ec-3",
    b"dac3": lambda _: "ac-3",
}
