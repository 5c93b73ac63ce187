"""Take a version off the origin. Killed anywhere and run again, it goes on."""

from concurrent.futures import ThreadPoolExecutor

from origin.layout import inventory_key, version_prefix
from origin.pointer import read_pointer
from telecine.errors import PreconditionFailed
from telecine.storage.port import ObjectStore

__all__ = ["retire"]

_THREADS = 8


def retire(title_id: str, version: str, origin_store: ObjectStore) -> int:
    """Delete every object of a version, its inventory last; how many were there. Idempotent.

    While anything is left the inventory is too, so what is left can be named. Raises PreconditionFailed, having touched
    nothing, when viewers are pointed to it.
    """
    pointer = read_pointer(title_id, origin_store)
    if pointer is not None and pointer.version == version:
        message = f"Version {version} of {title_id} is live: it cannot be retired."
        raise PreconditionFailed(message)
    last = inventory_key(title_id, version)
    keys = [stored.key for stored in origin_store.list(version_prefix(title_id, version))]
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(origin_store.delete, [key for key in keys if key != last]))
    if last in keys:
        origin_store.delete(last)
    return len(keys)
