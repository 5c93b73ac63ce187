"""What a version consists of, as the origin says."""

import hashlib

from pydantic import ValidationError

from telecine.document import Sha256
from telecine.errors import PackageRejected, TelecineError
from telecine.publication import Inventory
from telecine.storage.keys import checked_key
from telecine.storage.port import ObjectStore

__all__ = ["OBJECT_PREFIX", "read_inventory"]

OBJECT_PREFIX = "p/{title_id}/{version}/"


def read_inventory(origin: ObjectStore, title_id: str, version: str, sha256: Sha256 | None = None) -> Inventory:
    """The inventory of a version; its bytes must hash to ``sha256`` where that is known.

    Raises NotFound when the origin has no such version, PackageRejected when its inventory is not what was published.
    """
    key = f"{OBJECT_PREFIX.format(title_id=title_id, version=version)}inventory.json"
    content, _ = origin.get_bytes(key)
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        message = f"{key} on the origin hashes to {found}, expected {sha256}."
        raise PackageRejected(message)
    try:
        inventory = Inventory.model_validate_json(content)
        for entry in inventory.entries:
            checked_key(entry.path)
    except (ValidationError, TelecineError) as error:
        message = f"{key} on the origin is no inventory: {error}"
        raise PackageRejected(message) from error
    if (inventory.title_id, inventory.version) != (title_id, version):
        message = f"{key} on the origin is the inventory of {inventory.title_id} {inventory.version}."
        raise PackageRejected(message)
    return inventory
