"""``prioritise``, ``hold``, ``resume``: the order of titles that wait or run."""

from datetime import datetime
from typing import Annotated

import typer

from telecine.changes import OrderChange
from telecine.cli.output import Json, print_json, say
from telecine.cli.titles import LaunchAt, Title, this_user
from telecine.errors import TelecineError
from telecine.registry.records import TitleRecord
from telecine.settings import load_settings
from telecine.title import Priority

__all__ = ["NoLaunch", "Why", "hold", "order_change", "prioritise", "resume"]

Why = Annotated[str, typer.Option("--why", help="The reason, for the audit.")]
Class = Annotated[Priority | None, typer.Option("--priority", help="The new class.")]
NoLaunch = Annotated[bool, typer.Option("--no-launch", help="No launch time any more: live when ready.")]


def order_change(
    priority: Priority | None, launch_at: datetime | None, *, no_launch: bool, held: bool | None = None
) -> OrderChange:
    """What the options ask for; nothing given is nothing set. Raises TelecineError where they contradict."""
    if launch_at is not None and no_launch:
        raise TelecineError("Give either --launch-at or --no-launch.")
    given: dict[str, object] = {} if priority is None else {"priority": priority}
    if launch_at is not None or no_launch:
        given["launch_at"] = launch_at
    if held is not None:
        given["held"] = held
    return OrderChange.model_validate(given)


def prioritise(
    title: Title,
    priority: Class = None,
    launch_at: LaunchAt = None,
    *,
    no_launch: NoLaunch = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Change the class or the launch time of a title that waits or runs; it counts from the next chunk on."""
    _change(title, order_change(priority, launch_at, no_launch=no_launch), why, as_json=as_json)


def hold(title: Title, *, why: Why = "", as_json: Json = False) -> None:
    """Start nothing more of a title; what is encoded now ends, and counts."""
    _change(title, OrderChange(held=True), why, as_json=as_json)


def resume(title: Title, *, why: Why = "", as_json: Json = False) -> None:
    """Go on with a title that is held."""
    _change(title, OrderChange(held=False), why, as_json=as_json)


def _change(title: str, change: OrderChange, why: str, *, as_json: bool) -> None:
    from pipeline.control import change_order  # noqa: PLC0415 - keeps the other commands quick
    from pipeline.installation import open_installation  # noqa: PLC0415

    record = change_order(open_installation(load_settings()), title, change, who=this_user(), why=why)
    if as_json:
        print_json(record)
    else:
        say(f"[bold]{title}[/]: {_sentence(record)}")


def _sentence(record: TitleRecord) -> str:
    launch = f"launches {record.launch_at.isoformat()}" if record.launch_at else "launches when ready"
    return f"{record.priority}, {launch}{', held' if record.held else ''}; it is at {record.stage}."
