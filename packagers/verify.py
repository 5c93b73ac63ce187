"""The proof: a package is fetched back, decrypted with its keys, decoded whole, and compared with what went in."""

import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packagers.boxes import read_protection
from packagers.dash import DashRepresentation, read_dash
from packagers.hls import HlsPlaylist, read_master, read_media
from packagers.plan import folder_of
from telecine.document import Document
from telecine.errors import NotFound, PackageRejected, TelecineError, ToolFailed
from telecine.keystore import KeyStore
from telecine.process import Command, run
from telecine.publication import InventoryEntry, Package
from telecine.rendition import Rendition, RenditionSet
from telecine.storage.keys import sha256_of_file
from telecine.storage.port import ObjectStore
from telecine.tools import tool_path

__all__ = ["RenditionProof", "VerifyReport", "verify"]

_PARALLEL = 2
_STRICT = ("-xerror", "-err_detect", "explode")  # without them ffmpeg ends with 0 on a wrong key


class RenditionProof(Document):
    """One rendition, decrypted and decoded from the package: the MD5 is that of the rendition before encryption."""

    name: str
    segments: int
    frames: int | None
    kid: str
    md5: str


class VerifyReport(Document):
    """Everything that was proven of a package."""

    title_id: str
    version: str
    objects: int
    size_bytes: int
    renditions: tuple[RenditionProof, ...]


def verify(
    package: Package, renditions: RenditionSet, keystore: KeyStore, store: ObjectStore, work_dir: Path
) -> VerifyReport:
    """Prove a package from the work store. Raises PackageRejected with everything that is wrong."""
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=work_dir) as name:
        folder = Path(name)
        problems = _fetch(package, store, folder / "package")
        if problems:
            raise PackageRejected(*problems)
        playlists, representations = _manifests(package, folder / "package")
        problems = _check_references(package, renditions, playlists, representations)
        if problems:
            raise PackageRejected(*problems)

        def prove(rendition: Rendition) -> RenditionProof | PackageRejected:
            try:
                return _prove(rendition, package, playlists[folder_of(rendition)], (keystore, store), folder)
            except PackageRejected as error:
                return error

        with ThreadPoolExecutor(_PARALLEL) as pool:
            results = list(pool.map(prove, renditions.renditions))
    reasons = [reason for result in results if isinstance(result, PackageRejected) for reason in result.reasons]
    if reasons:
        raise PackageRejected(*reasons)
    return VerifyReport(
        title_id=package.title_id,
        version=package.version,
        objects=len(package.inventory.entries),
        size_bytes=package.inventory.size_bytes,
        renditions=tuple(result for result in results if isinstance(result, RenditionProof)),
    )


def _fetch(package: Package, store: ObjectStore, folder: Path) -> list[str]:
    """Every object of the inventory, its hash checked; a sentence for each that is not as it should be."""

    def fetch(entry: InventoryEntry) -> str | None:
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            stored = store.get_file(package.prefix + entry.path, path)
        except NotFound:
            return f"{entry.path} is in the inventory but not in the package."
        except TelecineError as error:
            return f"{entry.path} cannot be read back: {error}"
        if stored.sha256 != entry.sha256 or sha256_of_file(path) != entry.sha256:
            return f"{entry.path} is not the bytes that its inventory says ({entry.sha256[:16]}…)."
        return None

    with ThreadPoolExecutor(8) as pool:
        return [problem for problem in pool.map(fetch, package.inventory.entries) if problem]


def _manifests(package: Package, folder: Path) -> tuple[dict[str, HlsPlaylist], dict[str, DashRepresentation]]:
    """What HLS and DASH say, by rendition folder."""
    playlists = {}
    for uri in read_master(_text(folder / package.hls_path)):
        playlists[uri.rpartition("/")[0]] = read_media(_text(folder / uri), uri)
    representations = {r.init.rpartition("/")[0]: r for r in read_dash(_text(folder / package.dash_path).encode())}
    return playlists, representations


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        message = f"{path.name} is named by a manifest but not in the package."
        raise PackageRejected(message) from None


