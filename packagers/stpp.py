"""TTML in fragmented MP4: init and media segments of a CMAF track of text (ISO/IEC 14496-30, 23000-19). Pure.

Written here because the packager's own TTML shows tags of WebVTT as letters and escapes '&' twice.
"""

import struct
from dataclasses import dataclass

import langcodes

__all__ = ["CODECS", "read_sample", "stpp_init", "stpp_segment"]

CODECS = "stpp.ttml.im1t"
"""TTML of the IMSC 1 text profile (W3C TTML Media Type Definition and Profile Registry)."""

_NAMESPACE = b"http://www.w3.org/ns/ttml\0"
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_TRACK = 1
_BASE_IS_MOOF = 0x020000
_TRUN_FLAGS = 0x000301  # data offset, duration and size of each sample
_SYNC_SAMPLE = 0x02000000


@dataclass(frozen=True, slots=True)
class _Sample:
    start: int
    duration: int
    content: bytes


def stpp_init(language: str, timescale: int) -> bytes:
    """The init segment of a track whose samples are TTML documents; ``language`` is a tag of BCP 47."""
    entry = _box(b"stpp", bytes(6), b"\0\1", _NAMESPACE, b"\0", b"\0")
    tables = (_full(b"stts", _count(0)), _full(b"stsc", _count(0)), _full(b"stsz", bytes(8)), _full(b"stco", _count(0)))
    table = _box(b"stbl", _full(b"stsd", _count(1), entry), *tables)
    reference = _box(b"dinf", _full(b"dref", _count(1), _full(b"url ", flags=1)))
    media = _box(
        b"mdia",
        _full(b"mdhd", bytes(8), struct.pack(">IIHH", timescale, 0, _packed(language), 0)),
        _full(b"hdlr", bytes(4), b"subt", bytes(12), b"\0"),
        _full(b"elng", language.encode() + b"\0"),
        _box(b"minf", _full(b"sthd"), reference, table),
    )
    header = struct.pack(">IIIII", 0, 0, _TRACK, 0, 0) + bytes(8) + bytes(8) + _MATRIX + bytes(8)
    movie = struct.pack(">IIIIIH", 0, 0, timescale, 0, 0x10000, 0) + bytes(10) + _MATRIX + bytes(24) + _count(2)
    return _box(b"ftyp", b"iso6", _count(0), b"iso6", b"cmfc", b"im1t") + _box(
        b"moov",
        _full(b"mvhd", movie),
        _box(b"trak", _full(b"tkhd", header, flags=7), media),
        _box(b"mvex", _full(b"trex", struct.pack(">IIIII", _TRACK, 1, 0, 0, _SYNC_SAMPLE))),
    )


def stpp_segment(number: int, start: int, duration: int, document: bytes) -> bytes:
    """A media segment of one sample, a document; ``number`` counts from 1, times are ticks of the track."""
    sample = _Sample(start, duration, document)
    size = len(_moof(number, sample, 0))
    moof = _moof(number, sample, size + 8)
    return _box(b"styp", b"msdh", _count(0), b"msdh", b"cmfc") + moof + _box(b"mdat", document)


def read_sample(segment: bytes) -> tuple[int, int, bytes]:
    """Start, duration and document of a segment as ``stpp_segment`` writes it. Raises ValueError when it is not one."""
    times, sizes, documents = segment.find(b"tfdt"), segment.find(b"trun"), segment.find(b"mdat")
    if min(times, sizes, documents) < 0:
        message = "expected one fragment with one sample of text"
        raise ValueError(message)
    start = int.from_bytes(segment[times + 8 : times + 16])
    samples, _, duration, size = struct.unpack(">IIII", segment[sizes + 8 : sizes + 24])
    document = segment[documents + 4 :]
    if samples != 1 or size != len(document):
        message = f"expected one sample of {len(document)} bytes, found {samples} of {size}"
        raise ValueError(message)
    return start, duration, document


def _moof(number: int, sample: _Sample, offset: int) -> bytes:
    run = struct.pack(">IIII", 1, offset, sample.duration, len(sample.content))
    fragment = _box(
        b"traf",
        _full(b"tfhd", _count(_TRACK), flags=_BASE_IS_MOOF),
        _full(b"tfdt", struct.pack(">Q", sample.start), version=1),
        _full(b"trun", run, flags=_TRUN_FLAGS),
    )
    return _box(b"moof", _full(b"mfhd", _count(number)), fragment)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def _full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _count(number: int) -> bytes:
    return struct.pack(">I", number)


def _packed(language: str) -> int:
    """The three letters of ISO 639-2/T in five bits each; the tag itself is in the track too."""
    try:
        letters = langcodes.Language.get(language).to_alpha3(variant="T")
    except LookupError:
        letters = "und"
    first, second, third = (ord(letter) - 0x60 for letter in letters)
    return first << 10 | second << 5 | third
