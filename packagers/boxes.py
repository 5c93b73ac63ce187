"""The few boxes of a CMAF track that prove how it is cut and protected (ISO/IEC 14496-12, 23001-7). Pure."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from packagers.pssh import Pssh, parse_pssh
from telecine.drm import CLEAR
from telecine.errors import PackageRejected
from telecine.protection import Kid

__all__ = [
    "InitFacts",
    "SegmentFacts",
    "boxes_in",
    "decode_time_of",
    "first_box",
    "fragments_of",
    "pssh_in",
    "read_init",
    "read_segment",
    "timescale_of",
]

_HEADER = 8
_LARGE_HEADER = 16
_ENTRY_FIELDS = {b"encv": 78, b"enca": 28}
"""Bytes of a sample entry before its boxes."""

_NON_SYNC = 0x0001_0000
_TFHD_BEFORE_FLAGS = ((0x01, 8), (0x02, 4), (0x08, 4), (0x10, 4))
_TFHD_FLAGS = 0x20
_TRUN_DATA_OFFSET, _TRUN_FIRST_FLAGS, _TRUN_FLAGS, _TRUN_COMPOSITION = 0x001, 0x004, 0x400, 0x800
_TRUN_BEFORE_FLAGS = ((0x100, 4), (0x200, 4))


@dataclass(frozen=True, slots=True)
class InitFacts:
    """What an init segment says of its one track. ``edit_start``: ticks of media before its presentation begins.

    ``scheme`` is ``clear`` and ``kid`` None where the track is not protected.
    """

    timescale: int
    edit_start: int
    scheme: str
    kid: Kid | None
    pssh: tuple[Pssh, ...]


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """One media segment: composition time of its first sample in ticks of the track's media time, and its samples."""

    start: int
    samples: int
    starts_with_sync: bool


def read_init(content: bytes) -> InitFacts:
    """Read an init segment. Raises PackageRejected when it is cut short."""
    moov = first_box(content, b"moov")
    trak = first_box(moov, b"trak")
    mdia = first_box(trak, b"mdia")
    timescale = timescale_of(first_box(mdia, b"mdhd"))
    stsd = first_box(first_box(first_box(mdia, b"minf"), b"stbl"), b"stsd")
    kind, entry = next(boxes_in(stsd[8:]), (b"none", b""))
    if kind not in _ENTRY_FIELDS:
        return InitFacts(timescale, _edit_start(trak), CLEAR, None, pssh_in(moov))
    sinf = first_box(entry[_ENTRY_FIELDS[kind] :], b"sinf")
    scheme = first_box(sinf, b"schm")[4:8].decode(errors="replace")
    tenc = first_box(first_box(sinf, b"schi"), b"tenc")
    return InitFacts(timescale, _edit_start(trak), scheme, tenc[8:24].hex(), pssh_in(moov))


def read_segment(content: bytes) -> SegmentFacts:
    """Read a media segment with one or more fragments. Raises PackageRejected when it is cut short."""
    trafs = fragments_of(content)
    tfhd, trun = (first_box(trafs[0], kind) for kind in (b"tfhd", b"trun"))
    samples = sum(int.from_bytes(body[4:8]) for traf in trafs for kind, body in boxes_in(traf) if kind == b"trun")
    flags, composition = _first_sample(tfhd, trun)
    return SegmentFacts(decode_time_of(trafs[0]) + composition, samples, not flags & _NON_SYNC)


def _edit_start(trak: bytes) -> int:
    """Media time at which the first edit begins; 0 without an edit list."""
    edts = next((body for kind, body in boxes_in(trak) if kind == b"edts"), None)
    if edts is None:
        return 0
    elst = first_box(edts, b"elst")
    return max(0, int.from_bytes(elst[16:24] if elst[0] else elst[12:16], signed=True))


def _first_sample(tfhd: bytes, trun: bytes) -> tuple[int, int]:
    """Flags and composition offset of the first sample of a run."""
    given = int.from_bytes(tfhd[1:4])
    at = 8 + sum(size for bit, size in _TFHD_BEFORE_FLAGS if given & bit)
    flags = int.from_bytes(tfhd[at : at + 4]) if given & _TFHD_FLAGS else 0
    present = int.from_bytes(trun[1:4])
    at = 8 + (4 if present & _TRUN_DATA_OFFSET else 0)
    if present & _TRUN_FIRST_FLAGS:
        flags, at = int.from_bytes(trun[at : at + 4]), at + 4
    at += sum(size for bit, size in _TRUN_BEFORE_FLAGS if present & bit)
    if present & _TRUN_FLAGS:
        flags, at = int.from_bytes(trun[at : at + 4]), at + 4
    return flags, int.from_bytes(trun[at : at + 4], signed=True) if present & _TRUN_COMPOSITION else 0


def fragments_of(content: bytes) -> list[bytes]:
    """The track fragment of each movie fragment. Raises PackageRejected when there is none."""
    trafs = [first_box(body, b"traf") for kind, body in boxes_in(content) if kind == b"moof"]
    if not trafs:
        message = "A media segment was expected, but there is no moof box in it."
        raise PackageRejected(message)
    return trafs


def decode_time_of(traf: bytes) -> int:
    """Ticks at which a track fragment's first sample is decoded."""
    tfdt = first_box(traf, b"tfdt")
    return int.from_bytes(tfdt[4:12] if tfdt[0] else tfdt[4:8])


def timescale_of(header: bytes) -> int:
    """Ticks a second by the body of a movie's or a track's header."""
    return int.from_bytes(header[20:24] if header[0] else header[12:16])


def pssh_in(moov: bytes) -> tuple[Pssh, ...]:
    """The protection headers of a movie box, in order."""
    bodies = (body for kind, body in boxes_in(moov) if kind == b"pssh")
    return tuple(parse_pssh(struct.pack(">I4s", _HEADER + len(body), b"pssh") + body) for body in bodies)


def first_box(content: bytes, wanted: bytes) -> bytes:
    """Body of the first box of a kind. Raises PackageRejected when there is none."""
    for kind, body in boxes_in(content):
        if kind == wanted:
            return body
    message = f"A box '{wanted.decode()}' was expected and is not there."
    raise PackageRejected(message)


def boxes_in(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and body of each box in a row."""
    at = 0
    while at < len(content):
        size, kind, header = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8], _HEADER
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16]), _LARGE_HEADER
        if size < header or at + size > len(content):
            message = f"A box '{kind.decode(errors='replace')}' says {size} bytes, but {len(content) - at} are left."
            raise PackageRejected(message)
        yield kind, content[at + header : at + size]
        at += size
