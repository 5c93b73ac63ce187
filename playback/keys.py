"""Where content keys come from: a port to the key store."""

from typing import Protocol

from telecine.protection import ContentKey

__all__ = ["KeySource"]


class KeySource(Protocol):
    """Content keys by title and KID. Blocking; raises NotFound, and Unavailable when it does not answer."""

    def key(self, title_id: str, kid: str) -> ContentKey:
        """The key a KID of a title names."""
        ...
