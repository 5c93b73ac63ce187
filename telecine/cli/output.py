"""How commands speak: tables for people on stdout, JSON on request, everything else on stderr."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

__all__ = ["Json", "console", "fail", "print_json", "say", "table", "wants_json"]

_WIDE = 150
"""Columns where nobody's terminal says otherwise: a table in a log must not be folded."""


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else _WIDE)


console = _console(stderr=True)
"""For progress and messages."""

_stdout = _console(stderr=False)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def wants_json(argv: Sequence[str]) -> bool:
    return "--json" in argv


def print_json(value: BaseModel | Sequence[BaseModel] | dict[str, object]) -> None:
    """One JSON document on stdout."""
    if isinstance(value, BaseModel):
        plain: object = value.model_dump(mode="json")
    elif isinstance(value, dict):
        plain = value
    else:
        plain = [item.model_dump(mode="json") for item in value]
    sys.stdout.write(json.dumps(plain, indent=2) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()) -> None:
    """A table on stdout; columns named in ``right`` hold numbers."""
    drawn = Table(title=title, title_justify="left", title_style="bold", header_style="bold cyan")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*("-" if cell is None else str(cell) for cell in row))
    _stdout.print(drawn)


def say(text: str) -> None:
    """A line on stdout, part of the result."""
    _stdout.print(text, soft_wrap=True)


def fail(sentence: str, *, kind: str, as_json: bool) -> NoReturn:
    """End with status 1 and one clear message."""
    if as_json:
        print_json({"error": kind, "message": sentence})
    console.print(f"[bold red]telecine:[/] {_escaped(sentence)}", soft_wrap=True)
    sys.exit(1)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
