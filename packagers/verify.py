"""The proof: a package is fetched back, read as players read it, decrypted, decoded whole, compared with its source."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import SecretBytes

from packagers.accessories_proof import prove_accessories
from packagers.evidence.clauses import Rule, fault
from packagers.evidence.documents import Decoded, EvidenceReport, Fault
from packagers.evidence.inspect import Inspection, inspect_package
from packagers.evidence.licence import LicenceRefused, LicenceSource, OneLicence
from packagers.evidence.source import FolderSource, folder_url
from packagers.plan import Stream, streams_of
from packagers.proof import Evidence, RenditionProof, prove
from packagers.readback import Listing, read_dash, read_master, read_playlist
from packagers.tooling import private_folder
from telecine.document import Document
from telecine.drm import CLEAR
from telecine.errors import NotFound, PackageRejected, PreconditionFailed
from telecine.log import get_logger
from telecine.protection import ContentKey, Kid
from telecine.publication import InventoryEntry, Package, ProtectedSet
from telecine.rendition import RenditionSet
from telecine.settings import usable_cores
from telecine.storage.keys import sha256_of_file
from telecine.storage.port import ObjectStore

__all__ = ["RenditionProof", "VerifyReport", "examine"]

log = get_logger(__name__)

_FETCHES = 8
_ROUNDING = Fraction(1, 1_000_000)

_T = TypeVar("_T")


class VerifyReport(Document):
    """Everything that was proven of a package."""

    title_id: str
    version: str
    objects: int
    size_bytes: int
    renditions: tuple[RenditionProof, ...]
    evidence: EvidenceReport


@dataclass(frozen=True, slots=True)
class _Case:
    package: Package
    renditions: RenditionSet
    licences: LicenceSource
    store: ObjectStore
    folder: Path
    schema: Path | None = None

    @property
    def streams(self) -> tuple[Stream, ...]:
        return streams_of(self.renditions, trick_play=self.package.trick_play)

    @property
    def tracks(self) -> tuple[tuple[ProtectedSet, Stream], ...]:
        """Every track of every set."""
        return tuple((found, stream) for found in self.package.sets for stream in self.streams)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(found.folder + stream.name for found, stream in self.tracks)

    @property
    def media(self) -> Path:
        return self.folder / "package"


def examine(
    package: Package,
    renditions: RenditionSet,
    licences: LicenceSource,
    store: ObjectStore,
    work_dir: Path,
    schema: Path | None = None,
) -> VerifyReport:
    """Prove a package from the work store: all the evidence, whether it passes or not.

    Objects are what the inventory says; both manifests name all of them and nothing else; each track carries its KID,
    is cut on the grid, opens with the key that a licence request returned, decodes to the last frame and equals the
    rendition it was made of. Faults are those of the first stage that has any, and all that the inspection finds.
    """
    with private_folder(work_dir, "verify-") as folder:
        case = _Case(package, renditions, OneLicence(licences), store, folder, schema)
        proofs, faults = _proven(case)
        decoded = {
            folder_url(case.media / found.folder / stream.init_path): Decoded(
                frames=proof.frames, duration=proof.duration, loudness=proof.loudness
            )
            for found, stream in case.tracks
            if (proof := proofs.get(found.folder + stream.name)) is not None
        }
        evidence = inspect_package(_inspection(case, decoded))
    kept = [broken for broken in faults if broken not in evidence.faults]
    evidence = _relative(evidence.model_copy(update={"faults": (*kept, *evidence.faults)}), case.media)
    log.info("package.verified", title=package.title_id, version=package.version, passed=evidence.passed)
    return VerifyReport(
        title_id=package.title_id,
        version=package.version,
        objects=len(package.inventory.entries),
        size_bytes=package.inventory.size_bytes,
        renditions=tuple(proof for name in case.names if (proof := proofs.get(name)) is not None),
        evidence=evidence,
    )


def _proven(case: _Case) -> tuple[dict[str, RenditionProof], list[Fault]]:
    """Proofs of the renditions, and the faults of the first stage that has any."""
    try:
        _every(_FETCHES, [partial(_fetch, case, entry) for entry in case.package.inventory.entries])
    except PackageRejected as rejected:
        return {}, [fault(Rule.INVENTORY, case.package.prefix, reason) for reason in rejected.reasons]
    try:
        listings = _listings(case)
        kids = [kid for found in case.package.sets for kid in found.kids.values()]
        keys = case.licences.keys(kids) if kids else {}
        largest_first = sorted(case.tracks, key=lambda track: -track[1].rendition.size_bytes)
        checks = [
            partial(_prove, case, found, stream, (listings[found.folder + stream.init_path], keys))
            for found, stream in largest_first
        ]
        return {proof.name: proof for proof in _every(usable_cores(), checks)}, []
    except PackageRejected as rejected:
        return {}, [fault(Rule.AS_MADE, case.package.prefix, reason) for reason in rejected.reasons]
    except LicenceRefused as refused:
        return {}, [fault(Rule.KID_LICENCE, case.package.prefix, str(refused))]


def _inspection(case: _Case, decoded: Mapping[str, Decoded]) -> Inspection:
    package = case.package
    types = {entry.path: entry.content_type for entry in package.inventory.entries}
    return Inspection(
        package=f"{package.title_id} {package.version}",
        manifests=tuple(
            folder_url(case.media / path) for found in package.sets for path in (found.dash_path, found.hls_path)
        ),
        source=FolderSource(case.media, types),
        licences=case.licences,
        work_dir=case.folder,
        renditions=case.renditions,
        schema=case.schema,
        decoded=decoded,
    )


def _relative(evidence: EvidenceReport, root: Path) -> EvidenceReport:
    """Paths inside the package in the place of a folder that is gone."""
    return EvidenceReport.model_validate_json(evidence.model_dump_json().replace(f"{folder_url(root)}/", ""))


def _every(threads: int, checks: Iterable[Callable[[], _T]]) -> list[_T]:
    """Results of all checks; or PackageRejected with the reasons of all that were rejected."""

    def judged(check: Callable[[], _T]) -> _T | PackageRejected:
        try:
            return check()
        except PackageRejected as rejected:
            return rejected

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(judged, checks))
    reasons = [reason for result in results if isinstance(result, PackageRejected) for reason in result.reasons]
    if reasons:
        raise PackageRejected(*reasons)
    return [result for result in results if not isinstance(result, PackageRejected)]


def _fetch(case: _Case, entry: InventoryEntry) -> None:
    path = case.media / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    found = _fetched_sha256(case.store, case.package.prefix + entry.path, path)
    if found != entry.sha256:
        was = f"has {found}" if found else "is not in the package"
        message = f"{entry.path} should have sha256 {entry.sha256}, but {was}."
        raise PackageRejected(message)


def _fetched_sha256(store: ObjectStore, key: str, path: Path) -> str | None:
    try:
        store.get_file(key, path)
    except NotFound:
        return None
    except PreconditionFailed as error:
        raise PackageRejected(str(error)) from None
    return sha256_of_file(path)


def _listings(case: _Case) -> Mapping[str, Listing]:
    """What the DASH manifests say of each track, by init segment, once HLS is known to say the same."""
    listed = _every(1, [partial(_listed, case, found) for found in case.package.sets])
    named = {path for _, paths in listed for path in paths}
    present = {entry.path for entry in case.package.inventory.entries}
    unnamed = sorted(present - named)
    if unnamed:
        raise PackageRejected(*(f"{path} is in the package, but no manifest names it." for path in unnamed))
    return {init: found for dash, _ in listed for init, found in dash.items()}


def _listed(case: _Case, found: ProtectedSet) -> tuple[Mapping[str, Listing], frozenset[str]]:
    """What the manifests of one set say of its tracks, and every path they name."""
    _require_present(case, (found.dash_path, found.hls_path))
    text, mpd = (case.media / found.hls_path).read_text(), (case.media / found.dash_path).read_bytes()
    master = read_master(text, found.drm, found.folder)
    _require_present(case, master.playlists)
    playlists = _every(1, [partial(_playlist, case, path, found) for path in master.playlists])
    dash = {one.init: one for one in read_dash(mpd, found.scheme or CLEAR, found.drm, found.folder)}
    hls = {one.init: one for one in playlists}
    beside = prove_accessories(case.media, mpd, text, case.package.accessories, found.folder)
    named = frozenset({*master.playlists, *beside, found.dash_path, found.hls_path})
    reasons = [
        *_faults_of_keys(found, master.kids),
        *_faults_of_names(case, found, dash, named),
        *(fault for init in sorted(dash | hls) for fault in _disagreement(init, dash.get(init), hls.get(init))),
    ]
    if reasons:
        raise PackageRejected(*reasons)
    return dash, named | _paths_of(dash)


def _require_present(case: _Case, paths: Iterable[str]) -> None:
    absent = set(paths) - {entry.path for entry in case.package.inventory.entries}
    if absent:
        raise PackageRejected(*(f"The package has no {path}, which its manifests need." for path in sorted(absent)))


def _playlist(case: _Case, path: str, found: ProtectedSet) -> Listing:
    return read_playlist((case.media / path).read_text(), path, found.drm)


def _paths_of(dash: Mapping[str, Listing]) -> frozenset[str]:
    return frozenset(path for found in dash.values() for path in (found.init, *found.segments))


def _faults_of_keys(found: ProtectedSet, session_kids: frozenset[str]) -> list[str]:
    kids = set(found.kids.values())
    if session_kids == kids:
        return []
    return [
        f"The HLS session keys of {found.hls_path} should name KIDs {sorted(kids)}, but name {sorted(session_kids)}."
    ]


def _faults_of_names(
    case: _Case, found: ProtectedSet, dash: Mapping[str, Listing], manifests: frozenset[str]
) -> list[str]:
    named = _paths_of(dash) | manifests
    present = {entry.path for entry in case.package.inventory.entries}
    wanted = {found.folder + stream.init_path for stream in case.streams}
    return [
        *(f"The DASH manifest names {path}, which is not in the package." for path in sorted(named - present)),
        *(f"The DASH manifest has no {path}, so a rendition is missing." for path in sorted(wanted - set(dash))),
        *(f"The DASH manifest has {path}, which no rendition was made for." for path in sorted(set(dash) - wanted)),
    ]


def _disagreement(init: str, dash: Listing | None, hls: Listing | None) -> list[str]:
    if dash is None or hls is None:
        return [f"{init} is named by {'HLS' if dash is None else 'DASH'} only."]
    if dash.segments != hls.segments:
        return [f"DASH names {len(dash.segments)} segments of {init}, HLS names {len(hls.segments)}, not all the same."]
    if any(abs(one - other) > _ROUNDING for one, other in zip(dash.durations, hls.durations, strict=True)):
        return [f"DASH and HLS give the segments of {init} different durations."]
    if dash.key_frames != hls.key_frames:
        return [f"{init} is for seeking in pictures in {'DASH' if dash.key_frames else 'HLS'} only."]
    if dash.kids != hls.kids:
        return [f"DASH names KID {', '.join(dash.kids)} for {init}, HLS {', '.join(hls.kids)}."]
    return []


def _prove(
    case: _Case, found: ProtectedSet, stream: Stream, opened: tuple[Listing, Mapping[Kid, SecretBytes]]
) -> RenditionProof:
    """``opened``: what the set's manifests say of the track, and the keys that a licence gave."""
    listing, keys = opened
    folder = case.folder / "proof" / found.folder / stream.name
    folder.mkdir(parents=True)
    clear, rendition = folder / "clear.mp4", stream.rendition
    if _fetched_sha256(case.store, rendition.key, clear) != rendition.sha256:
        message = f"Rendition '{stream.name}' ({rendition.key}) is no longer in the work store as it was packaged."
        raise PackageRejected(message)
    evidence = Evidence(
        stream=stream,
        listing=listing,
        renditions=case.renditions,
        scheme=found.scheme or CLEAR,
        package_kids=frozenset(found.kids.values()),
        key=None if found.scheme == CLEAR else _granted(found, stream, keys),
        media=case.media,
        clear=clear,
        folder=found.folder,
    )
    proof = prove(evidence, folder)
    clear.unlink()
    return proof


def _granted(found: ProtectedSet, stream: Stream, keys: Mapping[Kid, SecretBytes]) -> ContentKey:
    """The key of a rendition, of those that a licence gave. Raises PackageRejected."""
    label = stream.rendition.label
    kid = found.kids.get(label)
    if kid is None:
        message = f"The package names no key for label {label} of rendition '{stream.name}'."
        raise PackageRejected(message)
    if kid not in keys:
        message = f"The licence has no key for KID {kid} of rendition '{stream.name}'."
        raise PackageRejected(message)
    return ContentKey(kid=kid, label=label, key=keys[kid], iv=SecretBytes(b""))  # licences carry no IV
