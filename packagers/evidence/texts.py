"""Tracks of text: their cues, in order and inside the programme (W3C WebVTT; RFC 8216bis, 3.1.4). Pure."""

import itertools
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from packagers.boxes import boxes_in
from packagers.cues import Cue, clock
from packagers.evidence.clauses import Rule, fault
from packagers.evidence.documents import Fault
from packagers.evidence.fragments import Head, Run
from packagers.evidence.measures import Media, Passage, presented_zero, programme_of
from packagers.evidence.offers import Offer, Ref
from packagers.text_formats import read_packaged
from telecine.errors import PackageRejected

__all__ = ["faults_of_texts", "is_readable", "read_passage"]

_MAP = re.compile(r"^X-TIMESTAMP-MAP=(.*)$", re.MULTILINE)
_MPEGTS = re.compile(r"MPEGTS:(\d+)")
_LOCAL = re.compile(r"LOCAL:(?:(\d+):)?(\d{2}):(\d{2}\.\d{3})")
_MPEGTS_HZ = 90_000
_SLACK = Fraction(1, 10)
"""Of a cue that just touches a segment nobody could read the part."""

_WITH_PICTURES = ("im1i", "im2i")


def is_readable(offer: Offer, head: Head | None) -> bool:
    """Whether text of this form is read here: WebVTT and TTML by themselves, TTML in MP4 in the clear.

    WebVTT in MP4 and the image profile of IMSC are not.
    """
    if head is None:
        return offer.init is None
    return head.entry == "stpp" and head.kid is None and not any(name in offer.codecs for name in _WITH_PICTURES)


def read_passage(content: bytes, ref: Ref, run: Run | None, head: Head | None) -> Passage:
    """The cues of one segment or file. Raises SourceRejected for what is no text, PackageRejected for broken boxes."""
    name = ref.url.rpartition("/")[2]
    if head is None or run is None:
        return Passage(ref, read_packaged(content, name).cues, _shift(content), written=content.lstrip()[:1] != b"<")
    held = b"".join(body for kind, body in boxes_in(content) if kind == b"mdat")
    if sum(run.sizes) > len(held):
        message = f"Its samples should have {sum(run.sizes)} bytes, but its mdat boxes have {len(held)}."
        raise PackageRejected(message)
    ends = list(itertools.accumulate(run.sizes, initial=0))
    documents = [held[first:last] for first, last in itertools.pairwise(ends) if last > first]
    cues = tuple(cue for document in documents for cue in read_packaged(document, name).cues)
    return Passage(ref, cues, presented_zero(head), written=False)


def faults_of_texts(tracks: Sequence[Media], frame: Fraction) -> Iterator[Fault]:
    """Of each track of text: order, cues across segments, and the programme; ``frame`` is the seconds of a picture."""
    programme = programme_of(tracks)
    for media in tracks:
        if media.kind != "text":
            continue
        for passage in media.passages:
            if passage.written:
                yield from _faults_of_order(passage)
            if programme is not None:
                yield from _faults_of_place(passage, programme, frame)
        if programme is not None:
            for offer in media.offers:
                if offer.times == "extinf":
                    yield from _faults_of_cuts(media, offer, programme[0])


def _faults_of_order(passage: Passage) -> Iterator[Fault]:
    for one, following in itertools.pairwise(passage.cues):
        if following.start < one.start:
            told = f"line {following.line}: its cue at {clock(following.start)} follows one at {clock(one.start)}."
            yield fault(Rule.WEBVTT, passage.ref.url, told)
            return


def _faults_of_place(passage: Passage, programme: tuple[Fraction, Fraction], frame: Fraction) -> Iterator[Fault]:
    begin, end = programme
    shown = [_placed(cue, passage) for cue in passage.cues]
    outside = [(start, stop) for start, stop, _ in shown if start >= end or stop <= begin]
    lasting = [stop for start, stop, _ in shown if start < end and stop > end + frame]
    span = f"the programme is from {clock(begin)} to {clock(end)}"
    if outside:
        told = f"{len(outside)} of its {len(shown)} cues are outside, the first at {clock(outside[0][0])}; {span}."
        yield fault(Rule.TEXT_INSIDE, passage.ref.url, told)
    if lasting:
        yield fault(Rule.TEXT_END, passage.ref.url, f"a cue ends at {clock(max(lasting))}; {span}.")


def _faults_of_cuts(media: Media, offer: Offer, begin: Fraction) -> Iterator[Fault]:
    """A cue that is shown on both sides of a cut is in both segments, each with its own whole time."""
    found = {passage.ref: passage for passage in media.passages if passage.written}
    cut = begin
    for one, following in itertools.pairwise(offer.pieces):
        cut += one.duration
        if one.ref not in found or following.ref not in found:
            continue
        before, after = (_across(found[piece.ref], cut) for piece in (one, following))
        if before != after:
            lacking = one if after - before else following
            start, stop, _ = min(before ^ after)
            told = f"it has no cue from {clock(start)} to {clock(stop)}, which is shown on both sides of {clock(cut)}."
            yield fault(Rule.HLS_WEBVTT, lacking.ref.url, told)


def _across(passage: Passage, cut: Fraction) -> set[tuple[Fraction, Fraction, str]]:
    placed = {_placed(cue, passage) for cue in passage.cues}
    return {found for found in placed if found[0] < cut - _SLACK and found[1] > cut + _SLACK}


def _placed(cue: Cue, passage: Passage) -> tuple[Fraction, Fraction, str]:
    return cue.start + passage.shift, cue.end + passage.shift, cue.text


def _shift(content: bytes) -> Fraction:
    """Seconds from the clock of a segment of WebVTT to that of the media (RFC 8216bis, 3.1.4)."""
    found = _MAP.search(content.decode("utf-8-sig", errors="replace"))
    if found is None:
        return Fraction(0)
    ticks, local = _MPEGTS.search(found[1]), _LOCAL.search(found[1])
    hours, minutes, seconds = local.groups("0") if local else ("0", "0", "0")
    counted = Fraction(int(hours) * 3600 + int(minutes) * 60) + Fraction(seconds)
    return Fraction(int(ticks[1]) if ticks else 0, _MPEGTS_HZ) - counted
