"""The files an edge holds: verified before they are visible, each with its ETag beside it."""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from telecine.document import Sha256
from telecine.durable import survive_power_cut
from telecine.errors import MissingRequirement, Unavailable
from telecine.publication import FillReceipt
from telecine.storage.keys import checked_key, sha256_of_file
from telecine.storage.port import ObjectStore

__all__ = ["EdgeFiles"]


class EdgeFiles:
    """``root/www`` as viewers see it; ``root/incoming`` holds what is not verified yet; ``root/receipts``: the proofs.

    A file is fetched to ``incoming``, hashed, flushed to disk and renamed into place, its ETag sidecar first: a reader
    sees all of it or none, also after a crash. One process at a time owns a root; a second raises MissingRequirement.
    """

    def __init__(self, root: Path) -> None:
        self._www = root / "www"
        self._incoming = root / "incoming"
        self._receipts = root / "receipts"
        for folder in (self._www, self._incoming, self._receipts):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = (root / ".lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            message = f"Another fill agent works in {root}: stop it, or give this one a folder of its own."
            raise MissingRequirement(message) from error
        for left in self._incoming.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def close(self) -> None:
        """Let another process own the root."""
        self._lock.close()

    def path(self, key: str) -> Path:
        """Where a key's file is, there or not. Raises TelecineError on a key that climbs."""
        return self._www / checked_key(key)

    def holds(self, key: str, sha256: Sha256, size_bytes: int) -> bool:
        """Whether the file on disk is exactly these bytes; reads it all."""
        path = self.path(key)
        return path.is_file() and path.stat().st_size == size_bytes and sha256_of_file(path) == sha256

    def fetch(self, key: str, store: ObjectStore, sha256: Sha256 | None) -> int:
        """Bring one object from the origin, replacing what was here; bytes fetched. Nothing is left when it fails.

        ``sha256`` None: the key is mutable. Raises NotFound, or Unavailable when it came damaged.
        """
        part = self._incoming / f"{uuid.uuid4().hex}.part"
        try:
            found = store.get_file(key, part).sha256 or sha256_of_file(part)
            if sha256 is not None and found != sha256:
                message = f"{key} came with sha256 {found} from the origin, its inventory says {sha256}."
                raise Unavailable(message)
            size = part.stat().st_size
            self._place(key, part, None if sha256 is None else found)
        finally:
            part.unlink(missing_ok=True)
        return size

    def drop(self, key: str) -> None:
        """Forget a file; absent is fine."""
        self.path(key).unlink(missing_ok=True)

    def settle(self, keys: list[str]) -> None:
        """Have the names of these files survive a power cut, as their content does already."""
        for folder in sorted({self.path(key).parent for key in keys}):
            survive_power_cut(folder)

    def pointers(self) -> Iterator[str]:
        """Keys of all pointers held."""
        for path in sorted((self._www / "t").glob("*/current.json")):
            yield path.relative_to(self._www).as_posix()

    def free_bytes(self) -> int:
        """What this process may still write."""
        disk = os.statvfs(self._www)
        return disk.f_bavail * disk.f_frsize

    def keep_receipt(self, receipt: FillReceipt) -> None:
        """Remember that a version was complete here at that time."""
        target = self._receipts / receipt.title_id / f"{receipt.version}.json"
        target.parent.mkdir(exist_ok=True)
        part = self._incoming / f"{uuid.uuid4().hex}.part"
        part.write_text(receipt.model_dump_json())
        part.replace(target)

    def receipts(self, title_id: str) -> tuple[FillReceipt, ...]:
        """The last receipt of each version of a title."""
        found = sorted((self._receipts / checked_key(title_id)).glob("*.json"))
        return tuple(FillReceipt.model_validate_json(path.read_bytes()) for path in found)

    def held(self, title_id: str, version: str) -> FillReceipt | None:
        """The receipt of a version whose files are all here still, by their number and sizes; None otherwise.

        Takes milliseconds: nothing is hashed, as a fill does that and files never change under their name.
        """
        try:
            receipt = FillReceipt.model_validate_json(self._receipt(title_id, version).read_bytes())
            sizes = [entry.stat().st_size for entry in _files_below(self._version(title_id, version))]
        except FileNotFoundError:  # never here, or being dropped just now
            return None
        whole = (len(sizes), sum(sizes)) == (receipt.objects, receipt.size_bytes)
        return receipt if whole else None

    def drop_version(self, title_id: str, version: str) -> int:
        """Remove a version, its receipt first; bytes freed. It is out of viewers' sight in one step; absent is fine."""
        self._receipt(title_id, version).unlink(missing_ok=True)
        folder, away = self._version(title_id, version), self._incoming / f"{uuid.uuid4().hex}.dropped"
        try:
            folder.rename(away)
        except FileNotFoundError:
            return 0
        freed = sum(entry.stat().st_size for entry in _files_below(away))
        shutil.rmtree(away)
        return freed

    def _receipt(self, title_id: str, version: str) -> Path:
        return self._receipts / checked_key(f"{title_id}/{version}.json")

    def _version(self, title_id: str, version: str) -> Path:
        return self.path(f"p/{title_id}/{version}")

    def _place(self, key: str, part: Path, digest: Sha256 | None) -> None:
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        survive_power_cut(part)
        if digest is not None:
            # a mutable file has no sidecar: between the two renames a viewer could be given the old bytes under
            # the new ETag, and would be told "not modified" until the next change
            etag = part.with_suffix(".etag")
            etag.write_text(f'"{digest}"')
            etag.replace(target.with_name(target.name + ".etag"))
        part.replace(target)


def _files_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Every object's file, however deep; ETag sidecars are none."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files_below(Path(entry.path))
            elif not entry.name.endswith(".etag"):
                yield entry
