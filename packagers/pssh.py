"""Protection System Specific Header boxes (ISO/IEC 23001-7, 8.1): Widevine, PlayReady, W3C's common system. Pure."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from packagers.playready import playready_kids
from telecine.drm import COMMON_SYSTEM, SYSTEM_IDS
from telecine.errors import PackageRejected
from telecine.protection import Kid

__all__ = [
    "COMMON_SYSTEM",
    "PLAYREADY",
    "WIDEVINE",
    "Pssh",
    "common_pssh",
    "kids_of",
    "parse_boxes",
    "parse_pssh",
    "playready_pssh",
    "widevine_pssh",
]

WIDEVINE, PLAYREADY = SYSTEM_IDS["widevine"], SYSTEM_IDS["playready"]

_ID_BYTES = 16
_HEADER_BYTES = 28
_LENGTH_BYTES = 4
_KEY_IDS, _VARINT, _BYTES, _FIXED = 2, 0, 2, {1: 8, 5: 4}
"""Number of the field key_ids, and wire types of protocol buffers with the bytes of those that are fixed."""

_KEY_IDS_FIELD, _SCHEME_FIELD = b"\x12\x10", b"\x48"
"""Protocol buffer tags: field 2 with 16 bytes, field 9 with a varint."""


@dataclass(frozen=True, slots=True)
class Pssh:
    """One box: whose it is (dashed UUID), the KIDs that a version 1 box lists, and the system's own bytes."""

    system: str
    kids: tuple[Kid, ...]
    payload: bytes


def common_pssh(kids: Iterable[Kid]) -> bytes:
    """A version 1 box of the common system that lists ``kids`` in ascending order, each once."""
    listed = sorted(set(kids))
    body = b"".join(bytes.fromhex(kid) for kid in listed)
    return _box(COMMON_SYSTEM, 1, struct.pack(">I", len(listed)) + body, b"")


def widevine_pssh(kids: Iterable[Kid], scheme: str) -> bytes:
    """A version 0 Widevine box: the protocol buffer WidevinePsshData with its fields key_ids and protection_scheme."""
    listed = b"".join(_KEY_IDS_FIELD + bytes.fromhex(kid) for kid in sorted(set(kids)))
    return _box(WIDEVINE, 0, b"", listed + _SCHEME_FIELD + _varint(int.from_bytes(scheme.encode())))


def playready_pssh(header_object: bytes) -> bytes:
    """A version 0 box around a PlayReady Object."""
    return _box(PLAYREADY, 0, b"", header_object)


def kids_of(box: Pssh) -> tuple[Kid, ...]:
    """The KIDs a box names, in its head or in the payload of a system known here; none where a vendor hides them.

    Raises PackageRejected when the payload does not read as its system's.
    """
    if box.kids or box.system not in {WIDEVINE, PLAYREADY}:
        return box.kids
    return playready_kids(box.payload) if box.system == PLAYREADY else _widevine_kids(box.payload)


def parse_boxes(content: bytes) -> tuple[Pssh, ...]:
    """Read whole boxes in a row. Raises PackageRejected."""
    found, at = [], 0
    while at < len(content):
        size = max(_HEADER_BYTES, int.from_bytes(content[at : at + 4]))
        found.append(parse_pssh(content[at : at + size]))
        at += size
    return tuple(found)


def parse_pssh(box: bytes) -> Pssh:
    """Read one whole box, header included. Raises PackageRejected when it is not one or its lengths do not add up."""
    if len(box) < _HEADER_BYTES + _LENGTH_BYTES or box[4:8] != b"pssh" or int.from_bytes(box[:4]) != len(box):
        message = f"A pssh box was expected, but {len(box)} bytes that begin with {box[:8].hex()} were found."
        raise PackageRejected(message)
    listed = int.from_bytes(box[_HEADER_BYTES : _HEADER_BYTES + _LENGTH_BYTES]) if box[8] else 0
    at = _HEADER_BYTES + (_LENGTH_BYTES + listed * _ID_BYTES if box[8] else 0)
    payload = box[at + _LENGTH_BYTES :]
    if int.from_bytes(box[at : at + _LENGTH_BYTES]) != len(payload) or at + _LENGTH_BYTES > len(box):
        message = f"A pssh box of {len(box)} bytes says {listed} KIDs, and its lengths do not add up."
        raise PackageRejected(message)
    first = _HEADER_BYTES + _LENGTH_BYTES
    kids = tuple(box[first + i * _ID_BYTES : first + (i + 1) * _ID_BYTES].hex() for i in range(listed))
    return Pssh(_dashed(box[12:_HEADER_BYTES].hex()), kids, payload)


def _box(system: str, version: int, kids: bytes, payload: bytes) -> bytes:
    inner = struct.pack(">B3x16s", version, bytes.fromhex(system.replace("-", ""))) + kids
    inner += struct.pack(">I", len(payload)) + payload
    return struct.pack(">I4s", 8 + len(inner), b"pssh") + inner


def _widevine_kids(payload: bytes) -> tuple[Kid, ...]:
    """Every key_ids of WidevinePsshData; other fields are passed over by their wire types."""
    found, at = [], 0
    while at < len(payload):
        tag, at = _read_varint(payload, at)
        number, wire = tag >> 3, tag & 7
        length = _FIXED.get(wire, 0)
        if wire in {_VARINT, _BYTES}:
            value, at = _read_varint(payload, at)
            length = value if wire == _BYTES else 0
        held, at = payload[at : at + length], at + length
        if at > len(payload) or wire not in {_VARINT, _BYTES, *_FIXED}:
            message = f"A Widevine payload of {len(payload)} bytes does not read as a protocol buffer."
            raise PackageRejected(message)
        if number == _KEY_IDS and wire == _BYTES:
            found.append(held.hex())
    return tuple(found)


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
    """A number and where the next field begins; beyond the end where it is cut."""
    value = 0
    for place, byte in enumerate(content[at:]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - the bit that says more is to come
            return value, at + place + 1
    return value, len(content) + 1


def _varint(value: int) -> bytes:
    """Base 128, least significant group first."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def _dashed(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
