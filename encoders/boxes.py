"""The few MP4 boxes this stage reads by itself: codec configurations (ISO/IEC 14496-12, -14, -15)."""

import struct
from pathlib import Path

from telecine.errors import EncodeFailed

__all__ = ["codec_string"]

_ASC_DESCRIPTOR = 0x05
_MORE_LENGTH_BYTES = 0x80
_ESCAPE_OBJECT_TYPE = 31


def codec_string(path: Path) -> str:
    """RFC 6381 codec string of an MP4 with one H.264 or AAC track. Raises EncodeFailed when it has neither."""
    moov = _moov(path)
    at = moov.find(b"avcC")
    if at >= 0:
        profile, constraints, level = moov[at + 5 : at + 8]
        return f"avc1.{profile:02x}{constraints:02x}{level:02x}"
    at = moov.find(b"esds")
    if at >= 0:
        return f"mp4a.40.{_audio_object_type(moov[at + 8 : at + 128])}"
    message = f"The encoded file {path.name} has neither an avcC nor an esds box."
    raise EncodeFailed(message)


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
