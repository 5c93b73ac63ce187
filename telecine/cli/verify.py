"""``verify``: evidence of any package."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr
from rich.markup import escape

from telecine.cli.output import Json, print_json, say, table
from telecine.settings import load_settings

if TYPE_CHECKING:
    from packagers.evidence.documents import EvidenceReport

__all__ = ["verify"]


def verify(
    package: Annotated[
        str,
        typer.Argument(help="URL or path of an MPD or HLS multivariant playlist, a folder, or the id of a live title."),
    ],
    licence_url: Annotated[
        str | None, typer.Option("--licence-url", help="Clear Key licence service; found by itself where we can.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="TELECINE_LICENCE_TOKEN", help="Bearer token of licence requests."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for evidence.json and evidence.html.")] = None,
    mpd_schema: Annotated[Path | None, typer.Option("--mpd-schema", help="DASH-MPD.xsd of ISO/IEC 23009-1.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Hold a package to the standards, decrypt it with licensed keys and decode it. Exits 1 with every breach."""
    from pipeline.verifying import Asked, verify_any, write_evidence  # noqa: PLC0415 - keeps the other commands quick

    asked = Asked(package, licence_url, SecretStr(token) if token else None, mpd_schema)
    report = verify_any(asked, load_settings())
    if out is not None:
        document, page = write_evidence(report, out)
        if not as_json:
            say(f"{document}, {page}")
    if as_json:
        print_json(report)
    else:
        _show(report)
    if not report.passed:
        raise typer.Exit(1)


def _show(report: "EvidenceReport") -> None:
    rows = [
        (
            t.name,
            t.kind,
            t.codecs,
            len(t.segments),
            f"{(t.average_bps or 0) / 1e3:,.0f}",
            "whole" if t.decoded else t.came_out,
        )
        for t in report.tracks
    ]
    table(f"{report.package}", ["Track", "Kind", "Codec", "Segments", "kb/s", "Decoded"], rows, right=["kb/s"])
    for one in report.not_checked:
        say(f"Not checked: {escape(one)}")
    for fault in report.faults:
        said = f"{fault.clause}: {fault.requirement}.\n  {fault.where}: {fault.found}\n  {fault.remedy}"
        say(f"{'[red]Breach[/]' if fault.must else 'Recommended'}: {escape(said)}")
    say(f"{len(report.rejections)} breaches, {len(report.faults) - len(report.rejections)} recommendations")
