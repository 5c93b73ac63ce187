"""``plan`` and ``make``: no server needed."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from telecine.cli.inspect import show_findings
from telecine.cli.output import Json, console, print_json, say, table
from telecine.cli.titles import Master, Name, ProfileName, SoundOption, SubtitlesOption, TitleOption, show_renditions
from telecine.settings import load_settings

__all__ = ["make", "plan"]


def plan(
    master: Master,
    profile: ProfileName = "standard",
    sound: SoundOption = None,
    subtitles: SubtitlesOption = None,
    *,
    as_json: Json = False,
) -> None:
    """Dry run: what is in the master, which ladder and texts it gets, how it is cut, how large it may become."""
    from pipeline.make import plan_only, texts_only  # noqa: PLC0415 - keeps the other commands quick
    from pipeline.submission import request_from  # noqa: PLC0415
    from profiles.load import load_profile  # noqa: PLC0415

    settings = load_settings()
    asked = {"master_uri": master, "profile": profile, "sound_uri": sound, "texts": subtitles or []}
    request = request_from(asked)
    found = plan_only(request, settings)
    beside = texts_only(request, found, settings)
    if as_json:
        print_json({**found.model_dump(mode="json"), "texts": beside.model_dump(mode="json")["texts"]})
        return
    tracks = [
        f"{v.codec} {v.width}x{v.height}, {float(found.frame_rate.fraction):.3f} fps ({found.frame_rate}), "
        f"{found.total_frames} frames, {v.bit_depth} bit"
        for v in found.probe.video[:1]
    ]
    tracks += [
        f"{a.codec}{' Atmos' if a.atmos else ''} {a.layout} {a.language}{'' if a.role == 'main' else f' {a.role}'}"
        for a in found.probe.audio
    ]
    say(f"[bold]{master}[/]: {'; '.join(tracks)}")
    ladder = found.ladder
    rows = [(r.name, str(r.codec), f"{r.width}x{r.height}", f"{r.max_bps / 1e6:g} Mb/s", r.label) for r in ladder.video]
    rows += [(r.name, str(r.codec), f"{r.channels} ch", f"{r.bitrate_bps / 1e3:g} kb/s", r.label) for r in ladder.audio]
    table("Ladder", ["Rendition", "Encoder", "Size", "At most", "Key"], rows)
    if beside.texts:
        texts = [(t.title, t.language, t.kind, str(t.cues), t.source) for t in beside.texts]
        table("Text", ["Name", "Language", "Kind", "Cues", "From"], texts)
    for note in (note for text in beside.texts for note in text.notes):
        say(f"[yellow]Repaired:[/] {escape(note)}")
    cut = (
        f"{len(found.chunks)} chunks of {found.chunks[0].frames} frames, GOP {ladder.gop_frames}, "
        f"segment {ladder.segment_frames} frames; "
        if found.chunks
        else ""
    )
    say(f"{cut}{len(found.jobs)} encode jobs; at most {found.expected_bytes / 1e6:.1f} MB")
    if load_profile(profile, settings.catalogue_dir).per_title.mode != "off":
        say("Sizes and CRFs of the SDR rungs are fitted to this title when it is made; the caps stay.")


def make(
    master: Master,
    outdir: Annotated[Path, typer.Argument(help="Folder for the package, the clear renditions and report.json.")],
    title: TitleOption = None,
    name: Name = None,
    profile: ProfileName = "standard",
    sound: SoundOption = None,
    subtitles: SubtitlesOption = None,
    *,
    vmaf: Annotated[bool, typer.Option("--vmaf", help="Measure VMAF of every rendition too.")] = False,
    as_json: Json = False,
) -> None:
    """The whole line without servers: encode, package, encrypt and verify a master into a folder."""
    from pipeline.make import MakeWatcher  # noqa: PLC0415 - keeps the other commands quick
    from pipeline.make import make as make_here  # noqa: PLC0415
    from pipeline.submission import request_from  # noqa: PLC0415

    asked = {
        "master_uri": master,
        "title_id": title,
        "name": name,
        "profile": profile,
        "sound_uri": sound,
        "texts": subtitles or [],
    }
    request = request_from(asked)
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[fps]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        shown = progress.add_task("inspect", total=None, fps="")
        watcher = MakeWatcher(
            stage=lambda stage: progress.update(shown, description=stage, total=None, fps=""),
            encode=lambda p: progress.update(
                shown, total=p.frames_total, completed=p.frames_done, fps=f"{p.fps:.1f} fps"
            ),
        )
        report = make_here(request, outdir, load_settings(), watcher, vmaf=vmaf)
    if as_json:
        print_json(report)
        return
    say(f"[bold]{outdir}[/]: {report.dash}, {report.hls}; {report.chunks_encoded} of {report.chunks} jobs encoded")
    show_renditions(report.renditions, {})
    show_findings(report.source)
