"""Tracks for seeking in pictures: key frames alone, at the times of the picture's (RFC 8216bis, 4.4.3.6). Pure."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from packagers.evidence.clauses import Rule, fault
from packagers.evidence.documents import Fault
from packagers.evidence.measures import Media, end_of, sync_times
from telecine.errors import PackageRejected

__all__ = ["faults_of_seeking", "one_key_frame"]

_HEADER, _LARGE_HEADER = 8, 16
_COUNT_AT = 4
"""Bytes of the count of samples in the body of a trun, after its version and flags."""

_SLACK = Fraction(1, 10)


def one_key_frame(content: bytes) -> bytes:
    """A range of a media segment, from a moof to the end of its first sample, as a segment of that sample alone.

    Its trun box tells of all samples of the fragment and its mdat box is longer than the range, so both are corrected.
    Raises PackageRejected when the range is no such thing.
    """
    made, first = bytearray(content), True
    for kind, body, end in _boxes(content, 0, len(content)):
        if kind == b"moof":
            for inner, inner_body, inner_end in _boxes(content, body, end):
                for found, at, _ in _boxes(content, inner_body, inner_end) if inner == b"traf" else ():
                    if found == b"trun":
                        made[at + _COUNT_AT : at + _COUNT_AT + 4] = int(first).to_bytes(4)
                        first = False
        elif kind == b"mdat" and not first:
            _resize(made, body, len(content) - body)
            return bytes(made)
    message = "a range from a moof box to the end of a key frame was expected, but it holds no moof with an mdat."
    raise PackageRejected(message)


def faults_of_seeking(tracks: Sequence[Media], frame: Fraction) -> Iterator[Fault]:
    """Of each track for seeking, beside the picture of the same package; ``frame`` is the seconds of one."""
    picture = next((media for media in tracks if media.kind == "video" and media.runs), None)
    for media in tracks:
        if media.kind != "trick" or not media.runs:
            continue
        if not media.offer.dependent:
            yield from _faults_of_samples(media)
        if picture is not None:
            yield from _faults_of_grid(media, picture, frame)


def _faults_of_samples(media: Media) -> Iterator[Fault]:
    rule = Rule.HLS_KEY_FRAMES if any(offer.times == "extinf" for offer in media.offers) else Rule.DASH_KEY_FRAMES
    for piece, run in zip(media.offer.pieces, media.runs, strict=False):
        dependent = run.sync.count(False)
        if dependent:
            told = f"{dependent} of its {len(run.sync)} samples depend on others."
            yield fault(rule, piece.ref.url, told)


def _faults_of_grid(media: Media, picture: Media, frame: Fraction) -> Iterator[Fault]:
    grid, found = sync_times(picture), sync_times(media)
    ticks = {round(at / frame) for at in grid}
    stray = next((at for at in found if round(at / frame) not in ticks), None)
    if stray is not None:
        told = f"it has a key frame at {float(stray):.3f} s, where '{picture.name}' has none."
        yield fault(Rule.SEEKING, f"'{media.name}'", told)
    if found and grid and found[0] - grid[0] >= frame:
        told = f"its first key frame is at {float(found[0]):.3f} s, that of '{picture.name}' at {float(grid[0]):.3f} s."
        yield fault(Rule.SEEKING, f"'{media.name}'", told)
    lasts = (end_of(picture) or Fraction(0)) - (grid[0] if grid else 0)
    for offer in media.offers:
        if lasts - offer.duration > max(frame, _SLACK):
            told = f"{offer.manifest} offers {float(offer.duration):.3f} s of the programme's {float(lasts):.3f} s."
            yield fault(Rule.SEEKING, f"'{media.name}'", told)


def _boxes(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start of the body and end of each box in a row; the last one may be cut short."""
    while at + _HEADER <= end:
        size, header = int.from_bytes(content[at : at + 4]), _HEADER
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16]), _LARGE_HEADER
        if size < header:
            return
        yield content[at + 4 : at + 8], at + header, min(at + size, end)
        at += size


def _resize(made: bytearray, body: int, held: int) -> None:
    """Say of the mdat whose body is at ``body`` that it holds ``held`` bytes."""
    if made[body - _HEADER + 4 : body] == b"mdat":
        made[body - _HEADER : body - 4] = (held + _HEADER).to_bytes(4)
    else:
        made[body - 8 : body] = (held + _LARGE_HEADER).to_bytes(8)
