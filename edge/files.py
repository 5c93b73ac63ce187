"""The files an edge holds: verified before they are visible, each with its ETag beside it."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from telecine.document import Sha256
from telecine.errors import Unavailable
from telecine.storage.keys import checked_key, sha256_of_file
from telecine.storage.port import ObjectStore

__all__ = ["EdgeFiles"]


class EdgeFiles:
    """``root/www`` as viewers see it; ``root/incoming`` holds what is not verified yet.

    A file is fetched to ``incoming``, hashed, flushed to disk and renamed into place, its ETag sidecar first: a reader
    sees all of it or none, also after a crash.
    """

    def __init__(self, root: Path) -> None:
        self._www = root / "www"
        self._incoming = root / "incoming"
        for folder in (self._www, self._incoming):
            folder.mkdir(parents=True, exist_ok=True)
        for left in self._incoming.iterdir():
            left.unlink()

    def path(self, key: str) -> Path:
        """Where a key's file is, there or not. Raises TelecineError on a key that climbs."""
        return self._www / checked_key(key)

    def holds(self, key: str, sha256: Sha256) -> bool:
        """Whether the file on disk is exactly these bytes; reads it all."""
        path = self.path(key)
        return path.is_file() and sha256_of_file(path) == sha256

    def fetch(self, key: str, store: ObjectStore, sha256: Sha256 | None) -> int:
        """Bring one object from the origin; bytes fetched. Raises NotFound, or Unavailable when it came damaged."""
        part = self._incoming / f"{uuid.uuid4().hex}.part"
        try:
            store.get_file(key, part)
            found = sha256_of_file(part)
            if sha256 is not None and found != sha256:
                message = f"{key} came with sha256 {found} from the origin, its inventory says {sha256}."
                raise Unavailable(message)
            size = part.stat().st_size
            self._place(key, part, found)
        finally:
            part.unlink(missing_ok=True)
        return size

    def drop(self, key: str) -> None:
        """Forget a file; absent is fine."""
        self.path(key).unlink(missing_ok=True)

    def pointers(self) -> Iterator[str]:
        """Keys of all pointers held."""
        for path in (self._www / "t").glob("*/current.json"):
            yield path.relative_to(self._www).as_posix()

    def _place(self, key: str, part: Path, digest: Sha256) -> None:
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        etag = part.with_suffix(".etag")
        etag.write_text(f'"{digest}"')
        etag.replace(target.with_name(target.name + ".etag"))
        part.replace(target)
