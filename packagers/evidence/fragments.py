"""Boxes of a CMAF track, encrypted or clear, sample by sample (ISO/IEC 14496-12, 23001-7). Pure."""

from dataclasses import dataclass
from fractions import Fraction

from packagers.boxes import boxes_in, decode_time_of, first_box, fragments_of, pssh_in, timescale_of
from telecine.errors import PackageRejected
from telecine.protection import Kid

__all__ = ["Head", "Run", "read_head", "read_index", "read_run"]

_FIELDS = {b"vide": 78, b"soun": 28}
"""Bytes of a sample entry before its boxes, by handler."""

_NON_SYNC = 0x0001_0000
_HEADER = 8


@dataclass(frozen=True, slots=True)
class Head:
    """An init segment. ``cut`` ticks of media lie before the presentation; empty edits delay it by ``delay`` s."""

    timescale: int
    handler: str
    entry: str
    cut: int
    delay: Fraction
    scheme: str | None
    kid: Kid | None
    pssh_kids: frozenset[Kid]
    sample_ticks: int
    sample_flags: int
    sample_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """A media segment: decode time of its first sample; ticks, composition, whether sync, bytes of all samples."""

    decode_time: int
    ticks: tuple[int, ...]
    offsets: tuple[int, ...]
    sync: tuple[bool, ...]
    size_bytes: int
    sizes: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.ticks)

    @property
    def first(self) -> int:
        """Composition time of the sample that is shown first."""
        return min(self.compositions, default=self.decode_time)

    @property
    def compositions(self) -> tuple[int, ...]:
        at, found = self.decode_time, []
        for ticks, offset in zip(self.ticks, self.offsets, strict=True):
            found.append(at + offset)
            at += ticks
        return tuple(found)


def read_head(content: bytes) -> Head:
    """Read an init segment of one track. Raises PackageRejected when it is cut short or is no such thing."""
    moov = first_box(content, b"moov")
    trak = first_box(moov, b"trak")
    mdia = first_box(trak, b"mdia")
    handler = first_box(mdia, b"hdlr")[8:12]
    entry, scheme, kid = _protection(mdia, handler)
    cut, delay = _edits(trak, timescale_of(first_box(moov, b"mvhd")))
    trex = first_box(first_box(moov, b"mvex"), b"trex")
    return Head(
        timescale=timescale_of(first_box(mdia, b"mdhd")),
        handler=handler.decode(errors="replace"),
        entry=entry,
        cut=cut,
        delay=delay,
        scheme=scheme,
        kid=kid,
        pssh_kids=frozenset(kid for box in pssh_in(moov) for kid in box.kids),
        sample_ticks=int.from_bytes(trex[12:16]),
        sample_flags=int.from_bytes(trex[20:24]),
        sample_bytes=int.from_bytes(trex[16:20]),
    )


def read_run(content: bytes, head: Head) -> Run:
    """Read a media segment of one or more fragments. Raises PackageRejected when it is cut short or has a gap."""
    trafs = fragments_of(content)
    start = at = decode_time_of(trafs[0])
    ticks: list[int] = []
    offsets: list[int] = []
    sync: list[bool] = []
    sizes: list[int] = []
    for traf in trafs:
        if decode_time_of(traf) != at:
            message = f"A fragment should start at {at} ticks, but starts at {decode_time_of(traf)}."
            raise PackageRejected(message)
        for sample_ticks, flags, offset, size in _samples(traf, head):
            ticks.append(sample_ticks)
            offsets.append(offset)
            sync.append(not flags & _NON_SYNC)
            sizes.append(size)
            at += sample_ticks
    return Run(start, tuple(ticks), tuple(offsets), tuple(sync), len(content), tuple(sizes))


