"""``inspect``: what a master is, and what is wrong with it."""

import typer

from telecine.cli.output import Json, print_json, say, table
from telecine.cli.titles import Master, ProfileName
from telecine.findings import SourceReport, clock
from telecine.media import Probe, VideoTrack
from telecine.settings import load_settings

__all__ = ["inspect", "show_findings"]


def inspect(master: Master, profile: ProfileName = "standard", *, as_json: Json = False) -> None:
    """Tracks, colour and cadence of a master, and every finding of a look at all of it; exit 1 when it is refused."""
    from pipeline.inspecting import inspect_whole  # noqa: PLC0415 - keeps the other commands quick

    found = inspect_whole(master, profile, load_settings())
    if as_json:
        print_json(found)
    else:
        _show_tracks(found.probe)
        show_findings(found.report)
    if found.refused:
        raise typer.Exit(1)


def show_findings(report: SourceReport) -> None:
    """Findings and loudness as tables; a line when nothing was found."""
    rows = [
        (
            finding.severity,
            finding.kind,
            clock(finding.start) if finding.start is not None else None,
            clock(finding.end) if finding.end is not None else None,
            finding.sentence,
        )
        for finding in report.findings
    ]
    if rows:
        table("Findings", ["Severity", "Kind", "From", "To", "What"], rows)
    else:
        say("Nothing was found wrong with the master.")


def _show_tracks(probe: Probe) -> None:
    rows: list[tuple[object, ...]] = [
        (track.index, "video", track.codec, _picture(track), _cadence(track)) for track in probe.video
    ]
    rows += [
        (
            track.index,
            f"audio {track.language}",
            track.codec,
            f"{track.layout}, {track.sample_rate_hz} Hz",
            f"{clock(track.start)} for {clock(track.duration)}",
        )
        for track in probe.audio
    ]
    rows += [(track.index, f"subtitle {track.language}", track.codec, None, None) for track in probe.subtitles]
    table(f"{probe.master.uri} ({probe.container})", ["Track", "Kind", "Codec", "Form", "Time"], rows)


def _picture(track: VideoTrack) -> str:
    colour = "/".join(value or "?" for value in (track.colour.primaries, track.colour.transfer, track.colour.matrix))
    turned = f", turned {track.rotation}°" if track.rotation else ""
    shape = f", samples {track.sample_aspect}" if track.sample_aspect != 1 else ""
    bars = f", image {track.active.width}x{track.active.height}" if track.active else ""
    return f"{track.width}x{track.height}{turned}{shape}{bars}, {track.bit_depth} bit {track.pixel_format}, {colour}"


def _cadence(track: VideoTrack) -> str:
    scan = "film in fields" if track.telecined else "interlaced" if track.interlaced else "progressive"
    order = f" {track.field_order}" if track.field_order else ""
    varies = " variable" if track.variable_frame_rate else ""
    fps = f"{float(track.frame_rate.fraction):.3f} fps{varies}, {scan}{order}"
    return f"{fps}, {clock(track.start)} for {clock(track.duration)}"
