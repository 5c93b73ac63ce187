"""Runs this stage's commands: a bare tool name becomes the tool of this environment."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from telecine.process import Command, Completed, run
from telecine.tools import tool_path

__all__ = ["run_tool", "version_line"]


def run_tool(command: Command, *, cwd: Path | None = None, on_line: Callable[[str], None] | None = None) -> Completed:
    """Run a command whose first word is a tool's name. Raises as telecine.process.run."""
    located = replace(command, argv=(tool_path(command.argv[0]), *command.argv[1:]))
    return run(located, cwd=cwd, on_line=on_line)


@lru_cache
def version_line(tool: str) -> str:
    """First line of what ``tool -version`` says."""
    return run_tool(Command((tool, "-version"), timeout_s=30)).stdout.decode().partition("\n")[0].strip()
