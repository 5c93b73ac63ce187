"""Where things are on the origin. Pure."""

from telecine.publication import InventoryEntry

__all__ = ["INVENTORY_NAME", "inventory_key", "pointer_key", "publication_order", "version_prefix"]

INVENTORY_NAME = "inventory.json"


def version_prefix(title_id: str, version: str) -> str:
    """Prefix of one immutable version; ends with '/'."""
    return f"p/{title_id}/{version}/"


def inventory_key(title_id: str, version: str) -> str:
    """The inventory, written after all it names: a version without one does not exist."""
    return f"{version_prefix(title_id, version)}{INVENTORY_NAME}"


def pointer_key(title_id: str) -> str:
    """The title's pointer, the only mutable object."""
    return f"t/{title_id}/current.json"


def publication_order(entries: tuple[InventoryEntry, ...]) -> tuple[tuple[InventoryEntry, ...], ...]:
    """Waves to copy one after the other: media before playlists, playlists before what names them."""
    media = tuple(entry for entry in entries if entry.role in {"init", "segment", "other"})
    playlists = tuple(entry for entry in entries if entry.role == "playlist")
    manifests = tuple(entry for entry in entries if entry.role == "manifest")
    return tuple(wave for wave in (media, playlists, manifests) if wave)
