"""``up``, ``down``, ``status``, ``doctor``, ``token``."""

from typing import Annotated

import typer
from pydantic import ValidationError

from telecine.cli.output import Json, console, print_json, say, table
from telecine.errors import MissingRequirement
from telecine.settings import load_settings
from telecine.stack.state import StackInfo

__all__ = ["bring_up", "doctor", "down", "status", "token", "up"]


def bring_up() -> StackInfo:
    """Start the stack, or find it up, telling each step on stderr."""
    from telecine.stack.lifecycle import up as start_stack  # noqa: PLC0415 - keeps the other commands quick

    return start_stack(load_settings().data_dir, lambda event: console.print(f"  {event}"))


def up(*, as_json: Json = False) -> None:
    """Start the whole stack on this machine: Airflow, Celery, Redis, S3, edges, playback. Idempotent."""
    info = bring_up()
    if as_json:
        print_json(info)
    else:
        table("Telecine is up", ["What", "Where"], list(info.urls.items()))


def down(*, as_json: Json = False) -> None:
    """Stop everything the stack started, and nothing else. Titles and encodes stay."""
    from telecine.stack.lifecycle import down as stop_stack  # noqa: PLC0415 - keeps the other commands quick

    stopped = stop_stack(load_settings().data_dir)
    if as_json:
        print_json({"stopped": stopped})
    else:
        say(f"Stopped {stopped} processes." if stopped else "Nothing was running.")


def status(*, as_json: Json = False) -> None:
    """What runs, since when, with how much memory. Exit 1 when the stack is not whole."""
    from telecine.stack.status import status as stack_status  # noqa: PLC0415 - keeps the other commands quick

    found = stack_status(load_settings().data_dir)
    if as_json:
        print_json(found)
    else:
        rows = [(p.name, p.state, p.pid, p.uptime_s, p.memory_mib, p.url) for p in found.programs]
        table("Telecine", ["Program", "State", "PID", "Up (s)", "MiB", "URL"], rows, right=["PID", "Up (s)", "MiB"])
        if found.healthy:
            _show_workers()
    raise typer.Exit(0 if found.healthy else 1)


def doctor(*, as_json: Json = False) -> None:
    """Check tools, encoders, GPU, ports and disk of this machine. Exit 1 when something needed is missing."""
    from telecine.doctor import diagnose  # noqa: PLC0415 - keeps the other commands quick

    report = diagnose(load_settings())
    if as_json:
        print_json(report)
    else:
        rows = [("ok" if c.ok else "--", c.name, c.found, c.advice if not c.ok else "") for c in report.checks]
        table("Telecine doctor", ["", "What", "Found", "Advice"], rows)
        _show_capability()
    raise typer.Exit(0 if report.ok else 1)


def _show_capability() -> None:
    """What encoders of this machine may use, and what was found of its GPU; remembered for a day."""
    from encoders.capability import GPU_ENCODERS, capability  # noqa: PLC0415 - keeps the other commands quick

    found = capability(load_settings())
    say(f"Encoding: {found.cores} cores, {found.memory_bytes / 2**30:.1f} GiB for encoders, {_gpu(found.gpu_sessions)}")
    tried = [ability for ability in (*found.encoders, *found.decoders) if ability.name not in GPU_ENCODERS]
    tried += [ability for ability in found.encoders if ability.name in GPU_ENCODERS and found.gpu_sessions]
    table("Encoders", ["", "What", "Problem"], [("ok" if a.works else "--", a.name, a.problem) for a in tried])


def _show_workers() -> None:
    """The workers that are there, as each says of itself."""
    from encoders.leases import LeaseBoard  # noqa: PLC0415 - keeps the other commands quick

    settings = load_settings()
    board = LeaseBoard(settings.redis_url, settings.lease_s)
    rows = [
        (name, queue, said.slots, said.cores, f"{said.memory_bytes / 2**30:.1f}", _gpu(said.gpu_sessions))
        for queue in ("cpu", "gpu")
        for name, said in board.workers(queue).items()
    ]
    table("Workers", ["Worker", "Queue", "Slots", "Cores", "GiB", "GPU"], rows, right=["Slots", "Cores", "GiB"])


def _gpu(sessions: int) -> str:
    return f"NVENC, {sessions} sessions" if sessions else "no NVENC"


def token(
    user: Annotated[str, typer.Option(help="Who the token speaks for.")] = "demo",
    ttl_s: Annotated[int, typer.Option("--ttl", min=1, help="Seconds until it expires.")] = 86_400,
    max_label: Annotated[str, typer.Option(help="Highest label: SD, HD, UHD or UHD_HDR.")] = "UHD_HDR",
    title: Annotated[
        list[str] | None, typer.Option(help="A title it is good for (again for more); all if none.")
    ] = None,
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Licences may be kept beyond the session.")] = False,
    as_json: Json = False,
) -> None:
    """Print a signed demo user token for the playback service."""
    from playback.entitlements import Entitlement  # noqa: PLC0415 - keeps the other commands quick
    from playback.tokens import user_token  # noqa: PLC0415

    settings = load_settings()
    if not settings.token_key.get_secret_value():
        message = "There is no token key yet: start the stack once with 'telecine up', or set TELECINE_TOKEN_KEY."
        raise MissingRequirement(message)
    titles = None if title is None else tuple(title)
    try:
        entitlement = Entitlement.model_validate({"titles": titles, "max_label": max_label, "offline": offline})
    except ValidationError as error:
        message = f"There is no label '{max_label}': SD, HD, UHD or UHD_HDR was expected."
        raise typer.BadParameter(message) from error
    signed = user_token(user, settings.token_key, ttl_s, entitlement)
    if as_json:
        print_json({"user": user, "token": signed, "expires_in_s": ttl_s})
    else:
        say(signed)
