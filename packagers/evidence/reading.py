"""Fetches all that the manifests of a package name, and reads it: manifests, init segments, segments."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from lxml import etree

from packagers.evidence.clauses import Rule, fault
from packagers.evidence.decoding import decode_picture
from packagers.evidence.documents import Decoded, Fault
from packagers.evidence.fragments import Head, Run, read_head, read_index, read_run
from packagers.evidence.licence import LicenceSource
from packagers.evidence.measures import Media, Passage, Picture
from packagers.evidence.mpd import read_mpd
from packagers.evidence.offers import Manifest, Offer, Piece, Ref, Variant
from packagers.evidence.playlists import read_media_playlist, read_multivariant
from packagers.evidence.rules import Expected
from packagers.evidence.seeking import one_key_frame
from packagers.evidence.source import Fetched, PackageSource
from packagers.evidence.texts import is_readable, read_passage
from telecine.errors import NotFound, PackageRejected, SourceRejected, Unavailable
from telecine.rendition import RenditionSet
from telecine.settings import usable_cores

__all__ = ["Findings", "Inspection", "read_manifests", "read_tracks", "side_by_side"]

_FETCHES = 8
_MANIFEST_TYPES = {".mpd": "application/dash+xml", ".m3u8": "application/vnd.apple.mpegurl"}
_PLAYLIST_TYPES = {"application/vnd.apple.mpegurl", "audio/mpegurl", "application/x-mpegurl"}
_MEDIA_TYPES = {"video/mp4", "audio/mp4", "video/iso.segment", "application/mp4", "video/mp2t", "audio/aac", "text/vtt"}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What to inspect, and what is known of it beforehand.

    ``manifests`` are URLs of MPDs and multivariant playlists of one title. ``decoded`` are tracks, by the URL of their
    init segment, that were decoded already; ``digests`` the SHA-256 of URLs by the inventory, where there is one.
    ``schema`` is the MPEG schema of MPDs, ``renditions`` the plan.
    """

    package: str
    manifests: tuple[str, ...]
    source: PackageSource
    licences: LicenceSource
    work_dir: Path
    renditions: RenditionSet | None = None
    schema: Path | None = None
    decoded: Mapping[str, Decoded] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> Expected | None:
        found = self.renditions
        return Expected(found.frames, found.frame_rate.fraction) if found and found.frames else None


@dataclass(slots=True)
class Findings:
    faults: list[Fault] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    fetched: set[Ref] = field(default_factory=set)  # a set, as several threads add to it
    decode_cpu_s: float = 0.0


def read_manifests(case: Inspection, found: Findings) -> tuple[list[Manifest], tuple[Variant, ...]]:
    manifests: list[Manifest] = []
    variants: list[Variant] = []
    for url in case.manifests:
        dash = url.partition("?")[0].endswith(".mpd")
        fetched = _fetched(case, Ref(url), Rule.DASH_FETCH if dash else Rule.HLS_FETCH, found)
        if fetched is None:
            continue
        if dash or fetched.content.lstrip()[:1] == b"<":
            manifests.append(_dash(case, url, fetched, found))
        else:
            hls, offered = _hls(case, url, fetched, found)
            manifests.append(hls)
            variants += offered
    found.faults += [broken for manifest in manifests for broken in manifest.faults]
    return manifests, tuple(variants)


def read_tracks(case: Inspection, manifests: Sequence[Manifest], folder: Path, found: Findings) -> list[Media]:
    """Each track once, whichever manifests offer it."""
    offered: dict[object, list[Offer]] = {}
    for manifest in manifests:
        for offer in manifest.offers:
            # key frames for seeking may be ranges of the normal segments, under the same init segment
            key = (offer.key, *(piece.ref for piece in offer.pieces[:1] if offer.kind == "trick"))
            offered.setdefault(key, []).append(offer)
    checks = [
        partial(_track, case, offers, folder / f"{number}.mp4", found)
        for number, offers in enumerate(_named_apart(offered.values()))
    ]
    return side_by_side(checks)


