"""Masters that are packages: where one is, which composition is meant, and its conformed file on this machine."""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from encoders.conform import Imp, check_hashes, conform, hash_of_file, open_imp
from encoders.naming import shown
from telecine.document import digest_of
from telecine.errors import SourceRejected
from telecine.media import Master
from telecine.storage.keys import bucket_and_key
from telecine.storage.port import ObjectStore

__all__ = ["Place", "find_imp", "imp_path", "register_imp"]

_ASSET_MAPS = {"ASSETMAP.xml", "ASSETMAP"}
_FIRST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """Where a package lies: a folder's URI, how its files are reached, and its composition where one was named."""

    uri: str
    locate: Callable[[str], Path | None]
    cpl: str | None


def find_imp(uri: str, work_dir: Path, open_bucket: Callable[[str], ObjectStore] | None) -> Place | None:
    """The package that ``uri`` names: its folder, its asset map or one of its CPLs; None for any other master."""
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        return _on_store(uri, work_dir, open_bucket)
    if parts.scheme not in {"", "file"}:
        return None
    path = Path(unquote(parts.path) if parts.scheme == "file" else uri).expanduser().absolute()
    if path.is_dir():
        holds_map = any((path / name).is_file() for name in _ASSET_MAPS)
        return Place(path.as_uri(), _in_folder(path), None) if holds_map else None
    if not path.is_file() or not os.access(path, os.R_OK):
        return None
    if path.name in _ASSET_MAPS:
        return Place(path.parent.as_uri(), _in_folder(path.parent), None)
    return Place(path.parent.as_uri(), _in_folder(path.parent), path.name) if _is_composition(path) else None


def register_imp(place: Place, work_dir: Path) -> Master:
    """Fix a package's composition by its timeline and the hashes of its track files, which are checked here.

    Raises SourceRejected naming the file that is missing, cut short or another than the packing list names.
    """
    imp = _opened(place, work_dir)
    return Master(uri=f"{place.uri}/{quote(imp.cpl)}", size_bytes=imp.size_bytes, sha256=imp.digest)


def imp_path(master: Master, place: Place, work_dir: Path) -> Path:
    """The conformed file of a registered package, made once on each machine. Safe when several processes call."""
    path = work_dir / "masters" / f"{master.sha256}.mov"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.is_file():
            return path
        imp = _opened(place, work_dir)
        if imp.digest != master.sha256:
            message = f"The master {shown(master.uri)} changed since it was registered: submit it again."
            raise SourceRejected(message)
        conform(imp, path, work_dir)
    return path


def _opened(place: Place, work_dir: Path) -> Imp:
    name = place.cpl or PurePosixPath(unquote(urlsplit(place.uri).path)).name
    imp = open_imp(name, place.locate, place.cpl)
    check_hashes(imp, lambda path, algorithm: _remembered_hash(path, algorithm, work_dir))
    return imp


def _remembered_hash(path: Path, algorithm: str, work_dir: Path) -> str:
    """The hash of an unchanged file is not computed twice: a feature's track files are hundreds of gigabytes."""
    status = path.stat()
    seen = digest_of(str(path), status.st_size, status.st_mtime_ns, status.st_ino, algorithm)
    memory = work_dir / "masters" / "hashes" / f"{seen}.b64"
    if memory.is_file():
        return memory.read_text()
    found = hash_of_file(path, algorithm)
    memory.parent.mkdir(parents=True, exist_ok=True)
    part = memory.with_suffix(f".{os.getpid()}.part")
    part.write_text(found)
    part.replace(memory)
    return found


def _is_composition(path: Path) -> bool:
    if path.suffix.lower() != ".xml":
        return False
    with path.open("rb") as file:
        return b"CompositionPlaylist" in file.read(_FIRST_BYTES)


def _in_folder(folder: Path) -> Callable[[str], Path | None]:
    """Files of a package on this machine's own file system. A link that leads out of the folder is not followed."""

    def locate(name: str) -> Path | None:
        path = folder / name
        inside = path.resolve().is_relative_to(folder.resolve())
        return path if inside and path.is_file() and os.access(path, os.R_OK) else None

    return locate


def _on_store(uri: str, work_dir: Path, open_bucket: Callable[[str], ObjectStore] | None) -> Place | None:
    bucket, key = bucket_and_key(uri)
    given = PurePosixPath(key)
    if not (key.endswith("/") or given.name in _ASSET_MAPS or given.suffix.lower() == ".xml"):
        return None
    if open_bucket is None:
        raise SourceRejected(f"The master {uri} needs an object store: set TELECINE_S3_ENDPOINT and its credentials.")
    folder = key.rstrip("/") if key.endswith("/") else str(given.parent)
    prefix = "" if folder in {"", "."} else f"{folder}/"
    cpl = None if key.endswith("/") or given.name in _ASSET_MAPS else given.name
    base = f"s3://{bucket}/{quote(prefix)}".rstrip("/")
    return Place(base, _downloading(open_bucket(bucket), prefix, base, work_dir), cpl)


def _downloading(store: ObjectStore, prefix: str, base: str, work_dir: Path) -> Callable[[str], Path | None]:
    """Files of a package in an object store, each fetched once for each version of it."""

    def locate(name: str) -> Path | None:
        stored = store.head(prefix + name)
        if stored is None:
            return None
        folder = work_dir / "masters" / "imf" / digest_of(base, name, stored.etag)[:32]
        path = folder / PurePosixPath(name).name
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / f"{os.getpid()}.part"
            try:
                store.get_file(prefix + name, part)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        return path

    return locate
