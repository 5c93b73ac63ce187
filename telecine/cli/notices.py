"""``telecine notices``: what the world was told, and what waits to be told."""

from typing import Annotated

import typer

from telecine.cli.output import Json, print_json, table
from telecine.settings import load_settings

__all__ = ["list_notices"]


def list_notices(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """Show the events that the webhook and notifiers were told, wait to be told, or were given up for."""
    from telecine.registry.notices import Outbox  # noqa: PLC0415 - a database's library keeps the others waiting
    from telecine.registry.repository import Registry  # noqa: PLC0415

    registry = Registry(load_settings().registry_url)
    registry.migrate()
    found = Outbox(registry).notices(limit)
    if as_json:
        print_json({"notices": [{**one.model_dump(mode="json"), "state": one.state} for one in found]})
        return
    rows = [
        (
            one.at.isoformat(timespec="seconds"),
            one.event,
            one.title_id,
            one.receiver,
            one.state,
            one.attempts,
            one.problem,
        )
        for one in found
    ]
    table("Notices", ["At", "Event", "Title", "To", "State", "Attempts", "Problem"], rows, right=["Attempts"])
