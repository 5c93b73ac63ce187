"""An object store in a folder: objects under ``objects/``, what is known of them under ``meta/``."""

import contextlib
import fcntl
import hashlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from telecine.document import Sha256
from telecine.durable import survive_power_cut
from telecine.errors import NotFound, PreconditionFailed, Unavailable
from telecine.storage.keys import checked_key, sha256_of_file
from telecine.storage.port import StoredObject

__all__ = ["LocalStore"]


class LocalStore:
    """Writes go to ``incoming/`` first and are renamed into place, so a reader never sees half an object.

    The folder is made at the first write. Writes take a lock to put an object in place, so conditions hold between
    processes too. What is known of an object is only remembered: where it is missing, after a crash or in a folder
    restored by hand, the object is hashed again. As in any file system, no key may be a folder of another.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put_file(self, key: str, path: Path, *, content_type: str, sha256: Sha256 | None = None) -> StoredObject:
        checked_key(key)
        with self._incoming() as part:
            shutil.copyfile(path, part)
            digest = sha256_of_file(part)
            if sha256 is not None and digest != sha256:
                message = f"{path} changed while it was stored as {key}."
                raise PreconditionFailed(message)
            survive_power_cut(part)
            with self._locked():
                return self._place(key, part, digest, content_type)

    def put_bytes(
        self,
        key: str,
        content: bytes,
        *,
        content_type: str,
        if_none_match: bool = False,
        if_match: str | None = None,
    ) -> StoredObject:
        checked_key(key)
        with self._incoming() as part:
            part.write_bytes(content)
            survive_power_cut(part)
            with self._locked():
                present = self._find(key)
                if if_none_match and present is not None:
                    message = f"{key} exists already."
                    raise PreconditionFailed(message)
                if if_match is not None and (present is None or present.etag != if_match):
                    message = f"{key} is not the version that was read."
                    raise PreconditionFailed(message)
                return self._place(key, part, hashlib.sha256(content).hexdigest(), content_type)

    def get_file(self, key: str, path: Path) -> StoredObject:
        part = path.with_name(path.name + ".part")
        try:
            with self._opened(key) as (source, stored), part.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            if (part.stat().st_size, sha256_of_file(part)) != (stored.size_bytes, stored.sha256):
                message = f"{self._object(key)} is damaged: its bytes are not those that were written."
                raise Unavailable(message)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return stored

    def get_bytes(self, key: str) -> tuple[bytes, StoredObject]:
        with self._opened(key) as (source, stored):
            content = source.read()
        if hashlib.sha256(content).hexdigest() != stored.sha256:
            message = f"{self._object(key)} is damaged: its bytes are not those that were written."
            raise Unavailable(message)
        return content, stored

    def head(self, key: str) -> StoredObject | None:
        if not self._object(key).is_file():  # before the lock, which would make the folder
            return None
        with self._locked(shared=True):
            return self._find(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        base = self._root / "objects"
        folder = prefix.rpartition("/")[0]
        start = base / checked_key(folder) if folder else base
        files = (path for path in start.rglob("*") if path.is_file()) if start.is_dir() else ()
        keys = sorted(path.relative_to(base).as_posix() for path in files)
        for key in keys:
            found = self.head(key) if key.startswith(prefix) else None
            if found is not None:
                yield found.model_copy(update={"sha256": None})

    def delete(self, key: str) -> None:
        with self._locked():
            self._object(key).unlink(missing_ok=True)
            self._meta(key).unlink(missing_ok=True)

    def _place(self, key: str, part: Path, digest: Sha256, content_type: str) -> StoredObject:
        """Under the lock. The old description goes first: a crash in between leaves none rather than a wrong one."""
        target, meta = self._object(key), self._meta(key)
        for folder in (target.parent, meta.parent):
            folder.mkdir(parents=True, exist_ok=True)
        meta.unlink(missing_ok=True)
        size = part.stat().st_size
        part.replace(target)
        survive_power_cut(target.parent)
        description = part.with_suffix(".meta")
        description.write_text(f"{digest}\n{content_type}\n")
        description.replace(meta)
        return StoredObject(key=key, size_bytes=size, etag=f'"{digest}"', sha256=digest)

    def _find(self, key: str) -> StoredObject | None:
        target = self._object(key)
        if not target.is_file():
            return None
        try:
            digest = self._meta(key).read_text().split("\n", 1)[0]
        except FileNotFoundError:
            digest = sha256_of_file(target)
        return StoredObject(key=key, size_bytes=target.stat().st_size, etag=f'"{digest}"', sha256=digest)

    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[tuple[BinaryIO, StoredObject]]:
        """One version of an object, open; it stays readable while another replaces it."""
        if self.head(key) is None:
            message = f"There is no object {key}."
            raise NotFound(message)
        with contextlib.ExitStack() as stack:
            with self._locked(shared=True):
                stored = self._find(key)
                if stored is None:
                    message = f"There is no object {key}."
                    raise NotFound(message)
                source = stack.enter_context(self._object(key).open("rb"))
            yield source, stored

    def _object(self, key: str) -> Path:
        return self._root / "objects" / checked_key(key)

    def _meta(self, key: str) -> Path:
        return self._root / "meta" / f"{checked_key(key)}.meta"

    @contextlib.contextmanager
    def _incoming(self) -> Iterator[Path]:
        folder = self._root / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{uuid.uuid4().hex}.part"
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, *, shared: bool = False) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield
