"""Published files as edges serve them: a port, and its HTTP side."""

from typing import Protocol

import httpx

from telecine.errors import Unavailable
from telecine.loopback import reached

__all__ = ["HttpFiles", "PublishedFiles"]

_TIMEOUT = httpx.Timeout(3.0)
_LARGEST_BYTES = 16 * 2**20


class PublishedFiles(Protocol):
    """Where manifests and playlists are read from."""

    async def read(self, address: str) -> bytes:
        """The file at a URL. Raises Unavailable."""
        ...

    async def close(self) -> None: ...


class HttpFiles:
    """Files over HTTP. Published files never change under their address."""

    def __init__(self) -> None:
        # an edge is addressed as viewers see it, never through a proxy of this machine
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)

    async def read(self, address: str) -> bytes:
        url, headers = reached(address)
        try:
            answer = await self._client.get(url, headers=headers)
        except httpx.HTTPError as error:
            message = f"{address} does not answer: {type(error).__name__}."
            raise Unavailable(message) from error
        if answer.status_code != httpx.codes.OK or len(answer.content) > _LARGEST_BYTES:
            message = f"{address} answered {answer.status_code} with {len(answer.content)} bytes; 200 was expected."
            raise Unavailable(message)
        return answer.content

    async def close(self) -> None:
        await self._client.aclose()
