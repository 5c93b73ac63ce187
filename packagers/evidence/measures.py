"""Figures of a track, from the sizes and times of its own samples. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from packagers.cues import Cue
from packagers.evidence.documents import SegmentEvidence, TrackKind
from packagers.evidence.fragments import Head, Run
from packagers.evidence.offers import Offer, Ref

__all__ = [
    "Media",
    "Passage",
    "Picture",
    "average_bps",
    "end_of",
    "needed_bps",
    "peak_bps",
    "presented_zero",
    "programme_of",
    "segments_of",
    "start_of",
    "sync_times",
]

_SHORTEST, _LONGEST = Fraction(1, 2), Fraction(3, 2)
"""Of the target duration: the sets of segments over which RFC 8216bis (4.4.6.2) takes the peak."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The cues of one segment or file of text; ``shift`` leads from their clock to the presentation's, seconds.

    ``written``: as WebVTT, whose order is the file's own.
    """

    ref: Ref
    cues: tuple[Cue, ...]
    shift: Fraction
    written: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as decoded, and the CPU seconds that took."""

    ref: Ref
    width: int
    height: int
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Media:
    """A track with what every manifest says of it and what its segments hold. ``path`` is all of it joined.

    ``runs`` is empty where the media is no CMAF (a sidecar, a picture) or could not be read; ``passages`` are of text,
    ``pictures`` of thumbnails.
    """

    offers: tuple[Offer, ...]
    head: Head | None
    runs: tuple[Run, ...]
    path: Path
    passages: tuple[Passage, ...] = ()
    pictures: tuple[Picture, ...] = ()

    @property
    def offer(self) -> Offer:
        """The first manifest's, DASH before HLS."""
        return self.offers[0]

    @property
    def name(self) -> str:
        return self.offer.name

    @property
    def kind(self) -> TrackKind:
        return self.offer.kind

    @property
    def codecs(self) -> str:
        said = [offer.codecs for offer in self.offers if offer.codecs and "," not in offer.codecs]
        return said[0] if said else (self.head.entry if self.head else "")


def segments_of(media: Media) -> tuple[SegmentEvidence, ...]:
    """Each segment as measured."""
    head = media.head
    if head is None:
        return ()
    return tuple(
        SegmentEvidence(
            start=_presented(run.first, head),
            duration=Fraction(run.total, head.timescale),
            size_bytes=run.size_bytes,
            samples=len(run.ticks),
        )
        for run in media.runs
    )


def start_of(media: Media) -> Fraction | None:
    """Presentation time at which content that was not cut would begin; below 0 where an edit cuts some."""
    if media.head is None or not media.runs:
        return None
    return _presented(media.runs[0].first, media.head)


def end_of(media: Media) -> Fraction | None:
    """Presentation time at which the last of its samples ends."""
    if media.head is None or not media.runs:
        return None
    return max(_presented(run.first + run.total, media.head) for run in media.runs)


def presented_zero(head: Head) -> Fraction:
    """Presentation time of a track's own time 0."""
    return _presented(0, head)


def programme_of(tracks: Sequence[Media]) -> tuple[Fraction, Fraction] | None:
    """Presentation times at which the picture, or sound without one, begins and ends; None where none was read."""
    for kind in ("video", "audio"):
        found = [media for media in tracks if media.kind == kind and media.runs]
        starts = [start for media in found if (start := start_of(media)) is not None]
        ends = [end for media in found if (end := end_of(media)) is not None]
        if starts and ends:
            return max(min(starts), Fraction(0)), max(ends)
    return None


def sync_times(media: Media) -> tuple[Fraction, ...]:
    """Presentation times of all sync samples."""
    if media.head is None:
        return ()
    head = media.head
    return tuple(
        _presented(at, head) for run in media.runs for at, sync in zip(run.compositions, run.sync, strict=True) if sync
    )


def average_bps(segments: Sequence[SegmentEvidence]) -> int | None:
    """All bits over all seconds."""
    seconds = sum((one.duration for one in segments), Fraction(0))
    return int(sum(one.size_bytes for one in segments) * 8 / seconds) if seconds else None


def peak_bps(segments: Sequence[SegmentEvidence], target: Fraction) -> int | None:
    """The peak segment bit rate of RFC 8216bis, 4.4.6.2.

    Over every contiguous set of segments that lasts 0.5 to 1.5 target durations; over all of a track that is shorter.
    """
    rates = [rate for first in range(len(segments)) for rate in _rates(segments[first:], target)]
    return int(max(rates)) if rates else average_bps(segments)


def needed_bps(segments: Sequence[SegmentEvidence], min_buffer: Fraction) -> int | None:
    """The least rate at which a client that has waited ``min_buffer`` never runs dry (ISO/IEC 23009-1, 5.3.5.2).

    From any segment on, all bits up to a later segment's end must be there when that end is played.
    """
    if not segments:
        return None
    low, high = 0, max(int(one.size_bytes * 8 / (min_buffer + one.duration)) for one in segments) + 1
    while not _feeds(high, segments, min_buffer):
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _feeds(middle, segments, min_buffer) else (middle, high)
    return high


def _feeds(bps: int, segments: Sequence[SegmentEvidence], min_buffer: Fraction) -> bool:
    """Whether no run of segments has more bits than arrive until its end, with the buffer's share."""
    lacking = Fraction(0)
    for one in segments:
        lacking = max(lacking, Fraction(0)) + one.size_bytes * 8 - bps * one.duration
        if lacking > bps * min_buffer:
            return False
    return True


def _rates(segments: Sequence[SegmentEvidence], target: Fraction) -> Iterator[Fraction]:
    bits, seconds = 0, Fraction(0)
    for one in segments:
        bits, seconds = bits + one.size_bytes * 8, seconds + one.duration
        if seconds > _LONGEST * target:
            return
        if seconds >= _SHORTEST * target:
            yield bits / seconds


def _presented(ticks: int, head: Head) -> Fraction:
    return head.delay + Fraction(ticks - head.cut, head.timescale)
