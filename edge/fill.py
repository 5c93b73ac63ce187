"""Filling an edge with a version: every object fetched once, and every object re-hashed on disk for the receipt."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from edge.files import EdgeFiles
from telecine.document import Document, Sha256
from telecine.errors import NotFound, PackageRejected, TelecineError
from telecine.publication import FillReceipt, Inventory, InventoryEntry
from telecine.storage.port import ObjectStore

__all__ = ["Fill", "FillOrder", "Filler", "SingleFlight", "read_inventory"]

_PARALLEL = 4


class FillOrder(Document):
    """Which version an edge must hold, and what its inventory hashes to."""

    title_id: str
    version: str
    inventory_sha256: Sha256


@dataclass(slots=True)
class Fill:
    """A fill under way or over: exactly one of ``receipt`` and ``problem`` is set at the end."""

    total: int = 0
    done: int = 0
    receipt: FillReceipt | None = None
    problem: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)


class SingleFlight:
    """One lock per key while somebody uses it, so that a crowd asking for one object causes one fetch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[str, tuple[threading.Lock, int]] = {}

    def __call__(self, key: str) -> "_Flight":
        return _Flight(self, key)

    def enter(self, key: str) -> threading.Lock:
        with self._lock:
            lock, users = self._users.get(key, (threading.Lock(), 0))
            self._users[key] = (lock, users + 1)
        lock.acquire()
        return lock

    def leave(self, key: str, lock: threading.Lock) -> None:
        lock.release()
        with self._lock:
            _, users = self._users[key]
            if users == 1:
                del self._users[key]
            else:
                self._users[key] = (lock, users - 1)


class _Flight:
    def __init__(self, flights: SingleFlight, key: str) -> None:
        self._flights, self._key = flights, key

    def __enter__(self) -> None:
        self._held = self._flights.enter(self._key)

    def __exit__(self, *_: object) -> None:
        self._flights.leave(self._key, self._held)


class Filler:
    """Runs fills in the background, one per version; asking again joins the one under way."""

    def __init__(self, edge: str, files: EdgeFiles, origin: ObjectStore, flights: SingleFlight) -> None:
        self._edge = edge
        self._files = files
        self._origin = origin
        self._flights = flights
        self._fills: dict[FillOrder, Fill] = {}
        self._lock = threading.Lock()

    def start(self, order: FillOrder) -> Fill:
        """The fill of this order, started now unless it runs. One that ended is told once, then done afresh."""
        with self._lock:
            fill = self._fills.get(order)
            if fill is not None and fill.ended.is_set():
                return self._fills.pop(order)
            if fill is None:
                fill = self._fills[order] = Fill()
                threading.Thread(target=self._run, args=(order, fill), daemon=True).start()
        fill.ended.wait(timeout=1)
        with self._lock:
            if fill.ended.is_set():
                self._fills.pop(order, None)
        return fill

    def _run(self, order: FillOrder, fill: Fill) -> None:
        try:
            fill.receipt = self._fill(order, fill)
        except TelecineError as error:
            fill.problem = str(error)
        except Exception as error:  # noqa: BLE001 - the asker must hear of any end
            fill.problem = f"{type(error).__name__}: {error}"
        finally:
            fill.ended.set()

    def _fill(self, order: FillOrder, fill: Fill) -> FillReceipt:
        inventory = read_inventory(self._origin, order)
        prefix = f"p/{order.title_id}/{order.version}/"
        fill.total = len(inventory.entries)

        def bring(entry: InventoryEntry) -> int:
            fetched = self._bring(prefix + entry.path, entry)
            fill.done += 1
            return fetched

        with ThreadPoolExecutor(_PARALLEL) as pool:
            fetched = sum(pool.map(bring, inventory.entries))
        return FillReceipt(
            edge=self._edge,
            title_id=order.title_id,
            version=order.version,
            inventory_sha256=order.inventory_sha256,
            objects=len(inventory.entries),
            size_bytes=inventory.size_bytes,
            fetched_bytes=fetched,
            verified_at=datetime.now(UTC),
        )

    def _bring(self, key: str, entry: InventoryEntry) -> int:
        with self._flights(key):
            if self._files.holds(key, entry.sha256):
                return 0
            fetched = self._files.fetch(key, self._origin, entry.sha256)
            if not self._files.holds(key, entry.sha256):
                message = f"{key} does not read back from the disk of {self._edge} as it was written."
                raise PackageRejected(message)
            return fetched


def read_inventory(origin: ObjectStore, order: FillOrder) -> Inventory:
    """The inventory of a version, whose bytes hash to what the order says. Raises NotFound, PackageRejected."""
    key = f"p/{order.title_id}/{order.version}/inventory.json"
    content, _ = origin.get_bytes(key)
    found = hashlib.sha256(content).hexdigest()
    if order.inventory_sha256 and found != order.inventory_sha256:
        message = f"{key} hashes to {found}, expected {order.inventory_sha256}."
        raise PackageRejected(message)
    inventory = Inventory.model_validate_json(content)
    if (inventory.title_id, inventory.version) != (order.title_id, order.version):
        message = f"{key} is the inventory of {inventory.title_id} {inventory.version}."
        raise NotFound(message)
    return inventory
