"""Filling an edge with a version: every object fetched once, and every object re-hashed on disk for the receipt."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from edge.files import EdgeFiles
from edge.flights import Flights
from edge.inventory import OBJECT_PREFIX, read_inventory
from edge.metrics import EdgeMetrics
from telecine.document import Document, Sha256
from telecine.errors import MissingRequirement, PackageRejected, PreconditionFailed, TelecineError, Unavailable
from telecine.log import get_logger
from telecine.publication import FillReceipt, Inventory, InventoryEntry
from telecine.storage.port import ObjectStore
from telecine.title import TitleId

__all__ = ["Fill", "FillOrder", "FillProgress", "Filler", "Version"]

_PARALLEL = 6
_SPARE_BYTES = 64 << 20
"""Room that a fill leaves on the disk."""
_NEWS_S = 10
"""Longer than the pause between two questions of one client, and short enough for a proof to be called new."""

log = get_logger(__name__)

Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class FillOrder(Document):
    """Which version an edge must hold, and what its inventory hashes to."""

    title_id: TitleId
    version: Version
    inventory_sha256: Sha256


class FillProgress(Document):
    """How far a fill is, in objects that are proven to be here."""

    done: int
    total: int


@dataclass(slots=True)
class Fill:
    """A fill under way or over: exactly one of ``receipt`` and ``problem`` is set at the end."""

    total: int = 0
    done: int = 0
    receipt: FillReceipt | None = None
    problem: TelecineError | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    ended_at: float = field(default=0, init=False)
    counting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def progress(self) -> FillProgress:
        return FillProgress(done=self.done, total=self.total)

    def count(self) -> None:
        with self.counting:
            self.done += 1

    def end(self) -> None:
        self.ended_at = time.monotonic()
        self.ended.set()

    def ended_before(self, moment: float) -> bool:
        """Whether it was over at that time of the monotonic clock."""
        return self.ended.is_set() and self.ended_at < moment


class Filler:
    """Runs fills in the background, one per order; asking again joins the one under way."""

    def __init__(
        self, edge: str, files: EdgeFiles, origin: ObjectStore, metrics: EdgeMetrics, news_s: float = _NEWS_S
    ) -> None:
        self._edge = edge
        self._files = files
        self._origin = origin
        self._metrics = metrics
        self._news_s = news_s
        self._stopping = threading.Event()
        self._fills: dict[FillOrder, Fill] = {}
        self._lock = threading.Lock()
        self.flights = Flights()

    def ask(self, order: FillOrder, patience_s: float = 1) -> Fill:
        """The fill of this order, started unless it runs. Waits a little for its end.

        An end is told to those who wait for it or ask next, within seconds; whoever asks after that has everything
        proven afresh: an end that nobody heard, such as a pipeline's that died, says nothing about the disk of later.
        """
        with self._lock:
            fill = self._fills.get(order)
            if fill is None or fill.ended_before(time.monotonic() - self._news_s):
                fill = self._fills[order] = Fill()
                threading.Thread(target=self._run, args=(order, fill), daemon=True, name="fill").start()
        if fill.ended.wait(patience_s):
            with self._lock:
                if self._fills.get(order) is fill:
                    del self._fills[order]
        return fill

    def drop(self, title_id: str, version: str) -> int:
        """Remove a version from this edge; bytes freed. Raises PreconditionFailed while it is being filled."""
        with self._lock:  # no fill of it can begin meanwhile
            for order, fill in self._fills.items():
                if (order.title_id, order.version) == (title_id, version) and not fill.ended.is_set():
                    message = f"{self._edge} is being filled with {title_id} {version}."
                    raise PreconditionFailed(message)
            return self._files.drop_version(title_id, version)

    def stop(self) -> None:
        """End all fills after the objects they are at."""
        self._stopping.set()

    def _run(self, order: FillOrder, fill: Fill) -> None:
        started = time.monotonic()
        try:
            fill.receipt = self._fill(order, fill)
            self._metrics.fill_seconds.observe(time.monotonic() - started)
            log.info("fill.complete", title=order.title_id, version=order.version, objects=fill.total)
        except TelecineError as error:
            fill.problem = error
        except Exception as error:  # noqa: BLE001 - whoever ordered it must hear of any end
            fill.problem = Unavailable(f"{self._edge} cannot fill {order.title_id}: {error}")
        finally:
            if fill.problem is not None:
                log.warning("fill.failed", title=order.title_id, version=order.version, why=str(fill.problem))
            self._metrics.fills.labels("failed" if fill.problem else "complete").inc()
            fill.end()

    def _fill(self, order: FillOrder, fill: Fill) -> FillReceipt:
        inventory = read_inventory(self._origin, order.title_id, order.version, order.inventory_sha256)
        prefix = OBJECT_PREFIX.format(title_id=order.title_id, version=order.version)
        fill.total = len(inventory.entries)
        self._require_room(inventory, prefix)

        def bring(entry: InventoryEntry) -> int:
            if self._stopping.is_set():
                message = f"The agent of {self._edge} stops."
                raise Unavailable(message)
            fetched = self._bring(prefix + entry.path, entry)
            fill.count()
            return fetched

        pool = ThreadPoolExecutor(_PARALLEL)
        try:
            fetched = sum(pool.map(bring, inventory.entries))
        finally:
            pool.shutdown(cancel_futures=True)
        self._files.settle([prefix + entry.path for entry in inventory.entries])
        receipt = FillReceipt(
            edge=self._edge,
            title_id=order.title_id,
            version=order.version,
            inventory_sha256=order.inventory_sha256,
            objects=len(inventory.entries),
            size_bytes=inventory.size_bytes,
            fetched_bytes=fetched,
            verified_at=datetime.now(UTC),
        )
        self._files.keep_receipt(receipt)
        return receipt

    def _bring(self, key: str, entry: InventoryEntry) -> int:
        with self.flights.over(key):
            if self._files.holds(key, entry.sha256, entry.size_bytes):
                return 0
            fetched = self._files.fetch(key, self._origin, entry.sha256)
        self._metrics.fetched("fill", fetched)
        if not self._files.holds(key, entry.sha256, entry.size_bytes):
            message = f"{key} does not read back from the disk of {self._edge} as its inventory says."
            raise PackageRejected(message)
        return fetched

    def _require_room(self, inventory: Inventory, prefix: str) -> None:
        paths = [(self._files.path(prefix + entry.path), entry.size_bytes) for entry in inventory.entries]
        needed = sum(size for path, size in paths if not path.is_file())
        free = self._files.free_bytes()
        if needed and needed + _SPARE_BYTES > free:
            message = (
                f"{self._edge} has {free >> 20} MiB free and needs {(needed + _SPARE_BYTES) >> 20} MiB "
                f"for {inventory.title_id} {inventory.version}: make room on its disk."
            )
            raise MissingRequirement(message)
