"""``telecine audit``: what was written down and is never changed."""

from typing import Annotated

import typer

from telecine.cli.output import Json, print_json, table
from telecine.settings import load_settings

__all__ = ["audit"]

audit = typer.Typer(help="What was written down and is never changed.", no_args_is_help=True)


@audit.callback()
def _group() -> None:
    """Keep ``licences`` a command of its own while it is the only one."""


@audit.command()
def licences(
    title: Annotated[str | None, typer.Option(help="Only of this title.")] = None,
    user: Annotated[str | None, typer.Option(help="Only of this viewer.")] = None,
    *,
    refused: Annotated[bool, typer.Option("--refused", help="Only refusals.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """Show who got or was refused licences: when, for what, and why. It holds no key."""
    from telecine.registry.audit import RegistryAudit  # noqa: PLC0415 - a database's library keeps the others waiting
    from telecine.registry.repository import Registry  # noqa: PLC0415

    registry = Registry(load_settings().registry_url)
    registry.migrate()
    outcome = "refused" if refused else None
    found = RegistryAudit(registry).records(title=title, user=user, outcome=outcome, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one.at.isoformat(timespec="seconds"),
            one.user,
            one.device,
            one.title,
            one.version,
            one.system,
            one.reason,
            ", ".join(one.labels) or None,
        )
        for one in found
    ]
    table("Licences", ["At", "Viewer", "Device", "Title", "Version", "System", "Answer", "Labels"], rows)