def read_index(content: bytes) -> tuple[tuple[int, Fraction], ...]:
    """Bytes and seconds of each segment that a sidx box lists (ISO/IEC 14496-12, 8.16.3). Raises PackageRejected."""
    sidx = first_box(content, b"sidx")
    timescale = int.from_bytes(sidx[8:12])
    at = 12 + (16 if sidx[0] else 8) + 2
    count = int.from_bytes(sidx[at : at + 2])
    entries = [sidx[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(count)]
    if not timescale or any(len(entry) != 12 or entry[0] & 0x80 for entry in entries):  # noqa: PLR2004 - by the box
        message = "A segment index of media was expected, but it is cut short or lists other indexes."
        raise PackageRejected(message)
    return tuple((int.from_bytes(entry[:4]), Fraction(int.from_bytes(entry[4:8]), timescale)) for entry in entries)


def _protection(mdia: bytes, handler: bytes) -> tuple[str, str | None, Kid | None]:
    """The sample entry, and how it is protected; of several (a clear lead) the encrypted one."""
    stsd = first_box(first_box(first_box(mdia, b"minf"), b"stbl"), b"stsd")
    entries = list(boxes_in(stsd[8:]))
    if not entries:
        message = "An init segment was expected to describe its samples, but has no sample entry."
        raise PackageRejected(message)
    kind, body = next((one for one in entries if one[0] in {b"encv", b"enca", b"enct", b"encs"}), entries[0])
    name = kind.decode(errors="replace")
    if not name.startswith("enc"):
        return name, None, None
    sinf = first_box(body[_FIELDS.get(handler, _HEADER) :], b"sinf")
    scheme = first_box(sinf, b"schm")[4:8].decode(errors="replace")
    tenc = first_box(first_box(sinf, b"schi"), b"tenc")
    return first_box(sinf, b"frma").decode(errors="replace"), scheme, tenc[8:24].hex()


def _edits(trak: bytes, movie_timescale: int) -> tuple[int, Fraction]:
    """Ticks that the first edit cuts, and seconds of empty edits before it (ISO/IEC 14496-12, 8.6.6)."""
    edts = next((body for kind, body in boxes_in(trak) if kind == b"edts"), None)
    if edts is None:
        return 0, Fraction(0)
    elst = first_box(edts, b"elst")
    wide = 8 if elst[0] else 4
    delay = Fraction(0)
    for position in range(int.from_bytes(elst[4:8])):
        at = 8 + position * (2 * wide + 4)
        length = int.from_bytes(elst[at : at + wide])
        media_time = int.from_bytes(elst[at + wide : at + 2 * wide], signed=True)
        if media_time >= 0:
            return media_time, delay
        delay += Fraction(length, movie_timescale)
    return 0, delay


def _samples(traf: bytes, head: Head) -> list[tuple[int, int, int, int]]:
    """Ticks, flags, composition offset and bytes of each sample of a fragment."""
    defaults = _defaults(first_box(traf, b"tfhd"), head)
    found: list[tuple[int, int, int, int]] = []
    for kind, trun in boxes_in(traf):
        if kind == b"trun":
            found += _run_samples(trun, defaults)
    return found


def _defaults(tfhd: bytes, head: Head) -> tuple[int, int, int]:
    """Ticks, flags and bytes of samples whose run does not say."""
    given, at = int.from_bytes(tfhd[1:4]), 8
    values = {0x08: head.sample_ticks, 0x10: head.sample_bytes, 0x20: head.sample_flags}
    for bit, size in ((0x01, 8), (0x02, 4), (0x08, 4), (0x10, 4), (0x20, 4)):
        if given & bit:
            if bit in values:
                values[bit] = int.from_bytes(tfhd[at : at + size])
            at += size
    return values[0x08], values[0x20], values[0x10]


def _run_samples(trun: bytes, defaults: tuple[int, int, int]) -> list[tuple[int, int, int, int]]:
    default_ticks, default_flags, default_bytes = defaults
    given, count = int.from_bytes(trun[1:4]), int.from_bytes(trun[4:8])
    at = 8 + (4 if given & 0x001 else 0)
    first_flags = default_flags
    if given & 0x004:
        first_flags, at = int.from_bytes(trun[at : at + 4]), at + 4
    fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if given & bit]
    if at + count * 4 * len(fields) > len(trun):
        message = f"A trun box says {count} samples, but is too short for them."
        raise PackageRejected(message)
    found = []
    for position in range(count):
        values = {bit: int.from_bytes(trun[at + 4 * n : at + 4 * n + 4]) for n, bit in enumerate(fields)}
        at += 4 * len(fields)
        flags = values.get(0x400, first_flags if position == 0 else default_flags)
        offset = values.get(0x800, 0)
        signed = offset - (1 << 32) if offset >= 1 << 31 and trun[0] else offset
        found.append((values.get(0x100, default_ticks), flags, signed, values.get(0x200, default_bytes)))
    return found
