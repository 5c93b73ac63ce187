"""Evidence of packages: of a version before it is published, of a title that is live, of any other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import SecretStr, ValidationError

from encoders.documents import EncodePlan
from origin.layout import inventory_key
from packagers.evidence.documents import EvidenceReport
from packagers.evidence.inspect import Inspection, inspect_package
from packagers.evidence.licence import LicenceSource, NoLicences, web_licences
from packagers.evidence.mpd import read_mpd
from packagers.evidence.offers import Ref
from packagers.evidence.page import evidence_page
from packagers.evidence.source import FolderSource, PackageSource, WebSource, folder_url
from packagers.verify import VerifyReport, examine
from pipeline.licensing import licences_of_live, licences_of_version
from pipeline.workplace import Workplace
from pipeline.worst import picture_key, picture_worst, vmaf_over_time
from telecine.drm import PackageScheme
from telecine.errors import NotFound, TelecineError
from telecine.keys.opening import open_sealed_keys
from telecine.log import get_logger
from telecine.protection import KeyAssignment
from telecine.publication import Inventory, Package, ProtectedSet
from telecine.rendition import RenditionSet
from telecine.settings import Settings
from telecine.storage.port import ObjectStore

__all__ = ["Asked", "evidence_key", "lay_out_evidence", "prove_package", "verify_any", "write_evidence"]

log = get_logger(__name__)

_MULTIVARIANT = b"#EXT-X-STREAM-INF:"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants verified, and what they know of it."""

    what: str
    licence_url: str | None = None
    token: SecretStr | None = None
    schema: Path | None = None


def evidence_key(package: Package, suffix: str = "json") -> str:
    """Where the evidence of a version is kept in the work store, beside the package's own document."""
    return f"{package.prefix.rstrip('/')}.evidence.{suffix}"


def prove_package(
    place: Workplace, package: Package, renditions: RenditionSet, plan: EncodePlan | None = None
) -> VerifyReport:
    """Prove a version with the keys that the licence service grants for it, and keep the evidence with the version.

    Raises PackageRejected with every breach, after the evidence was kept: nothing that fails goes on to be published.
    """
    licences: LicenceSource = NoLicences()  # in the clear there is none to ask for
    if package.keys.kids:
        licences = licences_of_version(package.keys, package.version, place.keys, place.settings, package.further)
    report = examine(package, renditions, licences, place.work, place.work_dir, place.settings.mpd_schema)
    worst = picture_worst(place, package, renditions, plan) if plan is not None else ()
    evidence = report.evidence.model_copy(update={"worst": worst, "vmaf": vmaf_over_time(renditions)})
    report = report.model_copy(update={"evidence": evidence})
    page = evidence_page(evidence).encode()
    place.work.put_bytes(
        evidence_key(package), evidence.model_dump_json(indent=1).encode(), content_type="application/json"
    )
    place.work.put_bytes(evidence_key(package, "html"), page, content_type="text/html")
    evidence.require_passed()
    return report


def lay_out_evidence(store: ObjectStore, package: Package, evidence: EvidenceReport, folder: Path) -> None:
    """The evidence of a version, with its pictures, in a folder."""
    write_evidence(evidence, folder)
    for found in evidence.worst:
        for name in (found.source_picture, found.rendition_picture):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            store.get_file(picture_key(package, name), target)


def verify_any(asked: Asked, settings: Settings) -> EvidenceReport:
    """Evidence of a URL, a path (a manifest, a folder, what ``telecine make`` made) or a live title.

    Raises TelecineError when it is none of these; what is wrong with a package is in its evidence.
    """
    if asked.what.startswith(("http://", "https://")):
        return inspect_package(_of_web(asked, settings))
    path = Path(asked.what)
    if path.exists():
        return inspect_package(_of_folder(asked, path, settings))
    return inspect_package(_of_title(asked, settings))


def write_evidence(evidence: EvidenceReport, folder: Path) -> tuple[Path, Path]:
    """``evidence.json`` and ``evidence.html`` in a folder, made when absent."""
    folder.mkdir(parents=True, exist_ok=True)
    document, page = folder / "evidence.json", folder / "evidence.html"
    document.write_text(evidence.model_dump_json(indent=1))
    page.write_text(evidence_page(evidence))
    return document, page


def _of_web(asked: Asked, settings: Settings) -> Inspection:
    source = WebSource()
    return Inspection(
        package=asked.what,
        manifests=(asked.what,),
        source=source,
        licences=_licences(asked, source, (asked.what,)),
        work_dir=settings.work_dir,
        schema=asked.schema or settings.mpd_schema,
    )


