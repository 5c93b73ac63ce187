"""Runs this stage's commands: a bare tool name becomes the tool of this environment."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from telecine.process import Command, Completed, run
from telecine.tools import tool_path

__all__ = ["run_tool", "version_line"]


def run_tool(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
) -> Completed:
    """Run an argument list whose first word is a tool's name. Raises as telecine.process.run."""
    command = Command((tool_path(argv[0]), *argv[1:]), timeout_s=timeout_s)
    return run(command, cwd=cwd, on_line=on_line)


@lru_cache
def version_line(tool: str) -> str:
    """First line of what ``tool -version`` says."""
    return run_tool((tool, "-version"), timeout_s=30).stdout.decode().partition("\n")[0].strip()