def _named_apart(tracks: Iterable[Sequence[Offer]]) -> Iterator[tuple[Offer, ...]]:
    """Of tracks with one name, as in a version with a set of each protection scheme, the later ones by scheme too."""
    taken: set[tuple[str, str]] = set()
    for offers in tracks:
        first = offers[0]
        if (first.kind, first.name) in taken and first.scheme:
            yield tuple(replace(offer, name=f"{first.scheme}/{offer.name}") for offer in offers)
        else:
            yield tuple(offers)
        taken.add((first.kind, first.name))


def side_by_side(checks: Sequence[Callable[[], _T]]) -> list[_T]:
    with ThreadPoolExecutor(usable_cores()) as pool:
        return [future.result() for future in [pool.submit(check) for check in checks]]


def _dash(case: Inspection, url: str, fetched: Fetched, found: Findings) -> Manifest:
    if fetched.content_type not in {None, _MANIFEST_TYPES[".mpd"]}:
        found.faults.append(fault(Rule.DASH_TYPES, url, f"it is served as {fetched.content_type or 'nothing'}."))
    manifest = read_mpd(fetched.content, url)
    manifest = replace(manifest, offers=tuple(_indexed(case, offer, found) for offer in manifest.offers))
    if case.schema is None:
        found.not_checked.append(f"{url} is not validated: no MPEG schema is given (--mpd-schema).")
    elif manifest.offers:
        schema = etree.XMLSchema(etree.parse(str(case.schema)))
        if not schema.validate(etree.fromstring(fetched.content)):
            errors = [f"line {error.line}: {error.message}" for error in schema.error_log]  # type: ignore[attr-defined]
            found.faults += [fault(Rule.DASH_SCHEMA, url, error) for error in errors]
    return manifest


def _indexed(case: Inspection, offer: Offer, found: Findings) -> Offer:
    """A track of a single file with the segments that its index lists; any other as it is."""
    if offer.index is None or offer.index.span is None:
        return offer
    fetched = _fetched(case, offer.index, Rule.DASH_FETCH, found)
    listed = _read(offer.index.url, partial(read_index, fetched.content), found) if fetched else None
    at, pieces = sum(offer.index.span), []
    for size, duration in listed or ():
        pieces.append(Piece(Ref(offer.index.url, (at, size)), duration))
        at += size
    return replace(offer, pieces=tuple(pieces))


def _hls(case: Inspection, url: str, fetched: Fetched, found: Findings) -> tuple[Manifest, tuple[Variant, ...]]:
    """The multivariant playlist with all it names; a media playlist alone is no title."""
    multivariant = read_multivariant(fetched.content, url)
    _judge_playlist_type(url, fetched, found)
    offers: list[Offer] = []
    faults = list(multivariant.faults)
    independent = []
    for named in multivariant.named:
        playlist = _fetched(case, Ref(named.url), Rule.HLS_FETCH, found)
        if playlist is None:
            continue
        _judge_playlist_type(named.url, playlist, found)
        offer, broken = read_media_playlist(playlist.content, named)
        offers.append(offer)
        faults += broken
        if named.kind == "video":
            independent.append(b"#EXT-X-INDEPENDENT-SEGMENTS" in playlist.content)
    if not multivariant.independent and not all(independent):
        faults.append(fault(Rule.HLS_INDEPENDENT, url, "neither it nor every video playlist has it."))
    kids = frozenset(kid for offer in offers if offer.kind in {"video", "audio"} for kid in offer.kids)
    if multivariant.session_kids and multivariant.session_kids != kids:
        told = f"they name {sorted(multivariant.session_kids)}, the media playlists {sorted(kids)}."
        faults.append(fault(Rule.HLS_SESSION_KEY, url, told))
    return Manifest(url, tuple(offers), tuple(faults)), multivariant.variants


def _judge_playlist_type(url: str, fetched: Fetched, found: Findings) -> None:
    if fetched.content_type is not None and fetched.content_type not in _PLAYLIST_TYPES:
        found.faults.append(fault(Rule.HLS_TYPES, url, f"it is served as {fetched.content_type or 'nothing'}."))