def _of_folder(asked: Asked, path: Path, settings: Settings) -> Inspection:
    """A package in a folder; beside the report of ``telecine make`` its plan and its keys are known too."""
    made = _MadeReport.beside(path)
    root = path if path.is_dir() else _root_of(path)
    if path.is_dir() and (path / "package").is_dir():
        root = path / "package"
    manifests = (path,) if path.is_file() else _manifests_in(root)
    if not manifests:
        message = f"{root} has no MPD and no multivariant playlist."
        raise TelecineError(message)
    source = FolderSource(root)
    urls = tuple(folder_url(found) for found in manifests)
    licences = _licences(asked, source, urls)
    if made is not None and asked.licence_url is None:
        licences = made.licences(settings) or licences
    return Inspection(
        package=str(path),
        manifests=urls,
        source=source,
        licences=licences,
        work_dir=settings.work_dir,
        renditions=made.renditions if made else None,
        schema=asked.schema or settings.mpd_schema,
    )


def _of_title(asked: Asked, settings: Settings) -> Inspection:
    """A live title as its first edge serves it, opened by the running licence service."""
    from pipeline.installation import open_installation  # noqa: PLC0415 - only titles need an installation
    from pipeline.release import title_report  # noqa: PLC0415

    place = open_installation(settings)
    report = title_report(place, asked.what)
    live = report.record.live
    if live is None or not settings.edges:
        message = f"The title {asked.what} is not live on any edge: there is no package to verify."
        raise NotFound(message)
    base = f"{settings.edges[0].base_url.rstrip('/')}/p/{asked.what}/{live.version}"
    if asked.licence_url:
        licences: LicenceSource = web_licences(asked.licence_url, asked.token)
    else:
        licences = licences_of_live(live, settings)
    content, _ = place.origin.get_bytes(inventory_key(asked.what, live.version))  # edges show it to nobody
    inventory = Inventory.model_validate_json(content)
    return Inspection(
        package=f"{asked.what} {live.version}",
        manifests=tuple(f"{base}/{path}" for found in live.sets for path in (found.dash_path, found.hls_path)),
        source=WebSource(),
        digests={f"{base}/{entry.path}": entry.sha256 for entry in inventory.entries},
        licences=licences,
        work_dir=settings.work_dir,
        renditions=report.renditions,
        schema=asked.schema or settings.mpd_schema,
    )


def _licences(asked: Asked, source: PackageSource, manifests: tuple[str, ...]) -> LicenceSource:
    """Whom to ask: the service named, or the one that a DASH manifest names for Clear Key."""
    if asked.licence_url:
        return web_licences(asked.licence_url, asked.token)
    for url in manifests:
        if url.partition("?")[0].endswith(".mpd"):
            try:
                found = read_mpd(source.get(Ref(url)).content, url).licence_urls
            except TelecineError:
                continue
            if found and found[0].startswith(("http://", "https://")):
                return web_licences(found[0], asked.token)
    return NoLicences()


def _root_of(manifest: Path) -> Path:
    """The folder of the package: above a set of another scheme, as what the sets share is there."""
    below = manifest.parent.name in get_args(PackageScheme) and manifest.parent.parent
    return below if below and any(below.glob("*.mpd")) else manifest.parent


def _manifests_in(root: Path) -> tuple[Path, ...]:
    """MPDs and multivariant playlists at the top of a folder, and of a set of another scheme below it."""
    found: list[Path] = []
    for folder in (root, *(root / scheme for scheme in get_args(PackageScheme))):
        playlists = [path for path in sorted(folder.glob("*.m3u8")) if _MULTIVARIANT in path.read_bytes()]
        found += [*sorted(folder.glob("*.mpd")), *playlists]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _MadeReport:
    """What ``report.json`` of ``telecine make`` says of the package beside it."""

    title_id: str
    version: str
    renditions: RenditionSet
    kids: Mapping[str, str]
    further: tuple[ProtectedSet, ...] = ()

    @classmethod
    def beside(cls, path: Path) -> "_MadeReport | None":
        from pipeline.make import MakeReport  # noqa: PLC0415 - which imports the steps

        folders = (path, *path.parents[:3])
        found = next((folder / "report.json" for folder in folders if (folder / "report.json").is_file()), None)
        if found is None:
            return None
        try:
            report = MakeReport.model_validate_json(found.read_text())
        except ValidationError:
            return None
        labels = {rendition.name: rendition.label for rendition in report.renditions.renditions}
        kids = {
            labels[proof.name]: proof.kid for proof in report.verified.renditions if proof.name in labels and proof.kid
        }
        return cls(report.title_id, report.version, report.renditions, kids, report.further)

    def licences(self, settings: Settings) -> LicenceSource | None:
        """The licence service over this machine's own keys; None in the clear, and where they were made elsewhere."""
        if not self.kids:
            return None
        keys = open_sealed_keys(settings)
        try:
            for kids in (self.kids, *(found.kids for found in self.further)):
                for kid in kids.values():
                    keys.key(self.title_id, kid)
        except NotFound:
            return None
        assignment = KeyAssignment(title_id=self.title_id, kids=dict(self.kids))
        return licences_of_version(assignment, self.version, keys, settings, self.further)
