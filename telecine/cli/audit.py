"""``telecine audit``: what was written down and is never changed."""

from collections.abc import Mapping
from typing import Annotated

import typer

from telecine.cli.output import Json, print_json, table
from telecine.settings import load_settings

__all__ = ["audit"]

audit = typer.Typer(help="What was written down and is never changed.", no_args_is_help=True)


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


@audit.command()
def titles(
    title: Annotated[str | None, typer.Option(help="Only of this title.")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """Show who changed titles: when, from what to what, and why."""
    from telecine.registry.changes import ChangeLog  # noqa: PLC0415 - a database's library keeps the others waiting
    from telecine.registry.repository import Registry  # noqa: PLC0415

    registry = Registry(load_settings().registry_url)
    registry.migrate()
    found = ChangeLog(registry).changes(title, limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one.at.isoformat(timespec="seconds"),
            one.who,
            one.title_id,
            one.action,
            _facts(one.before),
            _facts(one.after),
            one.why,
        )
        for one in found
    ]
    table("Titles", ["At", "Who", "Title", "Did", "From", "To", "Why"], rows)


def _facts(found: Mapping[str, str | None]) -> str | None:
    return ", ".join(f"{name} {value or 'none'}" for name, value in found.items()) or None
