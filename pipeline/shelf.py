"""Documents between steps: kept in the work store under their digest; steps pass only the key."""

from typing import TypeVar

from telecine.document import Document, digest_of
from telecine.storage.port import ObjectStore

__all__ = ["keep", "load"]

D = TypeVar("D", bound=Document)


def keep(store: ObjectStore, document: Document) -> str:
    """Store a document, returning its key. The same document always gets the same key."""
    name = type(document).__name__.lower()
    key = f"documents/{name}/{digest_of(document)}.json"
    if store.head(key) is None:
        store.put_bytes(key, document.model_dump_json().encode(), content_type="application/json")
    return key


def load(store: ObjectStore, kind: type[D], key: str) -> D:
    """Read a document back, validated. Raises NotFound."""
    content, _ = store.get_bytes(key)
    return kind.model_validate_json(content)
