"""Masters by their bytes: fixed once at registration, found again by every worker that needs them."""

import fcntl
import hashlib
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from encoders.fetch import Fetched, fetch_object, fetch_url
from encoders.imf_source import find_imp, imp_path, register_imp
from encoders.naming import shown
from telecine.document import Document, Sha256, digest_of
from telecine.errors import SourceRejected
from telecine.media import Master
from telecine.storage.port import ObjectStore

__all__ = ["OpenBucket", "master_path", "register_master"]

OpenBucket = Callable[[str], ObjectStore]
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_READ_BITS = 0o444


class _Remembered(Document):
    """The hash of bytes seen before, valid as long as their fingerprint is the same."""

    fingerprint: tuple[str, ...]
    sha256: Sha256
    size_bytes: int


def register_master(uri: str, work_dir: Path, open_bucket: OpenBucket | None = None) -> Master:
    """Fix a master by size and SHA-256; ``uri`` is a path, file://, s3://bucket/key or http(s)://.

    Remote masters are downloaded to ``work_dir/masters``. Idempotent: an unchanged file is not hashed again. Raises
    SourceRejected with one sentence when there are no bytes to read, Unavailable when a server does not answer. An
    Interoperable Master Package (its folder, ASSETMAP.xml or a CPL; on this machine or on S3) is one master.
    """
    package = find_imp(uri, work_dir, open_bucket)
    if package is not None:
        return register_imp(package, work_dir)
    if _scheme(uri) in {"", "file"}:
        path = _local_path(uri)
        sha256 = _hash_of_file(path, work_dir)
        return Master(uri=path.as_uri(), size_bytes=path.stat().st_size, sha256=sha256)
    known = _recall(work_dir, uri)
    if known and not _cached(uri, known.sha256, work_dir).is_file():
        known = None
    fetched = _fetch(uri, work_dir, open_bucket, known.fingerprint if known else ())
    if fetched is None and known is not None:
        return Master(uri=uri, size_bytes=known.size_bytes, sha256=known.sha256)
    if fetched is None:
        raise SourceRejected(f"The master {shown(uri)} answered 'not modified' though nothing was known of it.")
    return _keep(uri, fetched, work_dir)


def master_path(master: Master, work_dir: Path, open_bucket: OpenBucket | None = None) -> Path:
    """Local path of a registered master's bytes; remote ones are fetched (once per machine) when not cached.

    Safe when several processes call at once. Raises SourceRejected when the bytes are no longer the registered ones.
    Of an Interoperable Master Package it is the composition conformed to one file.
    """
    package = find_imp(master.uri, work_dir, open_bucket)
    if package is not None:
        return imp_path(master, package, work_dir)
    if _scheme(master.uri) == "file":
        return _unchanged_file(master, work_dir)
    path = _cached(master.uri, master.sha256, work_dir)
    with _one_at_a_time(path):
        if path.is_file() and path.stat().st_size == master.size_bytes:
            return path
        fetched = _fetch(master.uri, work_dir, open_bucket, ())
        if fetched is None or fetched.sha256 != master.sha256:
            if fetched is not None:
                fetched.path.unlink()
            raise _changed(shown(master.uri))
        _keep(master.uri, fetched, work_dir)
    return path


def _unchanged_file(master: Master, work_dir: Path) -> Path:
    path = _local_path(master.uri)
    status = path.stat()
    known = _recall(work_dir, str(path))
    rehashed = known is not None and known.fingerprint == _fingerprint(status) and known.sha256 != master.sha256
    if status.st_size != master.size_bytes or rehashed:
        raise _changed(str(path))
    return path


def _changed(name: str) -> SourceRejected:
    return SourceRejected(f"The master {name} changed since it was registered: submit it again.")


def _scheme(uri: str) -> str:
    match = _SCHEME.match(uri)
    return match.group()[:-1].lower() if match else ""


