"""``telecine drops``: masters found in the watched folder or prefix."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from telecine.cli.output import Json, print_json, say, table
from telecine.settings import load_settings

__all__ = ["app"]

app = typer.Typer(help="Masters found in the watched folder or prefix.", no_args_is_help=True)


@app.command()
def scan(*, as_json: Json = False) -> None:
    """Look once at the watched places, as Airflow does every minute. A file is taken when seen unchanged twice."""
    from board.uploads.service import forget_stale_uploads  # noqa: PLC0415 - keeps the other commands quick
    from pipeline.installation import open_installation  # noqa: PLC0415
    from pipeline.watching import scan_drops  # noqa: PLC0415

    place = open_installation(load_settings())
    forget_stale_uploads(place, datetime.now(UTC))
    found = scan_drops(place)
    if as_json:
        print_json(found)
        return
    if not found.places:
        say("Nothing is watched: set TELECINE_WATCH_DIR or TELECINE_WATCH_PREFIX.")
        return
    rows = [(one.uri, one.outcome, one.title_id, one.problem) for one in found.results]
    table(f"Drops in {', '.join(found.places)}", ["Master", "Outcome", "Title", "Problem"], rows)


@app.command("list")
def list_drops(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """What became of every file that was found."""
    from telecine.registry.drops import Drops  # noqa: PLC0415 - a database's library keeps the others waiting
    from telecine.registry.repository import Registry  # noqa: PLC0415

    found = Drops(Registry(load_settings().registry_url)).listed(limit)
    if as_json:
        print_json(found)
        return
    rows = [(one.seen_at.isoformat(timespec="seconds"), one.uri, one.title_id, one.problem) for one in found]
    table("Drops", ["Seen", "Master", "Title", "Problem"], rows)
