"""What went wrong on the machine and not in the chunk, said in one sentence that tells what to do."""

import errno
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from encoders.documents import AudioJob, VideoJob
from telecine.errors import DiskFull, EncodeFailed, ToolFailed

__all__ = ["job_name", "said_plainly"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")


def job_name(job: VideoJob | AudioJob) -> str:
    """A job as people call it: its chunk or track, and its rungs."""
    rungs = ", ".join(output.rung.name for output in job.outputs)
    if isinstance(job, VideoJob):
        return f"chunk {job.chunk.index} (frames {job.chunk.start} to {job.chunk.end}; {rungs})"
    return f"sound track {job.track.index} ({rungs})"


@contextmanager
def said_plainly(job: VideoJob | AudioJob, folder: Path) -> Iterator[None]:
    """A full disk becomes DiskFull, which is tried again later; a killed or crashed encoder says which and why."""
    try:
        yield
    except ToolFailed as error:
        if any(words in error.stderr_tail for words in _FULL_WORDS):
            raise _disk_full(job, folder) from error
        if error.status < 0:
            raise _ended_by_signal(job, error) from error
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise _disk_full(job, folder) from error
        raise


def _disk_full(job: VideoJob | AudioJob, folder: Path) -> DiskFull:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    return DiskFull(
        f"The disk of {existing} is full ({free / 1e6:.0f} MB free), so {job_name(job)} could not be encoded: "
        "free some, and it goes on from there."
    )


def _ended_by_signal(job: VideoJob | AudioJob, error: ToolFailed) -> EncodeFailed:
    number = -error.status
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL:
        needs = f" (it may take {job.memory_bytes / 1e9:.1f} GB)" if job.memory_bytes else ""
        said = f"was killed ({name}), likely because memory ran out{needs}"
    else:
        said = f"crashed ({name})"
    return EncodeFailed(f"The encoder of {job_name(job)} {said}.", error.stderr_tail)