def _check_references(
    package: Package,
    renditions: RenditionSet,
    playlists: dict[str, HlsPlaylist],
    representations: dict[str, DashRepresentation],
) -> list[str]:
    """Both manifests name exactly the same media, all of it there, with the assigned KIDs; nothing is left unnamed."""
    problems = []
    for rendition in renditions.renditions:
        folder, kid = folder_of(rendition), package.keys.kids[rendition.label]
        hls, dash = playlists.get(folder), representations.get(folder)
        if hls is None or dash is None:
            problems.append(f"{rendition.name} is missing from {'HLS' if hls is None else 'DASH'}.")
            continue
        if (hls.init, hls.segments) != (dash.init, dash.segments):
            problems.append(f"{rendition.name}: HLS and DASH do not name the same segments.")
        if dash.kid != kid or hls.kids != {kid}:
            problems.append(f"{rendition.name}: its manifests name KID {dash.kid} and {set(hls.kids)}, not {kid}.")
    named = {url for p in playlists.values() for url in (p.init, *p.segments)}
    media = {entry.path for entry in package.inventory.entries if entry.role in {"init", "segment"}}
    problems += [f"{path} is named by a manifest but not in the package." for path in sorted(named - media)]
    problems += [f"{path} is in the package but no manifest names it." for path in sorted(media - named)]
    return problems


def _prove(
    rendition: Rendition, package: Package, playlist: HlsPlaylist, sources: tuple[KeyStore, ObjectStore], folder: Path
) -> RenditionProof:
    keystore, store = sources
    made = folder / "package"
    kid = package.keys.kids[rendition.label]
    protection = read_protection((made / playlist.init).read_bytes(), playlist.init)
    if (protection.kid, protection.scheme) != (kid, package.scheme) or kid not in protection.pssh_kids:
        message = (
            f"{playlist.init} says KID {protection.kid} under {protection.scheme} and its pssh "
            f"{sorted(protection.pssh_kids)}; expected {kid} under {package.scheme}."
        )
        raise PackageRejected(message)
    joined = folder / f"{rendition.name}.encrypted.mp4"
    with joined.open("wb") as target:
        for part in (playlist.init, *playlist.segments):
            with (made / part).open("rb") as source:
                shutil.copyfileobj(source, target)
    clear = folder / f"{rendition.name}.clear.mp4"
    store.get_file(rendition.key, clear)
    key = keystore.key(package.title_id, kid).key.get_secret_value()
    found, frames = _decoded(rendition, joined, key)
    joined.unlink()
    expected, _ = _decoded(rendition, clear, None)
    clear.unlink()
    if found != expected:
        message = f"{rendition.name} does not decode to what was packaged: MD5 {found}, expected {expected}."
        raise PackageRejected(message)
    if rendition.kind == "video" and frames != rendition.frames:
        message = f"{rendition.name} has {frames} frames in the package, its rendition {rendition.frames}."
        raise PackageRejected(message)
    return RenditionProof(
        name=rendition.name, segments=len(playlist.segments), frames=rendition.frames, kid=kid, md5=found
    )


def _decoded(rendition: Rendition, path: Path, key: bytes | None) -> tuple[str, int]:
    """MD5 and frame count of a track. Video is compared by decoded pictures.

    Audio is decoded too (it must not fail), but compared by its coded samples: whether the priming samples that an edit
    list hides are decoded depends on the container. The key goes through a memory file, as an option of ffmpeg's
    concat list: a command line can be read by everybody.
    """
    quoted = str(path).replace("'", r"'\''")
    listing = f"ffconcat version 1.0\nfile '{quoted}'\n" + (f"option decryption_key {key.hex()}\n" if key else "")
    source = ("-f", "concat", "-safe", "0", "-i", "{secret:list}")
    kind = rendition.kind[0]
    pictures = ("-map", f"0:{kind}", "-f", "md5", "-")
    coded = ("-map", f"0:{kind}", "-c", "copy", "-f", "md5", "-", "-map", f"0:{kind}", "-f", "null", "-")
    output = pictures if rendition.kind == "video" else coded
    argv = (tool_path("ffmpeg"), "-nostdin", "-v", "error", *_STRICT, "-progress", "pipe:2", *source, *output)
    try:
        done = run(Command(argv, secret_files={"list": listing.encode()}))
    except ToolFailed as error:
        last = (error.stderr_tail.strip().splitlines() or ["no message"])[-1]
        message = f"{rendition.name} does not decode with its key: {last}"
        raise PackageRejected(message) from None
    md5 = done.stdout.decode().strip().removeprefix("MD5=")
    counts = re.findall(r"^frame=\s*(\d+)", done.stderr, re.MULTILINE)
    return md5, int(counts[-1]) if counts else 0
