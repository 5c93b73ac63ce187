"""The command tree, and how every command ends: 0 done, 1 a clear sentence, 2 wrong usage."""

import sys

import typer

from telecine.cli import (
    audit,
    control,
    demo,
    drops,
    forecast,
    inspect,
    keys,
    local,
    notices,
    stack,
    titles,
    verify,
    versions,
)
from telecine.cli.output import fail, wants_json
from telecine.errors import TelecineError
from telecine.log import configure_logging
from telecine.settings import load_settings

__all__ = ["main"]

app = typer.Typer(
    name="telecine",
    help="Telecine takes a source master to a live, encrypted, pre-positioned, playable title.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.command()(titles.submit)
app.command("titles")(titles.list_titles)
app.command()(titles.show)
app.command("watch")(titles.watch_title)
app.command()(titles.cancel)
app.command()(titles.retry)
app.command()(control.prioritise)
app.command()(control.hold)
app.command()(control.resume)
app.command()(forecast.forecast)
app.command("what-if")(forecast.what_if)
app.command("versions")(versions.versions)
app.command("rollback")(versions.rollback)
app.command("retire")(versions.retire)
app.command("notices")(notices.list_notices)
app.command()(inspect.inspect)
app.command()(local.plan)
app.command()(local.make)
app.command()(verify.verify)
app.command()(stack.doctor)
app.command()(stack.token)
app.command()(demo.demo)
app.add_typer(audit.audit, name="audit")
app.add_typer(drops.app, name="drops")
app.add_typer(keys.app, name="keys")


def main() -> None:
    """Entry point. Anything a person can act on is one line on stderr; ``TELECINE_DEBUG=1`` shows tracebacks."""
    configure_logging()
    as_json = wants_json(sys.argv)
    try:
        app()
    except TelecineError as error:
        fail(str(error), kind=type(error).__name__, as_json=as_json)
    except KeyboardInterrupt:
        fail(
            "Stopped. What was finished is kept; the same command goes on from there.", kind="Stopped", as_json=as_json
        )
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), kind="OSError", as_json=as_json)
    except Exception as error:
        if load_settings().debug:
            raise
        fail(f"Unexpected {type(error).__name__}: {error}", kind=type(error).__name__, as_json=as_json)
