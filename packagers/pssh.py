"""Protection System Specific Header boxes (ISO/IEC 23001-7, 8.1) and the common system of W3C EME. Pure."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from telecine.errors import PackageRejected
from telecine.protection import Kid

__all__ = ["COMMON_SYSTEM", "WIDEVINE", "Pssh", "common_pssh", "parse_pssh", "widevine_pssh"]

COMMON_SYSTEM = "1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
"""System id of boxes that only list KIDs; Clear Key players read them as initialization data."""

WIDEVINE = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"

_ID_BYTES = 16
_HEADER_BYTES = 28
_LENGTH_BYTES = 4
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


def _varint(value: int) -> bytes:
    """Base 128, least significant group first."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def _dashed(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
