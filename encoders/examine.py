"""The examination of a whole master: one FFmpeg, one thread, and a report of what is wrong with it."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from encoders.examination import clipped_spans, examine_command, examined_sound, peaks_file, read_report
from encoders.report import report_of
from encoders.scratch import private_folder
from profiles.source_checks import SourceChecks
from telecine.findings import SourceReport
from telecine.log import get_logger
from telecine.media import Probe
from telecine.process import Command, run
from telecine.tools import tool_path

__all__ = ["EXAMINING", "examine"]

log = get_logger(__name__)

EXAMINING = 1
"""Counts changes of how masters are examined: a new number makes remembered reports stale."""

_REPORT = "report.log"
_INFO = 32


def examine(
    probe: Probe,
    source: Path,
    checks: SourceChecks,
    work_dir: Path,
    on_seconds: Callable[[Fraction], None] = lambda _: None,
    *,
    every_picture: bool = True,
) -> SourceReport:
    """Decode the master in ``source`` once, on one thread, and report what was found.

    With ``every_picture`` those that are lost or damaged are counted exactly; without, only damage among pictures that
    others refer to is seen, which is enough where the encode itself refuses any.
    ``on_seconds`` is told about each second how far the pass is; an exception it raises ends the pass and passes on.
    A master that fails to decode to its end is a finding, not an error. Raises Unavailable.
    """
    frames = 0

    def read(line: str) -> None:
        nonlocal frames
        name, _, value = line.partition("=")
        if name == "frame" and value.strip().isdecimal():
            frames = int(value)
        elif name == "out_time_us" and value.strip().isdecimal():
            on_seconds(Fraction(int(value), 1_000_000))

    tracks = [*(track.index for track in probe.video[:1]), *(track.index for track in examined_sound(probe))]
    argv = examine_command(probe, source, checks, every_picture=every_picture)
    with private_folder(work_dir) as folder:
        environment = {"FFREPORT": f"file={_REPORT}:level={_INFO}"}
        done = run(Command((tool_path(argv[0]), *argv[1:]), env=environment), cwd=folder, on_line=read, check=False)
        with (folder / _REPORT).open(errors="replace") as lines:
            seen = read_report(lines, tracks)
        clipped = {
            track.index: clipped_spans((folder / peaks_file(track)).open(), checks.clipping.minimum_s)
            for track in examined_sound(probe)
            if (folder / peaks_file(track)).is_file()
        }
    report = report_of(probe, seen, clipped, frames if every_picture else None, checks)
    log.info("master.examined", findings=len(report.findings), cpu_s=round(done.cpu_s, 1))
    return report
