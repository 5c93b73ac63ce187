"""Packaging: fetch renditions, encrypt and segment them, store the package. Idempotent by digest."""

import mimetypes
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from packagers.dash import rewrite_dash
from packagers.hls import rewrite_master, rewrite_media
from packagers.plan import (
    DASH_PATH,
    HLS_PATH,
    PackageRequest,
    check_request,
    package_version,
    packager_arguments,
    secret_flags,
)
from telecine.errors import NotFound
from telecine.keystore import KeyStore
from telecine.process import Command, run
from telecine.publication import Inventory, InventoryEntry, Package, Role
from telecine.storage.keys import sha256_of_file
from telecine.storage.port import ObjectStore
from telecine.tools import tool_path

__all__ = ["PackageRequest", "package"]

_THREADS = 8
_TYPES = {
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".mpd": "application/dash+xml",
    ".m3u8": "application/vnd.apple.mpegurl",
}


def package(request: PackageRequest, keystore: KeyStore, store: ObjectStore, work_dir: Path) -> Package:
    """Make, or find, the package of a request in the work store.

    Raises PackageRejected for an impossible request and ToolFailed with the packager's last lines; no document names
    what either may have left.
    """
    check_request(request)
    version = package_version(request, packager_version())
    document = f"packages/{request.title_id}/{version}.json"
    try:
        content, _ = store.get_bytes(document)
        return Package.model_validate_json(content)
    except NotFound:
        pass
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="package-", dir=work_dir) as name:
        folder = Path(name)
        made = folder / "package"
        made.mkdir()
        _run_packager(request, keystore, store, folder)
        _rewrite(made, request.licence_url)
        result = _stored(request, version, made, store)
    store.put_bytes(document, result.model_dump_json().encode(), content_type="application/json")
    return result


@lru_cache
def packager_version() -> str:
    """The packager's own version line."""
    said = run(Command((tool_path("packager"), "--version"), timeout_s=20), check=False)
    return (said.stdout.decode(errors="replace") or said.stderr).strip()


def _run_packager(request: PackageRequest, keystore: KeyStore, store: ObjectStore, folder: Path) -> None:
    sources = {}
    for rendition in request.renditions.renditions:
        sources[rendition.name] = folder / f"{rendition.name}.mp4"
        store.get_file(rendition.key, sources[rendition.name])
    arguments = packager_arguments(request, sources, folder / "package")
    argv = (tool_path("packager"), *arguments, "--flagfile={secret:flags}")
    flags = secret_flags(keystore.keys(request.keys)).encode()
    run(Command(argv, secret_files={"flags": flags}), cwd=folder)


def _rewrite(made: Path, licence_url: str) -> None:
    manifest = made / DASH_PATH
    manifest.write_bytes(rewrite_dash(manifest.read_bytes(), licence_url))
    for playlist in made.rglob("*.m3u8"):
        rewrite = rewrite_master if playlist == made / HLS_PATH else rewrite_media
        playlist.write_text(rewrite(playlist.read_text()))


def _stored(request: PackageRequest, version: str, made: Path, store: ObjectStore) -> Package:
    prefix = f"packages/{request.title_id}/{version}/"

    def put(path: Path) -> InventoryEntry:
        entry = InventoryEntry(
            path=path.relative_to(made).as_posix(),
            size_bytes=path.stat().st_size,
            sha256=sha256_of_file(path),
            content_type=_content_type(path),
            role=_role(path),
        )
        store.put_file(prefix + entry.path, path, content_type=entry.content_type, sha256=entry.sha256)
        return entry

    paths = sorted(path for path in made.rglob("*") if path.is_file())
    with ThreadPoolExecutor(_THREADS) as pool:
        entries = tuple(pool.map(put, paths))
    return Package(
        title_id=request.title_id,
        version=version,
        prefix=prefix,
        inventory=Inventory(title_id=request.title_id, version=version, entries=entries),
        dash_path=DASH_PATH,
        hls_path=HLS_PATH,
        scheme=request.profile.scheme,
        keys=request.keys,
    )


def _content_type(path: Path) -> str:
    found = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return found.replace("video/", "audio/") if path.parent.parent.name == "audio" else found


def _role(path: Path) -> Role:
    match path.suffix:
        case ".m4s":
            return "segment"
        case ".mp4":
            return "init"
        case ".mpd":
            return "manifest"
        case ".m3u8":
            return "manifest" if path.name == HLS_PATH else "playlist"
        case _:
            return "other"
