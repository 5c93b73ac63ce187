"""Runs this stage's commands: a bare tool name becomes the tool of this environment, and no key gets into an error."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from telecine.errors import ToolFailed
from telecine.process import Command, Completed, run
from telecine.protection import ContentKey
from telecine.tools import tool_path

__all__ = ["packager_version", "private_folder", "run_tool"]


def run_tool(command: Command, *, cwd: Path | None = None, keys: Iterable[ContentKey] = ()) -> Completed:
    """Run a command whose first word is a tool's name. Raises as telecine.process.run.

    ``keys`` are what its memory files hold: a tool that quotes its input in a complaint does not spill them.
    """
    located = replace(command, argv=(tool_path(command.argv[0]), *command.argv[1:]))
    try:
        return run(located, cwd=cwd)
    except ToolFailed as failure:
        told = failure.stderr_tail
        for key in keys:
            told = _without(told, key.key.get_secret_value().hex())
        raise ToolFailed(failure.argv, failure.status, told) from None


@lru_cache
def packager_version() -> str:
    """What the packager calls itself; part of every package's version."""
    return run_tool(Command(("packager", "--version"), timeout_s=30)).stdout.decode().strip()


@contextmanager
def private_folder(work_dir: Path, prefix: str) -> Iterator[Path]:
    """A folder of this call alone under ``work_dir``, removed whatever happens."""
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=work_dir) as folder:
        yield Path(folder)


def _without(text: str, secret: str) -> str:
    return text.replace(secret, "(key)").replace(secret.upper(), "(key)")
