"""What of the origin an edge serves. Pure."""

import re
from dataclasses import dataclass

from telecine.errors import NotFound

__all__ = ["ObjectKey", "parse_object_key", "pointer_title"]

_OBJECT = re.compile(r"^p/(?P<title>[a-z0-9][a-z0-9-]{0,62})/(?P<version>[A-Za-z0-9][A-Za-z0-9_-]{0,63})/(?P<path>.+)$")
_POINTER = re.compile(r"^t/(?P<title>[a-z0-9][a-z0-9-]{0,62})/current\.json$")


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """An immutable object: where it belongs, and its path in the inventory of that version."""

    title_id: str
    version: str
    path: str


def parse_object_key(key: str) -> ObjectKey:
    """Raises NotFound for a key that no version can have."""
    found = _OBJECT.fullmatch(key)
    if found is None:
        message = f"{key} is nothing an edge serves."
        raise NotFound(message)
    return ObjectKey(found["title"], found["version"], found["path"])


def pointer_title(key: str) -> str | None:
    """The title whose pointer this is, None for any other key."""
    found = _POINTER.fullmatch(key)
    return found["title"] if found else None