def _track(case: Inspection, offers: tuple[Offer, ...], path: Path, found: Findings) -> Media:
    """A track fetched whole, its segments read as they come."""
    offer = offers[0]
    rule = Rule.HLS_FETCH if offer.times == "extinf" else Rule.DASH_FETCH
    head: Head | None = None
    opened = _Opened(offer, found, path.with_suffix(".picture"))
    with path.open("wb") as joined:
        if offer.init is not None:
            fetched = _fetched(case, offer.init, rule, found)
            if fetched is not None:
                joined.write(fetched.content)
                head = _read(offer.init.url, partial(read_head, fetched.content), found)
        refs = list(dict.fromkeys(piece.ref for one in offers for piece in one.pieces))
        for ref, fetched in _in_order(refs, lambda ref: _fetched(case, ref, rule, found)):
            if fetched is not None:
                joined.write(opened.read(fetched.content, ref, head))
    return Media(offers, head, tuple(opened.runs), path, tuple(opened.passages), tuple(opened.pictures))


@dataclass(slots=True)
class _Opened:
    """What the segments of one track hold, as they are read. ``scratch`` is a file for one picture at a time."""

    offer: Offer
    found: Findings
    scratch: Path
    runs: list[Run] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    def read(self, content: bytes, ref: Ref, head: Head | None) -> bytes:
        """The segment as a decoder is to have it: none of it where it cannot be read."""
        if self.offer.kind == "image":
            self._read_picture(content, ref)
            return b""
        if self.offer.ranged:
            content = _read(ref.url, partial(one_key_frame, content), self.found) or b""
        run = _read(ref.url, partial(read_run, content, head), self.found) if head and content else None
        if run is not None:
            self.runs.append(run)
        if self.offer.kind == "text" and is_readable(self.offer, head) and (run is not None or head is None):
            self._read_text(content, ref, run, head)
        return content

    def _read_text(self, content: bytes, ref: Ref, run: Run | None, head: Head | None) -> None:
        rule = Rule.TTML if head or content.lstrip()[:1] == b"<" else Rule.WEBVTT
        try:
            passage = _read(ref.url, partial(read_passage, content, ref, run, head), self.found)
        except SourceRejected as rejected:
            self.found.faults += [fault(rule, ref.url, reason) for reason in rejected.reasons]
            return
        self.passages += [passage] if passage else []

    def _read_picture(self, content: bytes, ref: Ref) -> None:
        self.scratch.write_bytes(content)
        try:
            self.pictures.append(decode_picture(ref, self.scratch))
        except PackageRejected as rejected:
            self.found.faults += [fault(Rule.PICTURE, ref.url, reason) for reason in rejected.reasons]
        finally:
            self.scratch.unlink()


def _in_order(refs: Sequence[Ref], fetch: Callable[[Ref], _T]) -> Iterator[tuple[Ref, _T]]:
    """Each fetched in order, a few at once and no more in memory: a film is larger than that."""
    with ThreadPoolExecutor(_FETCHES) as pool:
        for first in range(0, len(refs), _FETCHES):
            some = refs[first : first + _FETCHES]
            yield from zip(some, pool.map(fetch, some), strict=True)


def _read(url: str, reader: Callable[[], _T], found: Findings) -> _T | None:
    try:
        return reader()
    except PackageRejected as rejected:
        found.faults += [fault(Rule.BOXES, url, reason) for reason in rejected.reasons]
    except IndexError:
        found.faults.append(fault(Rule.BOXES, url, "a box is shorter than its fields."))
    return None


def _fetched(case: Inspection, ref: Ref, rule: Rule, found: Findings) -> Fetched | None:
    found.fetched.add(ref)
    try:
        fetched = case.source.get(ref)
    except (NotFound, Unavailable) as error:
        found.faults.append(fault(rule, ref.url, str(error)))
        return None
    if case.digests and ref.url not in case.digests:
        found.faults.append(fault(Rule.INVENTORY, ref.url, "it is not in the inventory of the version."))
    expected = case.digests.get(ref.url) if ref.span is None else None
    if expected is not None and (digest := hashlib.sha256(fetched.content).hexdigest()) != expected:
        found.faults.append(fault(Rule.INVENTORY, ref.url, f"its SHA-256 is {digest}, not {expected}."))
    kind = fetched.content_type
    suffix = Path(ref.url.partition("?")[0]).suffix
    if kind is not None and suffix in {".m4s", ".mp4", ".cmfv", ".cmfa"} and kind not in _MEDIA_TYPES:
        found.faults.append(fault(Rule.HLS_TYPES, ref.url, f"it is served as {kind or 'nothing'}."))
    return fetched
