"""What must still be there after a power cut."""

import os
from pathlib import Path

__all__ = ["survive_power_cut"]


def survive_power_cut(path: Path) -> None:
    """Have the content of a file, or the names in a folder, on the disk before this returns (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
