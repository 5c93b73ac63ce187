"""``versions``, ``rollback``, ``retire``: what of a title is kept, and which of it viewers get."""

from typing import Annotated

import typer

from telecine.cli.control import Why
from telecine.cli.output import Json, print_json, say, table
from telecine.cli.titles import Title, this_user
from telecine.settings import load_settings
from telecine.versions import VersionRecord

__all__ = ["retire", "rollback", "versions"]


def versions(title: Title, *, as_json: Json = False) -> None:
    """Versions of a title, the newest first: which is live, which can be rolled back to, which are retired."""
    from pipeline import versions as kept  # noqa: PLC0415 - keeps the other commands quick
    from pipeline.installation import open_installation  # noqa: PLC0415

    found = kept.versions(open_installation(load_settings()), title)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            record.version,
            _state(record),
            f"{record.made_at:%Y-%m-%d %H:%M:%S}",
            f"{record.live_at:%Y-%m-%d %H:%M:%S}" if record.live_at else None,
            record.profile,
            f"{record.publication.size_bytes / 1e6:,.1f}",
            ", ".join(record.rungs) or None,
        )
        for record in found
    ]
    columns = ["Version", "State", "Made (UTC)", "Last live (UTC)", "Profile", "MB", "Renditions"]
    table(f"Versions of {title}", columns, rows, right=["MB"])


def rollback(
    title: Title,
    version: Annotated[str | None, typer.Argument(help="A kept version; left out: the one live before.")] = None,
    why: Why = "",
    *,
    fill: Annotated[bool, typer.Option("--fill", help="Fill edges that lost the version first.")] = False,
    as_json: Json = False,
) -> None:
    """Make a kept version live again, at once. Nothing is encoded or copied; sessions under way are left alone."""
    from pipeline import versions as kept  # noqa: PLC0415 - keeps the other commands quick
    from pipeline.installation import open_installation  # noqa: PLC0415

    place = open_installation(load_settings())
    if fill and version is not None:
        kept.refill(place, title, version)
    pointer = kept.roll_back(place, title, version, who=this_user(), why=why)
    if as_json:
        print_json(pointer)
    else:
        say(f"[bold]{title}[/] is live as version {pointer.version} (flip {pointer.seq}).")


def retire(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is due, and how large it is.")] = False,
    as_json: Json = False,
) -> None:
    """Remove versions beyond TELECINE_KEEP_VERSIONS and TELECINE_KEEP_DAYS from edges and origin; none that plays.

    Then clear the work bucket of finished titles (TELECINE_KEEP_WORK_DAYS) and of their uploaded masters
    (TELECINE_KEEP_MASTER_DAYS).
    """
    from pipeline.clearing import clear_old  # noqa: PLC0415 - keeps the other commands quick
    from pipeline.installation import open_installation  # noqa: PLC0415
    from pipeline.retiring import retire_old  # noqa: PLC0415

    place = open_installation(load_settings())
    found = (*retire_old(place, dry_run=dry_run), *clear_old(place, dry_run=dry_run))
    if as_json:
        print_json(found)
        return
    rows = [
        (one.title_id, one.version or one.what, one.outcome, f"{one.size_bytes / 1e6:,.1f}", one.why or None)
        for one in found
    ]
    table("What is due", ["Title", "Version or work", "Outcome", "MB", "Why"], rows, right=["MB"])


def _state(record: VersionRecord) -> str:
    state = "live" if record.live else "kept" if record.retired_at is None else "retired"
    return f"{state}, minimum ladder" if record.partial else state
