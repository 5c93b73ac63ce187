"""Inspects a whole package: fetches all its manifests name, opens it with licensed keys, holds it to every clause."""

import time
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

from pydantic import SecretBytes

from packagers.evidence.clauses import Rule, fault
from packagers.evidence.decoding import decode_track
from packagers.evidence.documents import Decoded, EvidenceReport, Fault, TrackEvidence
from packagers.evidence.licence import LicenceRefused, NoLicences
from packagers.evidence.measures import Media, average_bps, peak_bps, segments_of, start_of, sync_times
from packagers.evidence.reading import Findings, Inspection, read_manifests, read_tracks, side_by_side
from packagers.evidence.rules import faults_of_decoded, faults_of_rates, faults_of_set, faults_of_track
from packagers.evidence.texts import is_readable
from packagers.tooling import private_folder
from telecine.errors import PackageRejected
from telecine.log import get_logger
from telecine.protection import Kid

__all__ = ["Inspection", "inspect_package"]

log = get_logger(__name__)

_DECODED = {"video", "audio", "trick"}


def inspect_package(case: Inspection) -> EvidenceReport:
    """Everything found of a package; never raises for what is wrong with it.

    Raises Unavailable when the licence service does not answer.
    """
    began = time.monotonic()
    found = Findings()
    with private_folder(case.work_dir, "evidence-") as folder:
        manifests, variants = read_manifests(case, found)
        tracks = read_tracks(case, manifests, folder, found)
        if not tracks:
            found.faults += [fault(Rule.DASH_FETCH, url, "it offers no track.") for url in case.manifests]
        keys = _licensed(case, tracks, found)
        granted = None if isinstance(case.licences, NoLicences) else frozenset(keys)
        for media in tracks:
            found.faults += faults_of_track(media, granted)
        found.faults += [*faults_of_set(tracks), *faults_of_rates(tracks, manifests, variants)]
        decoded = _decoded(case, tracks, keys, folder, found)
        shown = tuple(_evidence(case, media, decoded.get(id(media))) for media in tracks)
    report = EvidenceReport(
        package=case.package,
        manifests=case.manifests,
        tracks=shown,
        faults=tuple(dict.fromkeys(sorted(found.faults, key=lambda one: not one.must))),
        not_checked=tuple(dict.fromkeys(found.not_checked)),
        fetched=len(found.fetched),
        granted=tuple(sorted(keys)),
        wall_s=round(time.monotonic() - began, 3),
        decode_cpu_s=round(found.decode_cpu_s, 3),
    )
    log.info("package.inspected", package=case.package, faults=len(report.rejections), tracks=len(tracks))
    return report


def _licensed(case: Inspection, tracks: Iterable[Media], found: Findings) -> Mapping[Kid, SecretBytes]:
    """Keys for every KID of the media, from one licence request as a player makes it."""
    kids = sorted({media.head.kid for media in tracks if media.head and media.head.kid})
    if not kids:
        return {}
    try:
        return case.licences.keys(kids)
    except LicenceRefused as refused:
        if isinstance(case.licences, NoLicences):
            found.not_checked.append(f"The tracks are encrypted and were not decoded: {refused}")
        else:
            found.faults.append(fault(Rule.KID_LICENCE, "the licence service", str(refused)))
        return {}


def _decoded(
    case: Inspection, tracks: Sequence[Media], keys: Mapping[Kid, SecretBytes], folder: Path, found: Findings
) -> dict[int, Decoded]:
    """What came out of each track, the largest first, as many at once as there are cores."""
    wanted = sorted(
        (media for media in tracks if media.runs and _is_open(media, keys)),
        key=lambda media: -media.path.stat().st_size,
    )

    def one(media: Media) -> tuple[int, Decoded | None, list[Fault], float]:
        key = keys.get(media.head.kid) if media.head and media.head.kid else None
        init = media.offer.init.url if media.offer.init else ""
        known, cpu_s = case.decoded.get(init), 0.0
        try:
            if known is None:
                made, cpu_s = decode_track(media, key, folder)
                known = made
        except PackageRejected as rejected:
            return (
                id(media),
                None,
                [fault(Rule.DECODES, f"'{media.name}'", reason) for reason in rejected.reasons],
                cpu_s,
            )
        return id(media), known, list(faults_of_decoded(media, known, case.expected)), cpu_s

    results = side_by_side([partial(one, media) for media in wanted])
    found.decode_cpu_s += sum(cpu_s for *_, cpu_s in results)
    found.decode_cpu_s += sum(picture.cpu_s for media in tracks for picture in media.pictures)
    found.faults += [broken for _, _, faults, _ in results for broken in faults]
    return {name: decoded for name, decoded, _, _ in results if decoded is not None}


def _is_open(media: Media, keys: Mapping[Kid, SecretBytes]) -> bool:
    head = media.head
    return head is not None and media.kind in _DECODED and (not head.kid or head.kid in keys)


def _evidence(case: Inspection, media: Media, decoded: Decoded | None) -> TrackEvidence:
    segments = segments_of(media)
    head = media.head
    target = next((offer.target for offer in media.offers if offer.target), None)
    longest = max((one.duration for one in segments), default=Fraction(1))
    known = {found.name: found for found in case.renditions.renditions} if case.renditions else {}
    rendition = media.name.rpartition("/")[2]  # before it, the scheme of a second set
    grid = sync_times(media) if media.kind == "video" else ()
    return TrackEvidence(
        name=media.name,
        kind=media.kind,
        codecs=media.codecs,
        init=media.offer.init.url if media.offer.init else None,
        kid=head.kid if head else None,
        scheme=head.scheme if head else None,
        samples=sum(one.samples for one in segments),
        sync_samples=sum(sum(run.sync) for run in media.runs),
        start=start_of(media),
        average_bps=average_bps(segments),
        peak_bps=peak_bps(segments, Fraction(target or longest)) if segments else None,
        declared_bps=next((offer.bandwidth for offer in media.offers if offer.bandwidth), None),
        grid=grid,
        segments=segments,
        decoded=decoded,
        not_decoded=None if decoded or media.passages or media.pictures else _why_not(media),
        cues=sum(len(passage.cues) for passage in media.passages) if media.passages else None,
        pictures=len(media.pictures) or None,
        quality=known[rendition].quality if rendition in known else None,
    )


def _why_not(media: Media) -> str:
    if media.kind == "image":
        return "none of its pictures decodes"
    if media.kind == "text" and not is_readable(media.offer, media.head):
        return "text of this form, or encrypted, is fetched and not read"
    if media.head is None or not media.runs:
        return "its segments could not be read"
    return "no licence opened it, or it does not decode" if media.head.kid else "it does not decode"
