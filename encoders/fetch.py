"""Bytes of remote masters, into private files: from web servers and from object stores."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
import stamina

from encoders.naming import shown
from telecine.document import Sha256
from telecine.errors import MissingRequirement, NotFound, SourceRejected, Unavailable
from telecine.storage.keys import bucket_and_key
from telecine.storage.port import ObjectStore

__all__ = ["Fetched", "fetch_object", "fetch_url"]

# three attempts and their pauses stay under 20 s, so a person at the CLI gets an answer
_ATTEMPTS = 3
_TIMEOUT = httpx.Timeout(5.0, connect=3.0)
_HINTS = {
    HTTPStatus.NOT_FOUND: "check the address",
    HTTPStatus.GONE: "check the address",
    HTTPStatus.UNAUTHORIZED: "give an address that may be read, such as a pre-signed one",
    HTTPStatus.FORBIDDEN: "give an address that may be read, such as a pre-signed one",
}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete download in ``path``. ``validator`` names this version on its server, empty when it names none."""

    path: Path
    sha256: Sha256
    size_bytes: int
    validator: tuple[str, ...]


def fetch_url(uri: str, folder: Path, known: tuple[str, ...]) -> Fetched | None:
    """Download over HTTP(S) into ``folder``; None when the server says ``known`` is still its version.

    Raises SourceRejected (4xx, no such server), Unavailable (5xx, timeout, broken off) after three attempts.
    """
    try:
        for attempt in stamina.retry_context(
            on=(Unavailable, httpx.ConnectError), attempts=_ATTEMPTS, wait_initial=0.2, wait_max=1, timeout=15
        ):
            with attempt:
                return _attempt(uri, folder, known)
    except httpx.ConnectError as error:
        message = f"The master {shown(uri)} cannot be reached ({error}): check the host name, port and network."
        raise SourceRejected(message) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
        raise SourceRejected(f"The master {shown(uri)} is not a usable address: {error}.") from None
    return None  # pragma: no cover - the loop returns or raises


def _attempt(uri: str, folder: Path, known: tuple[str, ...]) -> Fetched | None:
    headers = dict(zip(("If-None-Match", "If-Modified-Since"), known, strict=False))
    headers = {"Accept-Encoding": "identity", **{name: value for name, value in headers.items() if value}}
    try:
        with (
            httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client,
            client.stream("GET", uri, headers=headers) as response,
        ):
            if response.status_code == HTTPStatus.NOT_MODIFIED:
                return None
            _check_status(uri, response)
            _check_room(folder, int(response.headers.get("content-length", "0")))
            return _save(response, folder)
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.TooManyRedirects):
        raise
    except httpx.TransportError as error:
        message = f"The server of master {shown(uri)} does not answer properly ({type(error).__name__})."
        raise Unavailable(message) from None


def _check_status(uri: str, response: httpx.Response) -> None:
    status = response.status_code
    answer = f"The master {shown(uri)} answered {status} {response.reason_phrase}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_TIMEOUT,
    }:
        raise Unavailable(f"{answer}: its server is in trouble, try again later.")
    if status != HTTPStatus.OK:
        raise SourceRejected(f"{answer}: {_HINTS.get(HTTPStatus(status), 'a whole file (200) was expected')}.")


def _save(response: httpx.Response, folder: Path) -> Fetched:
    sha256 = hashlib.sha256()
    size = 0

    def write(path: Path) -> None:
        nonlocal size
        with path.open("wb") as target:
            for block in response.iter_bytes():
                sha256.update(block)
                size += target.write(block)

    path = _filled(folder, write)
    validator = (response.headers.get("etag", ""), response.headers.get("last-modified", ""))
    return Fetched(path, sha256.hexdigest(), size, validator if any(validator) else ())


def fetch_object(
    uri: str, folder: Path, open_bucket: Callable[[str], ObjectStore] | None, known: tuple[str, ...]
) -> Fetched | None:
    """Download s3://bucket/key into ``folder``; None when ``known`` is still its ETag. Raises SourceRejected."""
    bucket, key = bucket_and_key(uri)
    if not bucket or not key:
        raise SourceRejected(f"The master {uri} is not complete: s3://bucket/key was expected.")
    if open_bucket is None:
        raise SourceRejected(f"The master {uri} needs an object store: set TELECINE_S3_ENDPOINT and its credentials.")
    try:
        store = open_bucket(bucket)
        stored = store.head(key)
        if stored is None:
            raise SourceRejected(f"The master {uri} does not exist: check the bucket and the key.")
        if known == (stored.etag,):
            return None
        _check_room(folder, stored.size_bytes)
        path = _filled(folder, lambda part: store.get_file(key, part))
    except NotFound:
        raise SourceRejected(f"The master {uri} does not exist: check the bucket and the key.") from None
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return Fetched(path, sha256, path.stat().st_size, (stored.etag,))


def _filled(folder: Path, fill: Callable[[Path], object]) -> Path:
    """A new private file in ``folder`` filled by ``fill``; removed again when that fails."""
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as created:
        part = Path(created.name)
    try:
        fill(part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _check_room(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if size_bytes > free:
        message = (
            f"The master needs {size_bytes / 1e9:.1f} GB in {folder} and {free / 1e9:.1f} GB are free: make room there."
        )
        raise MissingRequirement(message)
