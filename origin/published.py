"""What of a title is on the origin, told by its inventories: for versions that nobody wrote down."""

import hashlib
import re
from collections.abc import Mapping

from origin.layout import INVENTORY_NAME, inventory_key, version_prefix
from telecine.drm import CLEAR, PackageScheme
from telecine.protection import KeyAssignment, Kid, label_and_scheme
from telecine.publication import Inventory, ProtectedSet, Publication
from telecine.storage.port import ObjectStore

__all__ = ["found_publications", "rungs_of"]

_DEFAULT_KID = re.compile(rb'default_KID="([0-9a-fA-F-]{36})"')
_SCHEME = re.compile(rb'value="(cbcs|cenc)"')
_SCHEMES: dict[bytes, PackageScheme] = {b"cbcs": "cbcs", b"cenc": "cenc"}


def found_publications(
    title_id: str, origin_store: ObjectStore, labels: Mapping[Kid, str]
) -> tuple[tuple[Publication, tuple[str, ...]], ...]:
    """Every complete version of a title and the names of its renditions, by version.

    KIDs are those of the DASH manifest (``cenc:default_KID``, ISO/IEC 23001-7), labelled by ``labels``; one without a
    label has no key here, so nobody could be given a licence for it. Lists every object of the title.
    """
    start = f"p/{title_id}/"
    keys = [stored.key for stored in origin_store.list(start)]
    names = [key.removeprefix(start).split("/") for key in keys]
    versions = sorted(parts[0] for parts in names if len(parts) == 2 and parts[1] == INVENTORY_NAME)  # noqa: PLR2004
    return tuple(_found(title_id, version, origin_store, labels) for version in versions)


def rungs_of(inventory: Inventory) -> tuple[str, ...]:
    """Names of renditions: a folder each, with the initialisation segment in it."""
    inits = {entry.path.rpartition("/")[0].rpartition("/")[2] for entry in inventory.entries if entry.role == "init"}
    return tuple(sorted(inits - {""}))


def _found(
    title_id: str, version: str, origin_store: ObjectStore, labels: Mapping[Kid, str]
) -> tuple[Publication, tuple[str, ...]]:
    content, _ = origin_store.get_bytes(inventory_key(title_id, version))
    inventory = Inventory.model_validate_json(content)
    prefix = version_prefix(title_id, version)
    first, *further = _sets(inventory, prefix, origin_store, labels)
    publication = Publication(
        title_id=title_id,
        version=version,
        prefix=prefix,
        inventory_key=inventory_key(title_id, version),
        inventory_sha256=hashlib.sha256(content).hexdigest(),
        objects=len(inventory.entries),
        size_bytes=inventory.size_bytes,
        dash_path=first.dash_path,
        hls_path=first.hls_path,
        keys=KeyAssignment(title_id=title_id, kids=first.kids),
        scheme=first.scheme,
        further=tuple(further),
    )
    return publication, rungs_of(inventory)


def _sets(
    inventory: Inventory, prefix: str, origin_store: ObjectStore, labels: Mapping[Kid, str]
) -> tuple[ProtectedSet, ...]:
    """Every set of segments, by its DASH manifest; the first is the one at the version's prefix itself."""
    manifests = [entry.path for entry in inventory.entries if entry.role == "manifest"]
    found = []
    for dash_path in sorted((path for path in manifests if path.endswith(".mpd")), key=lambda path: path.count("/")):
        folder = dash_path[: dash_path.rfind("/") + 1]
        beside = [path for path in manifests if path.endswith(".m3u8") and path[: path.rfind("/") + 1] == folder]
        manifest, _ = origin_store.get_bytes(prefix + dash_path)
        kids = {one.decode().replace("-", "").lower() for one in _DEFAULT_KID.findall(manifest)}
        told = _SCHEME.search(manifest)
        found.append(
            ProtectedSet(
                scheme=_SCHEMES[told[1]] if told else None if kids else CLEAR,
                folder=folder,
                dash_path=dash_path,
                hls_path=beside[0] if beside else f"{folder}master.m3u8",
                kids={label_and_scheme(labels[kid])[0]: kid for kid in sorted(kids & labels.keys())},
            )
        )
    return tuple(found)
