"""Renditions to a package in the work store. A second run of the same request is a look-up."""

import time
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from packagers.plan import DASH_PATH, HLS_PATH, PackagePlan, PackageRequest, further_plans, plan_package
from packagers.set_work import MadeSet, make_set
from packagers.shaka import INPUT_FOLDER, input_path
from packagers.tooling import packager_version, private_folder
from telecine.errors import NotFound, PackageRejected
from telecine.keystore import KeyStore
from telecine.log import get_logger
from telecine.publication import Inventory, InventoryEntry, Package, ProtectedSet
from telecine.storage.keys import sha256_of_file
from telecine.storage.port import ObjectStore

__all__ = ["PackageRequest", "package"]

log = get_logger(__name__)


def package(request: PackageRequest, keystore: KeyStore, store: ObjectStore, work_dir: Path) -> Package:
    """One set of segments with a DASH and an HLS manifest under ``packages/<title>/<version>/``.

    It is encrypted unless the profile says clear. Of a profile with both schemes a second set is below the first, under
    keys of its own; text, thumbnails and chapters are there once.

    The package's document goes last to ``packages/<title>/<version>.json``: when it is there and its objects are too,
    nothing is done; killed between two sets and run again, the first is not made again. Equal requests give equal
    bytes. Raises PackageRejected when the request cannot become a package, NotFound when a rendition or a key is
    missing.
    """
    plan = plan_package(request, packager_version())
    known = _found(plan, store)
    if known is not None:
        return known
    started = time.monotonic()
    with private_folder(work_dir, "package-") as folder:
        entries = _made(plan, keystore, store, folder)
    made = Package(
        title_id=request.title_id,
        version=plan.version,
        prefix=plan.prefix,
        inventory=Inventory(title_id=request.title_id, version=plan.version, entries=entries),
        dash_path=DASH_PATH,
        hls_path=HLS_PATH,
        scheme=plan.scheme,
        keys=plan.keys,
        accessories=request.accessories,
        drm=plan.systems,
        trick_play=bool(plan.trick),
        further=tuple(_described(one) for one in further_plans(plan)),
    )
    store.put_bytes(plan.document_key, made.model_dump_json().encode(), content_type="application/json")
    if made.further:
        store.delete(plan.set_key)
    log.info(
        "title.packaged",
        title=made.title_id,
        version=made.version,
        sets=len(made.sets),
        objects=len(entries),
        bytes=made.inventory.size_bytes,
        seconds=round(time.monotonic() - started, 1),
    )
    return made


def _made(plan: PackagePlan, keystore: KeyStore, store: ObjectStore, folder: Path) -> tuple[InventoryEntry, ...]:
    """Every set of the version in the store; the objects of all of them."""
    _fetch(plan, store, folder)
    further = further_plans(plan)
    first = _first_set(plan, store) if further else None
    if first is None:
        first = make_set(plan, keystore, store, folder)
    if further:
        store.put_bytes(plan.set_key, first.model_dump_json().encode(), content_type="application/json")
    others = [make_set(one, keystore, store, folder, shared=first.extras) for one in further]
    return tuple(entry for made in (first, *others) for entry in made.entries)


def _described(plan: PackagePlan) -> ProtectedSet:
    return ProtectedSet(
        scheme=plan.scheme,
        folder=plan.folder,
        dash_path=plan.folder + DASH_PATH,
        hls_path=plan.folder + HLS_PATH,
        kids=plan.keys.kids,
        drm=plan.systems,
    )


def _first_set(plan: PackagePlan, store: ObjectStore) -> MadeSet | None:
    """The first set, where a run that was killed left it whole."""
    try:
        content, _ = store.get_bytes(plan.set_key)
        known = MadeSet.model_validate_json(content)
    except (NotFound, ValidationError):
        return None
    return known if _is_whole(plan, store, known.entries) else None


def _found(plan: PackagePlan, store: ObjectStore) -> Package | None:
    try:
        content, _ = store.get_bytes(plan.document_key)
        known = Package.model_validate_json(content)
    except (NotFound, ValidationError):
        return None
    return known if _is_whole(plan, store, known.inventory.entries) else None


def _is_whole(plan: PackagePlan, store: ObjectStore, entries: Iterable[InventoryEntry]) -> bool:
    present = {stored.key: stored.size_bytes for stored in store.list(plan.prefix)}
    return all(present.get(plan.prefix + entry.path) == entry.size_bytes for entry in entries)


def _fetch(plan: PackagePlan, store: ObjectStore, folder: Path) -> None:
    (folder / INPUT_FOLDER).mkdir()
    for stream in (*plan.video, *plan.audio):
        path = folder / input_path(stream)
        store.get_file(stream.rendition.key, path)
        found = sha256_of_file(path)
        if found != stream.rendition.sha256:
            message = (
                f"Rendition '{stream.name}' of title {plan.request.title_id} ({stream.rendition.key}) should have "
                f"sha256 {stream.rendition.sha256}, but the work store gave {found}."
            )
            raise PackageRejected(message)
