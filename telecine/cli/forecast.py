"""``forecast`` and ``what-if``: when titles will be ready, and what a change of order would do."""

from datetime import datetime
from typing import Annotated

import typer

from telecine.cli.control import NoLaunch, order_change
from telecine.cli.output import Json, print_json, say, table
from telecine.cli.titles import LaunchAt, Title
from telecine.errors import NotFound
from telecine.forecast import TitleForecast, WhatIf
from telecine.settings import load_settings
from telecine.title import Priority

__all__ = ["forecast", "shown_seconds", "what_if"]

_COLUMNS = ("Title", "Class", "Launch", "p50", "p90", "Slack", "Late", "Jobs left", "From")


def forecast(
    title: Annotated[str | None, typer.Argument(help="Only this title.")] = None, *, as_json: Json = False
) -> None:
    """When titles will be ready: done by p50 in half, by p90 in nine of ten simulated futures; late where p90 is."""
    from pipeline.forecasting import forecast as forecasts_of  # noqa: PLC0415 - keeps the other commands quick
    from pipeline.installation import open_installation  # noqa: PLC0415

    found = forecasts_of(open_installation(load_settings()))
    if title is not None:
        found = found.model_copy(update={"titles": tuple(one for one in found.titles if one.title_id == title)})
        if not found.titles:
            raise NotFound(f"Title '{title}' is not under way, so there is nothing to forecast.")
    if as_json:
        print_json(found)
        return
    slots = ", ".join(f"{count} {queue}" for queue, count in found.slots.items())
    table(f"Forecasts of {_clock(found.made_at)} (slots: {slots})", _COLUMNS, [_row(one) for one in found.titles])


def what_if(
    title: Title,
    priority: Annotated[Priority | None, typer.Option(help="The class it would have.")] = None,
    launch_at: LaunchAt = None,
    *,
    hold: Annotated[bool | None, typer.Option("--hold/--resume", help="Whether it would be held.")] = None,
    no_launch: NoLaunch = False,
    as_json: Json = False,
) -> None:
    """Which titles would be ready earlier or later if this one's place in the order changed. Changes nothing."""
    from pipeline.forecasting import what_if as simulated  # noqa: PLC0415 - keeps the other commands quick
    from pipeline.installation import open_installation  # noqa: PLC0415

    change = order_change(priority, launch_at, no_launch=no_launch, held=hold)
    if not change.model_fields_set:
        raise typer.BadParameter("Say what would change: --priority, --launch-at, --no-launch, --hold or --resume.")
    found = simulated(open_installation(load_settings()), title, change)
    if as_json:
        print_json(found)
        return
    columns = ("Title", "Class", "p90 now", "p90 then", "Moves by", "")
    table(f"If {title} were changed so", columns, _moves(found), right=("Moves by",))
    say(f"{found.unmoved} other titles under way would not move.")


def shown_seconds(seconds: float | None) -> str | None:
    """A span for a person: ``1 h 05 min``, ``4 min 10 s``, ``12 s``; negative ones with their sign."""
    if seconds is None:
        return None
    sign, whole = "-" if round(seconds) < 0 else "", abs(round(seconds))
    hours, minutes, left = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{sign}{hours} h {minutes:02d} min"
    return f"{sign}{minutes} min {left:02d} s" if minutes else f"{sign}{left} s"


def _row(one: TitleForecast) -> tuple[object, ...]:
    finish = ("held", "held") if one.held else (_clock(one.p50), _clock(one.p90))
    times = (*finish, shown_seconds(one.slack_s), shown_seconds(one.late_s))
    return (one.title_id, one.priority, _clock(one.launch_at), *times, one.jobs_left, one.basis)


def _moves(found: WhatIf) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for one in found.moved:
        told = "becomes late" if one.becomes_late else "becomes on time" if one.becomes_on_time else None
        times = (_clock(one.before.p90), "held" if one.after.held else _clock(one.after.p90))
        rows.append((one.title_id, one.after.priority, *times, shown_seconds(one.by_s), told))
    return rows


def _clock(at: datetime | None) -> str | None:
    return at.isoformat(sep=" ", timespec="seconds") if at else None
