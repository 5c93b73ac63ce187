"""An object store in memory, for tests and pure runs."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from telecine.document import Sha256
from telecine.errors import NotFound, PreconditionFailed
from telecine.storage.keys import checked_key
from telecine.storage.port import StoredObject

__all__ = ["MemoryStore"]


class MemoryStore:
    """Keeps every object as bytes; safe between threads."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, StoredObject]] = {}
        self._lock = Lock()

    def put_file(self, key: str, path: Path, *, content_type: str, sha256: Sha256 | None = None) -> StoredObject:
        content = path.read_bytes()
        if sha256 is not None and sha256 != hashlib.sha256(content).hexdigest():
            message = f"{path} changed while it was stored as {key}."
            raise PreconditionFailed(message)
        return self.put_bytes(key, content, content_type=content_type)

    def put_bytes(
        self,
        key: str,
        content: bytes,
        *,
        content_type: str,  # noqa: ARG002 - part of the port
        if_none_match: bool = False,
        if_match: str | None = None,
    ) -> StoredObject:
        digest = hashlib.sha256(content).hexdigest()
        stored = StoredObject(key=checked_key(key), size_bytes=len(content), etag=f'"{digest}"', sha256=digest)
        with self._lock:
            present = self._objects.get(key)
            if if_none_match and present is not None:
                message = f"{key} exists already."
                raise PreconditionFailed(message)
            if if_match is not None and (present is None or present[1].etag != if_match):
                message = f"{key} is not the version that was read."
                raise PreconditionFailed(message)
            self._objects[key] = (content, stored)
        return stored

    def get_file(self, key: str, path: Path) -> StoredObject:
        content, stored = self.get_bytes(key)
        part = path.with_name(path.name + ".part")
        part.write_bytes(content)
        part.replace(path)
        return stored

    def get_bytes(self, key: str) -> tuple[bytes, StoredObject]:
        with self._lock:
            found = self._objects.get(checked_key(key))
        if found is None:
            message = f"There is no object {key}."
            raise NotFound(message)
        return found

    def head(self, key: str) -> StoredObject | None:
        with self._lock:
            found = self._objects.get(checked_key(key))
        return None if found is None else found[1]

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with self._lock:
            found = sorted(key for key in self._objects if key.startswith(prefix))
            stored = [self._objects[key][1].model_copy(update={"sha256": None}) for key in found]
        yield from stored

    def delete(self, key: str) -> None:
        with self._lock:
            self._objects.pop(checked_key(key), None)
