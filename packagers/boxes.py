"""Reading protection boxes of an init segment (ISO/IEC 14496-12, ISO/IEC 23001-7). Pure."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from telecine.errors import PackageRejected

__all__ = ["COMMON_SYSTEM", "Protection", "read_protection"]

COMMON_SYSTEM = "1077efecc0b24d02ace33c1e52e2fb4b"

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"sinf", b"schi"}
_SAMPLE_ENTRY_BYTES = {b"encv": 78, b"enca": 28}
"""Bytes of a protected sample entry before its child boxes."""


@dataclass(frozen=True, slots=True)
class Protection:
    """What an init segment says of its protection: scheme, default KID, and the KIDs of its common-system pssh."""

    scheme: str
    kid: str
    pssh_kids: frozenset[str]


def read_protection(content: bytes, name: str) -> Protection:
    """Raises PackageRejected when the segment is not encrypted, or not whole."""
    scheme, kid, pssh = "", "", set()
    for kind, body in _walk(content, name):
        if kind == b"schm":
            scheme = body[4:8].decode("ascii", "replace")
        elif kind == b"tenc":
            kid = body[8:24].hex()
        elif kind == b"pssh" and body[4:20].hex() == COMMON_SYSTEM and body[0] == 1:
            count = struct.unpack(">I", body[20:24])[0]
            pssh |= {body[24 + 16 * n : 40 + 16 * n].hex() for n in range(count)}
    if not scheme or not kid:
        message = f"{name} is not encrypted: it has no protection scheme or no default KID."
        raise PackageRejected(message)
    return Protection(scheme, kid, frozenset(pssh))


def _walk(content: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        if size < 8 or at + size > len(content):  # noqa: PLR2004 - a box is at least its header
            message = f"{name} is cut inside its {kind.decode('ascii', 'replace')} box."
            raise PackageRejected(message)
        body = content[at + 8 : at + size]
        yield kind, body
        if kind in _CONTAINERS:
            yield from _walk(body, name)
        elif kind == b"stsd":
            yield from _walk(body[8:], name)
        elif kind in _SAMPLE_ENTRY_BYTES:
            yield from _walk(body[_SAMPLE_ENTRY_BYTES[kind] :], name)
        at += size
