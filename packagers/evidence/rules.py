"""What media must be, given what manifests promise: times, keys, grids, rates. Pure."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from packagers.evidence.clauses import Rule, fault
from packagers.evidence.documents import Decoded, Fault
from packagers.evidence.measures import Media, average_bps, needed_bps, peak_bps, segments_of, start_of, sync_times
from packagers.evidence.offers import Manifest, Offer, Variant
from packagers.evidence.seeking import faults_of_seeking
from packagers.evidence.texts import faults_of_texts
from packagers.evidence.tiles import faults_of_tiles

__all__ = ["Expected", "faults_of_decoded", "faults_of_rates", "faults_of_set", "faults_of_track"]

_TOLERANCE = Fraction(1, 10)
_MILLISECOND = Fraction(1, 1000)
_PRIMING = {"mp4a.40.2": 2112, "mp4a.40.5": 5186, "mp4a.40.29": 5186}
"""Samples a decoder may need before the first it shows: AAC, and SBR with its own delay on top."""

_PRIMING_ELSE = 1536
"""One frame of AC-3 or E-AC-3; what others need is less."""

_DEFAULT_FRAME = Fraction(1, 24)
_SIX_SECONDS = 6
_PEAK_RATIO = 2


@dataclass(frozen=True, slots=True)
class Expected:
    """The plan of a title of ours: frames of every video track, and their rate."""

    frames: int
    frame_rate: Fraction


def faults_of_track(media: Media, granted: frozenset[str] | None) -> Iterator[Fault]:
    """Of one track against its own manifests. ``granted``: KIDs a licence opened, None where nobody was asked."""
    yield from _faults_of_keys(media, granted)
    if media.head is None or not media.runs:
        return
    if not media.offer.ranged:  # key frames among the segments of another track, which is held to its own times
        for offer in media.offers:
            yield from _faults_of_times(media, offer)
        yield from _faults_of_joins(media)
    if media.kind == "video":
        for offered, run in zip(media.offer.pieces, media.runs, strict=False):
            if run.sync and not run.sync[0]:
                yield fault(Rule.SYNC_START, offered.ref.url, "it does not start with a sync sample.")


def faults_of_set(tracks: Sequence[Media]) -> Iterator[Fault]:
    """Of all tracks with one another: one grid, sound with picture, one length, one set for DASH and HLS."""
    video = [media for media in tracks if media.kind == "video" and media.runs]
    frame = frame_of(video)
    grids = {media.name: sync_times(media) for media in video}
    for name, grid in grids.items():
        first, other = next(iter(grids.items()))
        if grid != other:
            at = next((a if a is not None else b for a, b in itertools.zip_longest(grid, other) if a != b), Fraction(0))
            found = f"its sync samples differ from those of '{first}' from {float(at or 0):.3f} s on."
            yield fault(Rule.GRID, f"'{name}'", found)
    starts = [start for media in video if (start := start_of(media)) is not None]
    for media in tracks:
        if media.kind == "audio":
            yield from _faults_of_offset(media, min(starts, default=Fraction(0)), frame)
    yield from _faults_of_lengths([media for media in tracks if media.kind in {"video", "audio"}], frame)
    yield from faults_of_seeking(tracks, frame)
    yield from faults_of_texts(tracks, frame)
    yield from faults_of_tiles(tracks)
    for media in tracks:
        yield from _faults_of_agreement(media)


def faults_of_rates(
    tracks: Sequence[Media], manifests: Sequence[Manifest], variants: Sequence[Variant]
) -> Iterator[Fault]:
    """Of what manifests declare of bit rates."""
    buffers = {manifest.url: manifest.min_buffer for manifest in manifests}
    for media in tracks:
        for offer in media.offers:
            if offer.bandwidth is not None and media.runs and media.kind in {"video", "audio"}:
                yield from _faults_of_bandwidth(media, offer, buffers.get(offer.manifest) or Fraction(2))
    playlists = {offer.manifest: media for media in tracks for offer in media.offers}
    for variant in variants:
        yield from _faults_of_variant(variant, playlists)


def faults_of_decoded(media: Media, decoded: Decoded, expected: Expected | None) -> Iterator[Fault]:
    """Of what came out of a decoder."""
    if media.kind not in {"video", "trick"}:
        return
    held = sum(len(run.ticks) for run in media.runs)
    if decoded.frames != held:
        yield fault(Rule.DECODES, f"'{media.name}'", f"{decoded.frames} of its {held} frames came out of the decoder.")
    if media.kind == "trick" or expected is None or not expected.frames:
        return
    lasts = Fraction(expected.frames) / expected.frame_rate
    held_s = Fraction(sum(run.total for run in media.runs), media.head.timescale) if media.head else Fraction(0)
    if decoded.frames != expected.frames or abs(held_s - lasts) > _MILLISECOND:
        found = (
            f"{decoded.frames} frames in {float(held_s):.3f} s, where the plan has {expected.frames} "
            f"in {float(lasts):.3f} s."
        )
        yield fault(Rule.FRAMES, f"'{media.name}'", found)


def frame_of(video: Sequence[Media]) -> Fraction:
    """Seconds of a frame of the fastest picture."""
    lasting = [
        Fraction(ticks, media.head.timescale)
        for media in video
        if media.head
        for ticks in {ticks for run in media.runs for ticks in run.ticks if ticks}
    ]
    return min(lasting, default=_DEFAULT_FRAME)


def _faults_of_keys(media: Media, granted: frozenset[str] | None) -> Iterator[Fault]:
    head = media.head
    if head is None:
        return
    where = media.offer.init.url if media.offer.init else f"'{media.name}'"
    for offer in media.offers:
        said = ", ".join(sorted(offer.kids)) or "none"
        unsaid = offer.times == "extinf" and not offer.kids and offer.scheme  # HLS need not tell KIDs
        if offer.kids != ({head.kid} if head.kid else set()) and not unsaid:
            yield fault(Rule.KID_TENC, where, f"its KID is {head.kid or 'none'}, but {offer.manifest} says {said}.")
        if offer.scheme is not None and offer.scheme != head.scheme:
            yield fault(
                Rule.SCHEME, where, f"its scheme is {head.scheme or 'none'}, but {offer.manifest} says {offer.scheme}."
            )
    if head.kid and head.pssh_kids and head.kid not in head.pssh_kids:
        yield fault(Rule.KID_TENC, where, f"its KID {head.kid} is not among those of its pssh boxes.")
    if granted is not None and head.kid and head.kid not in granted:
        yield fault(Rule.KID_LICENCE, where, f"the licence has no key for its KID {head.kid}.")


def _faults_of_times(media: Media, offer: Offer) -> Iterator[Fault]:
    """Each segment where and as long as a manifest says; the last frames of sound may be padding."""
    head = media.head
    if head is None:
        return
    slack = {"timeline": Fraction(1, head.timescale), "extinf": _MILLISECOND + Fraction(1, head.timescale)}
    exact = slack.get(offer.times)
    drift = Fraction(0)
    for piece, found in zip(offer.pieces, segments_of(media), strict=False):
        limit = exact if exact is not None else piece.duration / 2
        rule = {"timeline": Rule.DASH_TIMELINE, "extinf": Rule.HLS_ACCURATE}.get(offer.times, Rule.DASH_NUMBERED)
        drift += found.duration - piece.duration
        start = max(found.start, Fraction(0))
        late = abs(start - piece.start) if piece.start is not None else Fraction(0)
        primed = max(Fraction(0), -found.start)  # a manifest may count from where a decoder begins or a viewer hears
        if late > limit + (primed if media.kind == "audio" else 0):
            told = (
                f"{offer.manifest} puts it at {float(piece.start or 0):.6f} s, but it starts at {float(start):.6f} s."
            )
            yield fault(rule, piece.ref.url, told)
        if abs(found.duration - piece.duration) > limit + primed:
            told = (
                f"{offer.manifest} says it lasts {float(piece.duration):.6f} s, "
                f"but its samples last {float(found.duration):.6f} s."
            )
            yield fault(rule, piece.ref.url, told)
    if offer.times == "extinf" and abs(drift) > frame_of([media] if media.kind == "video" else []):
        told = f"its EXTINF add up to {float(abs(drift)):.3f} s {'less' if drift > 0 else 'more'} than its media."
        yield fault(Rule.HLS_ACCURATE, offer.manifest, told)


def _faults_of_joins(media: Media) -> Iterator[Fault]:
    for (one, following), piece in zip(itertools.pairwise(media.runs), media.offer.pieces[1:], strict=False):
        end = one.decode_time + one.total
        if following.decode_time != end:
            told = f"it starts at {following.decode_time} ticks, but the segment before ends at {end}."
            yield fault(Rule.CONTINUOUS, piece.ref.url, told)


def _faults_of_offset(media: Media, picture: Fraction, frame: Fraction) -> Iterator[Fault]:
    """Sound that begins late, or of which an edit cuts more than a decoder needs to prime."""
    start, head = start_of(media), media.head
    if start is None or head is None:
        return
    priming = Fraction(_PRIMING.get(media.codecs, _PRIMING_ELSE), head.timescale)
    apart = start - picture
    if apart >= frame or -apart > priming + frame:
        side = "after" if apart > 0 else "before"
        told = f"its sound begins {float(abs(apart)) * 1000:.0f} ms {side} the picture, whose frame is "
        told += f"{float(frame) * 1000:.0f} ms."
        yield fault(Rule.OFFSET, f"'{media.name}'", told)


def _faults_of_lengths(tracks: Sequence[Media], frame: Fraction) -> Iterator[Fault]:
    """Playlists of one length (within a segment's rounding of sound), one target; a title's length in DASH."""
    offers = [offer for media in tracks for offer in media.offers if offer.times == "extinf"]
    longest = max((offer.duration for offer in offers), default=Fraction(0))
    for offer in offers:
        if longest - offer.duration > max(frame, Fraction(1, 10)):
            told = f"it lasts {float(offer.duration):.3f} s, but the longest playlist {float(longest):.3f} s."
            yield fault(Rule.HLS_ONE_LENGTH, offer.manifest, told)
    targets = {offer.target for offer in offers if offer.target is not None}
    if len(targets) > 1:
        yield fault(Rule.HLS_ONE_TARGET, "the media playlists", f"their targets are {sorted(targets)} s.")
    if targets and targets != {_SIX_SECONDS}:
        yield fault(Rule.HLS_SIX_SECONDS, "the media playlists", f"their targets are {sorted(targets)} s.")


def _faults_of_agreement(media: Media) -> Iterator[Fault]:
    first = media.offer
    for other in media.offers[1:]:
        if [piece.ref for piece in other.pieces] != [piece.ref for piece in first.pieces]:
            told = f"it names {len(other.pieces)} segments, {first.manifest} {len(first.pieces)}, not all the same."
            yield fault(Rule.SAME_MEDIA, f"{other.manifest}, '{other.name}'", told)
        if other.kids != first.kids:
            told = f"it names the KIDs {sorted(other.kids)}, {first.manifest} {sorted(first.kids)}."
            yield fault(Rule.SAME_MEDIA, f"{other.manifest}, '{other.name}'", told)


def _faults_of_bandwidth(media: Media, offer: Offer, min_buffer: Fraction) -> Iterator[Fault]:
    segments = segments_of(media)
    largest = max(Fraction(one.size_bytes * 8) / one.duration for one in segments if one.duration)
    needed = needed_bps(segments, min_buffer) or 0
    declared = offer.bandwidth or 0
    if needed > declared * (1 + _TOLERANCE) or declared > largest * (1 + _TOLERANCE):
        told = (
            f"it declares {declared} bit/s; with {float(min_buffer):g} s of buffer {needed} are needed, and no segment "
            f"has more than {int(largest)}."
        )
        yield fault(Rule.DASH_BANDWIDTH, f"{offer.manifest}, representation {offer.name}", told)


def _faults_of_variant(variant: Variant, playlists: Mapping[str, Media]) -> Iterator[Fault]:
    peaks, averages = [0], [0]
    for group in [(variant.playlist,), *variant.groups]:
        measured = [_measured(playlists[url]) for url in group if url in playlists and playlists[url].runs]
        if not measured:
            return
        peaks.append(max(peak for peak, _ in measured))
        averages.append(max(average for _, average in measured))
    peak, average = sum(peaks), sum(averages)
    if variant.peak is not None and abs(variant.peak - peak) > peak * _TOLERANCE:
        yield fault(Rule.HLS_PEAK, variant.where, f"BANDWIDTH is {variant.peak}, but the measured peak {peak} bit/s.")
    if variant.average is not None and abs(variant.average - average) > average * _TOLERANCE:
        told = f"AVERAGE-BANDWIDTH is {variant.average}, but the measured average {average} bit/s."
        yield fault(Rule.HLS_AVERAGE, variant.where, told)
    if peak > average * _PEAK_RATIO:
        yield fault(Rule.HLS_PEAK_RATIO, variant.where, f"the peak is {peak / average:.1f} times the average.")


def _measured(media: Media) -> tuple[int, int]:
    segments = segments_of(media)
    target = next((offer.target for offer in media.offers if offer.target), None)
    longest = max(one.duration for one in segments)
    return peak_bps(segments, Fraction(target or longest)) or 0, average_bps(segments) or 0
