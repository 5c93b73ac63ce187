"""A package, its inventory, and what happens to it on the way to viewers."""

from typing import Literal

from pydantic import Field

from telecine.document import Document, Sha256, UtcTime
from telecine.drm import DrmSystem, PackageScheme
from telecine.protection import KeyAssignment, Kid
from telecine.text import Accessories
from telecine.title import TitleId

__all__ = ["Edge", "FillReceipt", "Inventory", "InventoryEntry", "Package", "Pointer", "ProtectedSet", "Publication"]

Role = Literal["init", "segment", "manifest", "playlist", "other"]


class InventoryEntry(Document):
    """One object of a package; ``path`` is relative to the version prefix, '/'-separated."""

    path: str
    size_bytes: int
    sha256: Sha256
    content_type: str
    role: Role


class Inventory(Document):
    """Every object of one version of a title. Written last, with If-None-Match: *."""

    title_id: TitleId
    version: str
    entries: tuple[InventoryEntry, ...]

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.entries)


class ProtectedSet(Document):
    """One set of segments of a version, with manifests of its own. Text and pictures of the seek bar are shared."""

    scheme: PackageScheme | None = Field(description="None: of a version from before it was told")
    folder: str = Field(default="", description="below the version's prefix; empty or ends with '/'")
    dash_path: str = Field(description="relative to the version's prefix, as ``hls_path``")
    hls_path: str
    kids: dict[str, Kid] = Field(description="label to KID; no other set of the version has one of these KIDs")
    drm: tuple[DrmSystem, ...] = Field(default=(), description="systems its manifests are signalled for")


class Package(Document):
    """A complete package in the work store under ``prefix``, not yet visible to anyone."""

    title_id: TitleId
    version: str = Field(description="'v' and 16 hex digits of the digest over everything that shaped the package")
    prefix: str = Field(description="key prefix in the work store; ends with '/'")
    inventory: Inventory
    dash_path: str
    hls_path: str
    scheme: PackageScheme
    keys: KeyAssignment = Field(description="none of a package in the clear")
    accessories: Accessories = Accessories()
    drm: tuple[DrmSystem, ...] = Field(default=("clearkey",), description="systems its manifests are signalled for")
    trick_play: bool = Field(default=False, description="whether it has tracks of key frames alone")
    further: tuple[ProtectedSet, ...] = Field(default=(), description="sets of other schemes beside the first")

    @property
    def sets(self) -> tuple[ProtectedSet, ...]:
        """Every set of segments, the first at the version's prefix itself."""
        paths = {"dash_path": self.dash_path, "hls_path": self.hls_path}
        return (ProtectedSet(scheme=self.scheme, kids=self.keys.kids, drm=self.drm, **paths), *self.further)


class Publication(Document):
    """One version on the origin, complete and immutable under ``prefix``."""

    title_id: TitleId
    version: str
    prefix: str = Field(description="key prefix on the origin, p/<title>/<version>/")
    inventory_key: str
    inventory_sha256: Sha256
    objects: int
    size_bytes: int
    dash_path: str
    hls_path: str
    keys: KeyAssignment
    scheme: PackageScheme | None = Field(default=None, description="of the first set; None: it was not told yet")
    further: tuple[ProtectedSet, ...] = ()


class Pointer(Document):
    """``current.json`` of a title: the only mutable object on the origin, written by compare-and-set."""

    title_id: TitleId
    seq: int = Field(ge=1, description="grows by one a flip, so an old ETag can never match again")
    version: str
    previous: str | None = None
    dash_path: str
    hls_path: str
    kids: dict[str, str]
    live_at: UtcTime
    scheme: PackageScheme | None = Field(default=None, description="of the first set; None: it was not told yet")
    further: tuple[ProtectedSet, ...] = ()

    @property
    def sets(self) -> tuple[ProtectedSet, ...]:
        """Every set of segments; viewers get the first unless their device needs another."""
        paths = {"dash_path": self.dash_path, "hls_path": self.hls_path}
        return (ProtectedSet(scheme=self.scheme, kids=self.kids, **paths), *self.further)


class Edge(Document):
    """One edge cache: where viewers reach it and where its fill agent listens."""

    name: str
    base_url: str = Field(description="what viewers use, such as http://edge-a.localhost:8601")
    agent_url: str = Field(description="where the fill agent answers, such as http://127.0.0.1:8611")


class FillReceipt(Document):
    """An edge's proof that it holds every object of a version, each re-hashed on its own disk."""

    edge: str
    title_id: TitleId
    version: str
    inventory_sha256: Sha256
    objects: int
    size_bytes: int
    fetched_bytes: int = Field(description="bytes that had to travel; 0 when all was already there")
    verified_at: UtcTime
