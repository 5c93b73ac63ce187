"""``submit``, ``titles``, ``show``, ``watch``, ``cancel``, ``retry``."""

import getpass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from telecine.changes import Action
from telecine.cli.output import Json, console, print_json, say, table
from telecine.errors import TelecineError
from telecine.registry.records import Stage, TitleRecord
from telecine.rendition import LoudnessReport, Quality, RenditionSet
from telecine.settings import load_settings
from telecine.title import Priority

if TYPE_CHECKING:
    from pipeline.installation import Installation

__all__ = [
    "LaunchAt",
    "Master",
    "Name",
    "PriorityOption",
    "ProfileName",
    "SoundOption",
    "Title",
    "TitleOption",
    "cancel",
    "list_titles",
    "print_report",
    "require_live",
    "retry",
    "show",
    "show_renditions",
    "submit",
    "this_user",
    "watch_title",
]

Master = Annotated[
    str, typer.Argument(help="Path or address of the master: /path/file.mov, s3://bucket/key, https://…")
]
Title = Annotated[str, typer.Argument(help="Title id.")]
TitleOption = Annotated[str | None, typer.Option("--title", help="Title id; made of the name when not given.")]
Name = Annotated[str | None, typer.Option("--name", help="What viewers see; made of the file name when not given.")]
ProfileName = Annotated[str, typer.Option("--profile", help="Profile of the catalogue.")]
SoundOption = Annotated[
    str | None, typer.Option("--sound", help="Sidecar that maps sound; NAME.audio.yaml beside the master by default.")
]
SubtitlesOption = Annotated[
    list[str] | None,
    typer.Option("--subtitles", help="A text, FILE:LANGUAGE, FILE:LANGUAGE:forced or FILE:LANGUAGE:sdh; repeatable."),
]
PriorityOption = Annotated[Priority, typer.Option("--priority", help="Chunks of a higher class are encoded first.")]
LaunchAt = Annotated[
    datetime | None,
    typer.Option(
        "--launch-at",
        formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%d %H:%M%z"],
        help="Goes live then, not before, such as 2030-01-31T00:00+0000.",
    ),
]


def submit(  # noqa: PLR0917 - options, each given by name
    master: Master,
    title: TitleOption = None,
    name: Name = None,
    profile: ProfileName = "standard",
    priority: PriorityOption = Priority.NORMAL,
    launch_at: LaunchAt = None,
    sound: SoundOption = None,
    subtitles: SubtitlesOption = None,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Show the progress and return when the title is live.")] = False,
    as_json: Json = False,
) -> None:
    """Start a title. A broken master is refused at once, with the reason; the same master again does nothing."""
    from pipeline.installation import open_installation  # noqa: PLC0415
    from pipeline.release import submit_title  # noqa: PLC0415 - keeps the other commands quick
    from telecine.cli.watch import watch  # noqa: PLC0415

    place = open_installation(load_settings())
    params = {
        "master_uri": master,
        "title_id": title,
        "name": name,
        "profile": profile,
        "priority": priority.value,
        "launch_at": launch_at.isoformat() if launch_at else None,
        "sound_uri": sound,
        "texts": subtitles or [],
    }
    submitted = submit_title(place, params)
    if not submitted.already_live and not submitted.attached:
        note(place, submitted.title_id, "submit")
    if submitted.already_live:
        console.print(f"{submitted.title_id} is live already with this master and profile; nothing to do.")
    elif wait:
        watch(place, submitted.title_id)
    record = place.registry.title(submitted.title_id)
    if as_json:
        print_json(record)
    else:
        say(f"[bold]{record.title_id}[/]: {record.stage} (run {record.run_id})")


def list_titles(*, as_json: Json = False) -> None:
    """All titles: class, stage, progress, what is live, what is wrong."""
    from pipeline.encoding import read_progress  # noqa: PLC0415 - keeps the other commands quick
    from pipeline.installation import open_installation  # noqa: PLC0415

    place = open_installation(load_settings())
    records = place.registry.titles()
    if as_json:
        print_json(records)
        return
    rows = []
    for record in records:
        progress = read_progress(place, record.title_id) if record.stage == Stage.ENCODE else None
        done = f"{progress.chunks_done}/{progress.chunks_total}" if progress else None
        live = record.live.version if record.live else None
        rows.append((record.title_id, record.priority, record.launch_at, record.stage, done, live, record.problem))
    table("Titles", ["Title", "Priority", "Launch", "Stage", "Chunks", "Live version", "Problem"], rows)


