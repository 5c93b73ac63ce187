"""Private folders for work in progress, which no crash leaves behind for long."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["private_folder"]

_PREFIX = "encode-"
_GRACE_S = 60
"""A folder this young may belong to a process that has not locked it yet."""


@contextmanager
def private_folder(work_dir: Path) -> Iterator[Path]:
    """A folder of this call alone under ``work_dir``, removed whatever happens.

    A process killed outright cannot remove its own: the next call on this machine does. The kernel drops the lock
    of a dead owner, so a folder that can be locked has none.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    for left in work_dir.glob(f"{_PREFIX}*"):
        _remove_if_abandoned(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=work_dir) as folder, _locked(Path(folder)):
        yield Path(folder)


def _remove_if_abandoned(folder: Path) -> None:
    with contextlib.suppress(OSError):  # gone meanwhile, or still locked by its owner
        if time.time() - folder.stat().st_mtime > _GRACE_S:
            with _locked(folder):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
