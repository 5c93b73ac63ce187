"""Static HDR metadata as boxes of an MP4's sample entry (ISO/IEC 14496-12, 12.1.6 and 12.1.7). Pure.

For codecs whose own stream has no place for it (VP9) or whose place the packager cannot read (AV1's metadata OBUs).
"""

import struct
from collections.abc import Sequence
from fractions import Fraction

from telecine.media import ContentLight, MasteringDisplay

__all__ = ["box", "with_entry_boxes", "with_light_boxes"]

_TO_ENTRY = ((b"moov", 0), (b"trak", 0), (b"mdia", 0), (b"minf", 0), (b"stbl", 0), (b"stsd", 8), (b"", 78))
"""Boxes on the way to the first visual sample entry (of any name), each with its bytes before its own boxes."""


def with_light_boxes(boxes: bytes, mastering: MasteringDisplay | None, light: ContentLight | None) -> bytes:
    """The same row of boxes, ``moov`` among them, with mdcv and clli in the first sample entry of the first track.

    Nothing is added twice. Whatever comes after ``moov`` moves. Raises ValueError where there is no such entry.
    """
    added = b""
    if mastering and b"mdcv" not in boxes:
        added += box(b"mdcv", _display(mastering))
    if light and b"clli" not in boxes:
        added += box(b"clli", struct.pack(">HH", min(light.max_cll, 0xFFFF), min(light.max_fall, 0xFFFF)))
    return with_entry_boxes(boxes, added) if added else boxes


def with_entry_boxes(boxes: bytes, added: bytes) -> bytes:
    """As ``with_light_boxes``, with any boxes."""
    return _appended(boxes, _TO_ENTRY, added)


def box(kind: bytes, body: bytes) -> bytes:
    """A box of that type (ISO/IEC 14496-12, 4.2)."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _display(shown: MasteringDisplay) -> bytes:
    """As SEI has it: green, blue, red, white in steps of 0.00002, then 0.0001 cd/m2."""
    points = [round(axis * 50_000) for point in (shown.green, shown.blue, shown.red, shown.white) for axis in point]
    levels = [round(Fraction(nits) * 10_000) for nits in (shown.max_luminance, shown.min_luminance)]
    return struct.pack(">8H2I", *points, *levels)


def _appended(row: bytes, path: Sequence[tuple[bytes, int]], added: bytes) -> bytes:
    """``row`` with ``added`` behind the boxes that ``path`` leads to, and every size on the way made right."""
    if not path:
        return row + added
    (wanted, fields), at = path[0], 0
    while at + 8 <= len(row):
        size, kind = struct.unpack(">I4s", row[at : at + 8])
        if size < 8:  # noqa: PLR2004 - a box is at least its own header
            break
        if kind == wanted or not wanted:
            body = row[at + 8 : at + size]
            grown = body[:fields] + _appended(body[fields:], path[1:], added)
            return row[:at] + box(kind, grown) + row[at + size :]
        at += size
    message = f"A box '{wanted.decode()}' was expected on the way to the sample entry and is not there."
    raise ValueError(message)