def _local_path(uri: str) -> Path:
    """The readable, non-empty regular file a URI names. Raises SourceRejected."""
    path = Path(unquote(urlsplit(uri).path) if _scheme(uri) == "file" else uri).expanduser().absolute()
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        message = f"The master {path} does not exist: check the path, and that this machine sees that folder."
        raise SourceRejected(message) from None
    except PermissionError:
        raise _unreadable(path) from None
    except (OSError, ValueError) as error:
        raise SourceRejected(f"The master {path} cannot be opened: {error}.") from None
    if stat.S_ISDIR(status.st_mode):
        raise SourceRejected(f"The master {path} is a folder: give the path of one media file.")
    if not stat.S_ISREG(status.st_mode):
        raise SourceRejected(f"The master {path} is not a regular file: give the path of one media file.")
    # root passes os.access for any file, but a file that nobody may read was closed on purpose
    if not status.st_mode & _READ_BITS or not os.access(path, os.R_OK):
        raise _unreadable(path)
    if status.st_size == 0:
        raise SourceRejected(f"The master {path} is empty (0 bytes): export or upload it again.")
    return path


def _unreadable(path: Path) -> SourceRejected:
    return SourceRejected(f"The master {path} may not be read (no read permission): allow it, as with chmod a+r.")


def _hash_of_file(path: Path, work_dir: Path) -> Sha256:
    before = _fingerprint(path.stat())
    known = _recall(work_dir, str(path))
    if known is not None and known.fingerprint == before:
        return known.sha256
    with path.open("rb") as source:
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    if _fingerprint(path.stat()) != before:
        message = f"The master {path} changed while it was read: submit it when its upload or export has finished."
        raise SourceRejected(message)
    _remember(work_dir, str(path), _Remembered(fingerprint=before, sha256=sha256, size_bytes=int(before[0])))
    return sha256


def _fingerprint(status: os.stat_result) -> tuple[str, ...]:
    return (str(status.st_size), str(status.st_mtime_ns), str(status.st_ino), str(status.st_dev))


def _fetch(uri: str, work_dir: Path, open_bucket: OpenBucket | None, known: tuple[str, ...]) -> Fetched | None:
    """Bytes of a remote master in a private ``.part`` file; None when they still match the ``known`` validator."""
    folder = work_dir / "masters"
    folder.mkdir(parents=True, exist_ok=True)
    match _scheme(uri):
        case "http" | "https":
            return fetch_url(uri, folder, known)
        case "s3":
            return fetch_object(uri, folder, open_bucket, known)
        case scheme:
            message = (
                f"The master {shown(uri)} has the unsupported scheme '{scheme}': give a path, file, s3 or http(s)."
            )
            raise SourceRejected(message)


def _keep(uri: str, fetched: Fetched, work_dir: Path) -> Master:
    if fetched.size_bytes == 0:
        fetched.path.unlink()
        raise SourceRejected(f"The master {shown(uri)} is empty (0 bytes): export or upload it again.")
    fetched.path.replace(_cached(uri, fetched.sha256, work_dir))
    if fetched.validator:
        seen = _Remembered(fingerprint=fetched.validator, sha256=fetched.sha256, size_bytes=fetched.size_bytes)
        _remember(work_dir, uri, seen)
    return Master(uri=uri, size_bytes=fetched.size_bytes, sha256=fetched.sha256)


def _cached(uri: str, sha256: Sha256, work_dir: Path) -> Path:
    suffix = PurePosixPath(urlsplit(uri).path).suffix
    known_form = re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix)
    return work_dir / "masters" / f"{sha256}{suffix if known_form else ''}"


def _memory(work_dir: Path, identity: str) -> Path:
    return work_dir / "masters" / "hashes" / f"{digest_of(identity)}.json"


def _recall(work_dir: Path, identity: str) -> _Remembered | None:
    try:
        return _Remembered.model_validate_json(_memory(work_dir, identity).read_bytes())
    except (OSError, ValueError):
        return None  # absent, or written by another version: hash again


def _remember(work_dir: Path, identity: str, seen: _Remembered) -> None:
    path = _memory(work_dir, identity)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    part.write_text(seen.model_dump_json())
    part.replace(path)


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Hold the lock of one cached master; the kernel lets go of it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
