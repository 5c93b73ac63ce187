"""The ``telecine`` command."""

from telecine.cli.app import main

__all__ = ["main"]
