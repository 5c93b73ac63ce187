"""Which titles are live: a port to the registry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from telecine.errors import NotFound
from telecine.publication import Pointer
from telecine.registry.repository import Registry

__all__ = ["ListedTitle", "RegistryTitles", "TitleSource"]


@dataclass(frozen=True, slots=True)
class ListedTitle:
    """A title as lists show it. ``live`` is the pointer viewers follow, None before go-live."""

    title_id: str
    name: str
    live: Pointer | None


class TitleSource(Protocol):
    """Where live titles are looked up. Blocking; raises Unavailable when it does not answer."""

    def title(self, title_id: str) -> ListedTitle | None:
        """None when the title is unknown."""
        ...

    def titles(self) -> Sequence[ListedTitle]:
        """All titles, live or not."""
        ...


@dataclass(frozen=True, slots=True)
class RegistryTitles:
    """Titles as the registry knows them."""

    registry: Registry

    def title(self, title_id: str) -> ListedTitle | None:
        try:
            found = self.registry.title(title_id)
        except NotFound:
            return None
        return ListedTitle(found.title_id, found.name, found.live)

    def titles(self) -> Sequence[ListedTitle]:
        return [ListedTitle(found.title_id, found.name, found.live) for found in self.registry.titles()]
