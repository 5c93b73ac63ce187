"""What comes to an edge without an order: objects that viewers miss, and pointers that changed."""

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edge.files import EdgeFiles
from edge.flights import Flights
from edge.inventory import read_inventory
from edge.keys import ObjectKey, parse_object_key, pointer_title
from edge.metrics import EdgeMetrics
from telecine.errors import NotFound
from telecine.publication import InventoryEntry
from telecine.storage.port import ObjectStore

__all__ = ["Supply"]

_INVENTORIES_KEPT = 16


class Supply:
    """Brings single objects from an origin that answers or fails fast: a viewer waits."""

    def __init__(self, files: EdgeFiles, origin: ObjectStore, flights: Flights, metrics: EdgeMetrics) -> None:
        self._files = files
        self._origin = origin
        self._flights = flights
        self._metrics = metrics
        self._inventories: OrderedDict[tuple[str, str], dict[str, InventoryEntry]] = OrderedDict()
        self._guard = threading.Lock()

    def bring(self, key: str) -> Path:
        """The file of a key, fetched and verified unless it came meanwhile; kept from then on.

        Raises NotFound for what no published version holds, PackageRejected, Unavailable.
        """
        is_pointer = pointer_title(key) is not None
        expected = None if is_pointer else self._entry(parse_object_key(key))
        path = self._files.path(key)
        with self._flights.over(key):
            if not path.is_file():
                size = self._files.fetch(key, self._origin, expected.sha256 if expected else None)
                self._metrics.fetched("pointer" if is_pointer else "miss", size)
        return path

    def refresh(self, keys: list[str]) -> None:
        """Have these pointers as the origin has them now, those unknown so far too; other keys never change.

        Raises Unavailable when the origin does not answer; what is held then stays.
        """
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._refresh, [key for key in keys if pointer_title(key) is not None]))

    def forget(self, title_id: str, version: str) -> None:
        """A version was retired: what a viewer still asks of it is looked up on the origin anew, and not found."""
        with self._guard:
            self._inventories.pop((title_id, version), None)

    def refresh_all(self) -> None:
        """Messages may have been missed: have every pointer held as the origin has it."""
        self.refresh(list(self._files.pointers()))

    def _refresh(self, key: str) -> None:
        # the flight keeps an older answer, still on its way to a viewer who missed it, from replacing this one
        with self._flights.over(key):
            try:
                self._metrics.fetched("pointer", self._files.fetch(key, self._origin, None))
            except NotFound:
                self._files.drop(key)

    def _entry(self, key: ObjectKey) -> InventoryEntry:
        version = (key.title_id, key.version)
        with self._guard:
            entries = self._inventories.get(version)
        if entries is None:
            entries = self._read(version)
        entry = entries.get(key.path)
        if entry is None:
            message = f"{key.path} is not in {key.title_id} {key.version}."
            raise NotFound(message)
        return entry

    def _read(self, version: tuple[str, str]) -> dict[str, InventoryEntry]:
        with self._flights.over(f"inventory of {version}"):
            with self._guard:
                known = self._inventories.get(version)
            if known is not None:
                return known
            entries = {entry.path: entry for entry in read_inventory(self._origin, *version).entries}
            with self._guard:
                self._inventories[version] = entries
                if len(self._inventories) > _INVENTORIES_KEPT:
                    self._inventories.popitem(last=False)
            return entries
