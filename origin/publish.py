"""Copy a proven package to its immutable place on the origin. Resumable; a second run is a look-up."""

import hashlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from origin.layout import INVENTORY_NAME, inventory_key, publication_order, version_prefix
from telecine.errors import PackageRejected, PreconditionFailed
from telecine.publication import InventoryEntry, Package, Publication
from telecine.storage.port import ObjectStore
from telecine.storage.s3 import S3Store

__all__ = ["publish"]

_THREADS = 8
"""SeaweedFS takes small objects fastest at about eight at a time."""


def publish(package: Package, work_store: ObjectStore, origin_store: ObjectStore, work_dir: Path) -> Publication:
    """Copy every object of the inventory, media first and manifests last, then write the inventory.

    Nothing refers to the version until its pointer is flipped. What is there with the right size and digest is not
    copied again. Raises PackageRejected when an object of the package is not what its inventory says.
    """
    if any(entry.path == INVENTORY_NAME for entry in package.inventory.entries):
        message = f"{package.prefix}{INVENTORY_NAME} takes the name of the inventory itself."
        raise PackageRejected(message)
    prefix = version_prefix(package.title_id, package.version)
    present = {stored.key: stored.size_bytes for stored in origin_store.list(prefix)}
    pool = ThreadPoolExecutor(_THREADS)
    try:
        for wave in publication_order(package.inventory.entries):
            missing = [entry for entry in wave if present.get(prefix + entry.path) != entry.size_bytes]
            copies = [
                pool.submit(_copy, entry, package.prefix, prefix, (work_store, origin_store), work_dir)
                for entry in missing
            ]
            for copy in copies:
                copy.result()
    finally:
        pool.shutdown(cancel_futures=True)  # after a failure the rest need not be tried
    content = package.inventory.model_dump_json().encode()
    key = inventory_key(package.title_id, package.version)
    try:
        origin_store.put_bytes(key, content, content_type="application/json", if_none_match=True)
    except PreconditionFailed:
        _require_same(origin_store, key, content)
    return Publication(
        title_id=package.title_id,
        version=package.version,
        prefix=prefix,
        inventory_key=key,
        inventory_sha256=hashlib.sha256(content).hexdigest(),
        objects=len(package.inventory.entries),
        size_bytes=package.inventory.size_bytes,
        dash_path=package.dash_path,
        hls_path=package.hls_path,
        keys=package.keys,
        scheme=package.scheme,
        further=package.further,
    )


def _copy(
    entry: InventoryEntry, source: str, target: str, stores: tuple[ObjectStore, ObjectStore], work_dir: Path
) -> None:
    work_store, origin_store = stores
    stored = work_store.head(source + entry.path)
    if stored is None or (stored.size_bytes, stored.sha256) != (entry.size_bytes, entry.sha256):
        found = "is missing" if stored is None else f"has {stored.size_bytes} bytes, sha256 {stored.sha256}"
        message = f"{source}{entry.path} {found}; its inventory says {entry.size_bytes} bytes, {entry.sha256}."
        raise PackageRejected(message)
    if (
        isinstance(work_store, S3Store)
        and isinstance(origin_store, S3Store)
        and work_store.endpoint == origin_store.endpoint
    ):  # the service copies by itself
        origin_store.copy_from(work_store, source + entry.path, target + entry.path)
        return
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="publish-", dir=work_dir) as folder:
        path = Path(folder) / "object"
        work_store.get_file(source + entry.path, path)
        origin_store.put_file(target + entry.path, path, content_type=entry.content_type, sha256=entry.sha256)


def _require_same(origin_store: ObjectStore, key: str, content: bytes) -> None:
    found, _ = origin_store.get_bytes(key)
    if found != content:
        message = f"{key} is on the origin already with another content; a version is never overwritten."
        raise PackageRejected(message)
