"""Where the files of a package are fetched from: a folder or a web server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx

from packagers.evidence.offers import Ref
from telecine.errors import NotFound, Unavailable
from telecine.loopback import reached

__all__ = ["Fetched", "FolderSource", "PackageSource", "WebSource", "folder_url"]

_OK, _PARTIAL, _GONE = 200, 206, (401, 403, 404, 410)
_TIMEOUT_S = 30.0
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Fetched:
    """Bytes of a URL. ``content_type`` is what a server said, None where nobody serves it."""

    content: bytes
    content_type: str | None


class PackageSource(Protocol):
    """Gives what a manifest names. Safe to call from several threads."""

    def get(self, ref: Ref) -> Fetched:
        """Raises NotFound when it is not there, Unavailable when nobody answers."""
        ...


def folder_url(path: Path) -> str:
    """The URL of a local file, by which manifests are resolved."""
    return path.resolve().as_uri()


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A package in a folder; a manifest cannot name what lies outside. ``types``: content types by path, if known."""

    root: Path
    types: Mapping[str, str] = field(default_factory=dict)

    def get(self, ref: Ref) -> Fetched:
        path = Path(unquote(urlsplit(ref.url).path)).resolve()
        root = self.root.resolve()
        if urlsplit(ref.url).scheme != "file" or not path.is_relative_to(root) or not path.is_file():
            message = f"{ref.url} is not in the package."
            raise NotFound(message)
        content = path.read_bytes()
        if ref.span is not None:
            content = content[ref.span[0] : sum(ref.span)]
        return Fetched(content, self.types.get(path.relative_to(root).as_posix()))


class WebSource:
    """A package on a web server; a redirect is followed, an answer that is no success is NotFound."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        transport = httpx.HTTPTransport(retries=_TRIES)
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT_S, follow_redirects=True, transport=transport)

    def get(self, ref: Ref) -> Fetched:
        try:
            url, headers = reached(ref.url)
            if ref.span is not None:
                headers["Range"] = f"bytes={ref.span[0]}-{sum(ref.span) - 1}"
            answer = self._client.get(url, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"{ref.url} did not answer: {type(error).__name__}."
            raise Unavailable(message) from error
        if answer.status_code not in {_OK, _PARTIAL}:
            message = f"{ref.url} answers {answer.status_code}."
            raise NotFound(message) if answer.status_code in _GONE else Unavailable(message)
        content = answer.content
        if ref.span is not None and answer.status_code == _OK:  # a server may ignore ranges
            content = content[ref.span[0] : sum(ref.span)]
        return Fetched(content, answer.headers.get("Content-Type", "").partition(";")[0].strip().lower())