def show(title: Title, *, as_json: Json = False) -> None:
    """One title: where it stands, what was made, where it plays."""
    from pipeline.installation import open_installation  # noqa: PLC0415
    from pipeline.release import title_report  # noqa: PLC0415 - keeps the other commands quick

    report = title_report(open_installation(load_settings()), title)
    if as_json:
        print_json(report)
        return
    print_report(report.record, report.renditions, report.kids, report.urls)


def watch_title(title: Title, *, as_json: Json = False) -> None:
    """Follow a title until it is live or waits for its launch; Ctrl-C ends the looking, not the title."""
    from pipeline.installation import open_installation  # noqa: PLC0415
    from telecine.cli.watch import watch  # noqa: PLC0415 - keeps the other commands quick

    place = open_installation(load_settings())
    place.registry.title(title)  # one nobody submitted is told at once
    record = watch(place, title)
    if as_json:
        print_json(record)
    else:
        say(f"[bold]{record.title_id}[/]: {record.stage}")


def cancel(title: Title, *, as_json: Json = False) -> None:
    """Stop a title that is under way: encoders end at once, what was encoded is kept, what is live stays live."""
    from pipeline.installation import open_installation  # noqa: PLC0415
    from pipeline.release import cancel_title  # noqa: PLC0415 - keeps the other commands quick

    place = open_installation(load_settings())
    stopped = cancel_title(place, title)
    note(place, title, "cancel")
    if as_json:
        print_json(place.registry.title(title))
    else:
        say(f"{title} is cancelled; {stopped} encode jobs were under way. 'telecine retry {title}' goes on from there.")


def retry(
    title: Title,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Show the progress and return when the title is live.")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a title that failed or was cancelled: what was encoded is used, every chunk has all attempts again."""
    from pipeline.installation import open_installation  # noqa: PLC0415
    from pipeline.release import retry_title  # noqa: PLC0415 - keeps the other commands quick
    from telecine.cli.watch import watch  # noqa: PLC0415

    place = open_installation(load_settings())
    retry_title(place, title)
    note(place, title, "retry")
    if wait:
        watch(place, title)
    record = place.registry.title(title)
    if as_json:
        print_json(record)
    else:
        say(f"{title} is at {record.stage}; 'telecine show {title}' tells more.")


def note(place: "Installation", title_id: str, action: Action) -> None:
    """Write down who did what from the command line."""
    from telecine.registry.changes import ChangeLog  # noqa: PLC0415 - keeps the other commands quick

    ChangeLog(place.registry).did(title_id, action, who=this_user())


def this_user() -> str:
    """Who changes things from the command line, as the audit names them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without a name
        return "cli:unknown"


def print_report(
    record: TitleRecord, renditions: RenditionSet | None, kids: dict[str, str], urls: dict[str, str]
) -> None:
    """Renditions and addresses of a title, for people."""
    say(f"[bold]{record.name}[/] ({record.title_id}): {record.stage}, {record.priority}, master {record.master_uri}")
    if record.problem:
        console.print(f"[red]{record.problem}[/]")
    if renditions:
        show_renditions(renditions, kids)
    if urls:
        table("Where", ["What", "URL"], list(urls.items()))


def show_renditions(found: RenditionSet, kids: dict[str, str]) -> None:
    """The table of what was made; bitrates are measured."""
    rows = [
        (
            r.name,
            f"{r.width}x{r.height}" if r.width else f"{r.channels} ch",
            r.codec,
            f"{r.average_bps / 1e3:,.0f}",
            f"{r.peak_bps / 1e3:,.0f}",
            _quality(r.quality) or _loudness(r.loudness),
            f"{r.label} {kids.get(r.label, '')[:8]}".strip(),
        )
        for r in found.renditions
    ]
    columns = ["Rendition", "Resolution", "Codec", "kb/s", "Peak kb/s", "VMAF, LUFS", "Key (KID)"]
    extent = f"{found.frames} frames at {found.frame_rate}" if found.frames else "sound alone"
    table(f"Renditions: {extent}", columns, rows, right=columns[3:6])


def _quality(found: Quality | None) -> str | None:
    if found is None:
        return None
    return f"{found.mean:.2f}" if found.model.startswith("vmaf") else f"{found.mean:.2f} dB {found.model.upper()}"


def _loudness(found: LoudnessReport | None) -> str | None:
    return f"{found.after.integrated_lufs:.1f} LUFS" if found else None


def require_live(record: TitleRecord) -> None:
    """Raise with the title's own sentence when it ended otherwise."""
    if record.stage in {Stage.REJECTED, Stage.FAILED, Stage.CANCELLED}:
        raise TelecineError(record.problem or f"Title {record.title_id} {record.stage}.")
