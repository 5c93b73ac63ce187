"""The manifests of one session, made of what its title has published."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal
from urllib.parse import urljoin

from playback.manifests.dash import filter_dash
from playback.manifests.files import PublishedFiles
from playback.manifests.hls import PlaylistKeys, filter_hls, keys_of_playlist, media_uris
from playback.problems import Problem
from playback.sessions.schemas import Session
from telecine.errors import Unavailable
from telecine.log import get_logger
from telecine.publication import Edge

__all__ = ["ManifestService"]

_log = get_logger("playback.manifests")
_KEPT = 128
"""Published manifests held in memory; each is read once, as it never changes."""


@dataclass(frozen=True, slots=True)
class _Published:
    """A manifest as published; for HLS, ``keys`` are those of each media playlist by its address as written."""

    content: bytes
    keys: dict[str, PlaylistKeys]


@dataclass(slots=True)
class ManifestService:
    """Filters manifests for sessions; the first edge that answers gives the published one."""

    files: PublishedFiles
    edges: tuple[Edge, ...]
    kept: "OrderedDict[str, _Published]" = field(default_factory=OrderedDict)

    async def manifest(self, session: Session, form: Literal["dash", "hls"], prefer: str | None = None) -> bytes:
        """The manifest of the session's version with only what its KIDs open, at the edge named ``prefer`` first.

        Raises Problem 502 when no edge has it.
        """
        path = session.dash_path if form == "dash" else session.hls_path
        edges = sorted(self.edges, key=lambda one: one.name != prefer)
        granted = frozenset(session.kids.values())
        edge, found = await self._published(edges, session, path, form)
        if form == "hls":
            address = _address(edge, session, path)
            return filter_hls(found.content.decode(), found.keys, granted, address).encode()
        first = [edge, *(other for other in edges if other != edge)]
        return filter_dash(found.content, granted, [(one.name, _address(one, session, path)) for one in first])

    async def _published(
        self, edges: Sequence[Edge], session: Session, path: str, form: Literal["dash", "hls"]
    ) -> tuple[Edge, _Published]:
        for edge in edges:
            address = _address(edge, session, path)
            if address in self.kept:
                self.kept.move_to_end(address)
                return edge, self.kept[address]
            try:
                found = await self._read(address, form)
            except Unavailable as error:
                _log.warning("manifest.edge_failed", edge=edge.name, why=str(error))
                continue
            self.kept[address] = found
            while len(self.kept) > _KEPT:
                self.kept.popitem(last=False)
            return edge, found
        detail = f"None of {len(self.edges)} edges delivers {path} of '{session.title}'."
        raise Problem(HTTPStatus.BAD_GATEWAY, "edges-failed", detail)

    async def _read(self, address: str, form: Literal["dash", "hls"]) -> _Published:
        content = await self.files.read(address)
        uris = media_uris(content.decode()) if form == "hls" else ()
        texts = await asyncio.gather(*(self.files.read(urljoin(address, uri)) for uri in uris))
        return _Published(
            content, {uri: keys_of_playlist(text.decode()) for uri, text in zip(uris, texts, strict=True)}
        )


def _address(edge: Edge, session: Session, path: str) -> str:
    return f"{edge.base_url.rstrip('/')}/p/{session.title}/{session.version}/{path}"
