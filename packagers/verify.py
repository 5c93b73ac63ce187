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
from telecine.publication import InventoryEntry, Package
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
            folder_url(case.media / stream.init_path): Decoded(
                frames=proof.frames, duration=proof.duration, loudness=proof.loudness
            )
            for stream in case.streams
            if (proof := proofs.get(stream.name)) is not None
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
        renditions=tuple(proofs[stream.name] for stream in case.streams if stream.name in proofs),
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
        kids = case.package.keys.kids.values()
        keys = case.licences.keys(kids) if kids else {}
        largest_first = sorted(case.streams, key=lambda stream: -stream.rendition.size_bytes)
        checks = [partial(_prove, case, stream, listings[stream.init_path], keys) for stream in largest_first]
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
        manifests=tuple(folder_url(case.media / path) for path in (package.dash_path, package.hls_path)),
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
    """What the DASH manifest says of each track, by init segment, once HLS is known to say the same."""
    package = case.package
    _require_present(case, (package.dash_path, package.hls_path))
    text, mpd = (case.media / package.hls_path).read_text(), (case.media / package.dash_path).read_bytes()
    master = read_master(text, package.drm)
    _require_present(case, master.playlists)
    playlists = _every(1, [partial(_playlist, case, path) for path in master.playlists])
    dash = {found.init: found for found in read_dash(mpd, package.scheme, package.drm)}
    hls = {found.init: found for found in playlists}
    beside = prove_accessories(case.media, mpd, text, package.accessories)
    reasons = [
        *_faults_of_keys(case, master.kids),
        *_faults_of_names(case, dash, {*master.playlists, *beside, package.dash_path, package.hls_path}),
        *(fault for init in sorted(dash | hls) for fault in _disagreement(init, dash.get(init), hls.get(init))),
    ]
    if reasons:
        raise PackageRejected(*reasons)
    return dash


def _require_present(case: _Case, paths: Iterable[str]) -> None:
    absent = set(paths) - {entry.path for entry in case.package.inventory.entries}
    if absent:
        raise PackageRejected(*(f"The package has no {path}, which its manifests need." for path in sorted(absent)))


def _playlist(case: _Case, path: str) -> Listing:
    return read_playlist((case.media / path).read_text(), path, case.package.drm)


def _faults_of_keys(case: _Case, session_kids: frozenset[str]) -> list[str]:
    kids = set(case.package.keys.kids.values())
    if session_kids == kids:
        return []
    return [f"The HLS session keys should name KIDs {sorted(kids)}, but name {sorted(session_kids)}."]


def _faults_of_names(case: _Case, dash: Mapping[str, Listing], manifests: set[str]) -> list[str]:
    named = {path for found in dash.values() for path in (found.init, *found.segments)} | manifests
    present = {entry.path for entry in case.package.inventory.entries}
    wanted = {stream.init_path for stream in case.streams}
    return [
        *(f"The DASH manifest names {path}, which is not in the package." for path in sorted(named - present)),
        *(f"{path} is in the package, but no manifest names it." for path in sorted(present - named)),
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


def _prove(case: _Case, stream: Stream, listing: Listing, keys: Mapping[Kid, SecretBytes]) -> RenditionProof:
    folder = case.folder / "proof" / stream.name
    folder.mkdir(parents=True)
    clear, rendition = folder / "clear.mp4", stream.rendition
    if _fetched_sha256(case.store, rendition.key, clear) != rendition.sha256:
        message = f"Rendition '{stream.name}' ({rendition.key}) is no longer in the work store as it was packaged."
        raise PackageRejected(message)
    evidence = Evidence(
        stream=stream,
        listing=listing,
        renditions=case.renditions,
        scheme=case.package.scheme,
        package_kids=frozenset(case.package.keys.kids.values()),
        key=None if case.package.scheme == CLEAR else _granted(case, stream, keys),
        media=case.media,
        clear=clear,
    )
    proof = prove(evidence, folder)
    clear.unlink()
    return proof


def _granted(case: _Case, stream: Stream, keys: Mapping[Kid, SecretBytes]) -> ContentKey:
    """The key of a rendition, of those that a licence gave. Raises PackageRejected."""
    label = stream.rendition.label
    kid = case.package.keys.kids.get(label)
    if kid is None:
        message = f"The package names no key for label {label} of rendition '{stream.name}'."
        raise PackageRejected(message)
    if kid not in keys:
        message = f"The licence has no key for KID {kid} of rendition '{stream.name}'."
        raise PackageRejected(message)
    return ContentKey(kid=kid, label=label, key=keys[kid], iv=SecretBytes(b""))  # licences carry no IV
