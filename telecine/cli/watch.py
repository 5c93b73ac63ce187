"""The live progress view of one title: stage, chunks, fps, time to go."""

import time
from datetime import UTC, datetime

from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.encoding import read_progress
from pipeline.installation import Installation
from pipeline.progress import EncodeProgress
from telecine.cli.output import console
from telecine.cli.titles import require_live
from telecine.errors import NotFound, Unavailable
from telecine.registry.records import Stage, TitleRecord

__all__ = ["watch"]

_UNSEEN = {Stage.SUBMITTED, Stage.REJECTED, Stage.FAILED, Stage.CANCELLED}
_STAGES = [stage for stage in Stage if stage not in _UNSEEN]
_POLL_S = 0.5


def watch(place: Installation, title_id: str) -> TitleRecord:
    """Follow a title until it is live. Raises TelecineError with its sentence when it ends otherwise.

    A title that waits for its launch time counts as done: it is verified and on every edge.
    """
    began = time.monotonic()
    plain = "" if console.is_terminal else "."
    with Live(console=console, refresh_per_second=4, transient=True, auto_refresh=console.is_terminal) as live:
        while True:
            try:
                record = place.registry.title(title_id)
                progress = read_progress(place, title_id) if record.stage == Stage.ENCODE else None
            except (Unavailable, NotFound):
                time.sleep(_POLL_S)
                continue
            if console.is_terminal:
                live.update(_view(record, progress, time.monotonic() - began))
            else:
                plain = _log_line(record, progress, plain)
            if record.stage.ended or _waits_for_launch(record):
                break
            time.sleep(_POLL_S)
    require_live(record)
    return record


def _waits_for_launch(record: TitleRecord) -> bool:
    return record.stage == Stage.GO_LIVE and record.launch_at is not None and record.launch_at > datetime.now(UTC)


def _view(record: TitleRecord, progress: EncodeProgress | None, elapsed_s: float) -> Table:
    grid = Table.grid(padding=(0, 2))
    stage = Stage.REGISTER if record.stage == Stage.SUBMITTED else record.stage
    position = _STAGES.index(stage) if stage in _STAGES else 0
    trail = " ".join(
        f"[green]{s}[/]" if i < position else f"[bold yellow]{s}[/]" if i == position else f"[dim]{s}[/]"
        for i, s in enumerate(_STAGES)
    )
    grid.add_row(f"[bold]{record.name}[/]", f"{elapsed_s:4.0f} s", trail)
    if progress:
        done = int(30 * progress.frames_done / max(progress.frames_total, 1))
        eta = f"{progress.eta_s:.0f} s to go" if progress.eta_s is not None else ""
        bar = f"[cyan]{'━' * done}[/][dim]{'━' * (30 - done)}[/]"
        chunks = f"chunks {progress.chunks_done}/{progress.chunks_total}"
        grid.add_row(chunks, f"{progress.fps:.1f} fps", f"{bar} {progress.frames_done}/{progress.frames_total} {eta}")
    if reason := _reason(record):
        grid.add_row("", "", Text(reason, style="red"))
    return grid


def _reason(record: TitleRecord) -> str | None:
    """Why a title under way does not go on by itself, or what it met."""
    if record.stage.ended:
        return None  # how it ended is told by whoever watches
    return record.problem or ("held: nothing more of it is started" if record.held else None)


def _log_line(record: TitleRecord, progress: EncodeProgress | None, shown: str) -> str:
    line = f"{record.title_id}: {record.stage}" + (f": {progress.line()}" if progress else "")
    line += f" ({reason})" if (reason := _reason(record)) else ""
    if line != shown:
        console.print(line, soft_wrap=True, markup=False)
    return line
