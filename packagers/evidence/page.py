"""The evidence as a page: breaches, rates over time, key frames, loudness, quality. Pure; HTML with drawings inside."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from packagers.evidence.documents import EvidenceReport, Fault, TrackEvidence

__all__ = ["evidence_page"]

_WIDTH, _HEIGHT, _MARGIN, _ROW = 820, 300, 56, 22
_COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#8a5a9e", "#b8860b", "#4a4a4a", "#0e8a8a", "#b0306a")
_STYLE = "body{font:15px sans-serif;margin:2em auto;max-width:900px}table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}svg{background:#fafafa}text{font:12px sans-serif}.pass{color:#3a7d44}.fail{color:#b02a1a}img{max-width:420px}"  # noqa: E501 - one line of style
_MOST_TICKS = 9
_QUIETEST, _LOUDEST = -40.0, 0.0


def evidence_page(report: EvidenceReport) -> str:
    """HTML of a report; pictures of the worst seconds are linked by their names."""
    shown = [track for track in report.tracks if track.segments]
    verdict, colour = ("passes", "pass") if report.passed else ("fails", "fail")
    parts = [
        f'<h1>{escape(report.package)}: <span class="{colour}">{verdict}</span></h1>',
        _summary(report),
        _faults("Breaches", report.rejections),
        _faults("Recommendations not followed", [fault for fault in report.faults if not fault.must]),
        "".join(f"<p>Not checked: {escape(one)}</p>" for one in report.not_checked),
        "<h2>Tracks</h2>",
        _table(report.tracks),
    ]
    if shown:
        parts += ["<h2>Bit rate over time</h2><p>Mb/s of each segment.</p>", _rates(shown)]
    if report.vmaf:
        parts += ["<h2>VMAF over time</h2>", _vmaf(report)]
    parts += _worst(report)
    if any(track.grid for track in shown):
        parts += [
            "<h2>Key frames and segments</h2><p>Long strokes: where segments join; short: sync samples.</p>",
            _grid(shown),
        ]
    loud = [track for track in report.tracks if track.decoded and track.decoded.loudness]
    if loud:
        parts += [
            "<h2>Loudness (EBU R128)</h2><p>Integrated, with the range; the mark is the true peak.</p>",
            _loudness(loud),
        ]
    name = escape(report.package)
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title><style>{_STYLE}</style>" + "\n".join(
        parts
    )


def _summary(report: EvidenceReport) -> str:
    return (
        f"<p>{', '.join(escape(url) for url in report.manifests)}: {len(report.tracks)} tracks, {report.fetched} URLs "
        f"fetched, {len(report.granted)} keys licensed; {report.wall_s:.1f} s, of which decoding took "
        f"{report.decode_cpu_s:.1f} CPU seconds.</p>"
    )


def _faults(title: str, faults: Sequence[Fault]) -> str:
    if not faults:
        return f"<h2>{title}</h2><p>None.</p>"
    rows = "".join(
        f"<tr><td>{escape(one.clause)}<br><small>{escape(one.requirement)}</small></td><td>{escape(one.where)}</td>"
        f"<td>{escape(one.found)}</td><td>{escape(one.remedy)}</td></tr>"
        for one in faults
    )
    head = "<tr><th>Clause</th><th>Where</th><th>Found</th><th>What to do</th></tr>"
    return f"<h2>{title}</h2><table>{head}{rows}</table>"


def _table(tracks: Iterable[TrackEvidence]) -> str:
    rows = "".join(
        f"<tr><td>{escape(t.name)}</td><td>{t.kind}</td><td>{escape(t.codecs)}</td><td>{len(t.segments)}</td>"
        f"<td>{(t.average_bps or 0) / 1000:.0f}</td><td>{(t.peak_bps or 0) / 1000:.0f}</td>"
        f"<td>{escape(t.scheme or 'in the clear')} {(t.kid or '')[:8]}</td>"
        f"<td>{_came_out(t)}</td><td>{_quality(t)}</td></tr>"
        for t in tracks
    )
    head = "<tr><th>Track</th><th>Kind</th><th>Codec</th><th>Segments</th><th>kb/s</th><th>Peak</th><th>Key</th>"
    return f"<table>{head}<th>Decoded</th><th>Quality: mean, 5th, 1st percentile</th></tr>{rows}</table>"


def _came_out(track: TrackEvidence) -> str:
    return escape(track.came_out)


def _quality(track: TrackEvidence) -> str:
    found = track.quality
    if found is None:
        return ""
    return f"{escape(found.model)} {found.mean:.1f}, {found.percentile_5:.1f}, {found.percentile_1:.1f}"


def _rates(tracks: Sequence[TrackEvidence]) -> str:
    lines = {
        track.name: [
            (float(at), one.size_bytes * 8 / float(one.duration) / 1e6)
            for one in track.segments
            if one.duration
            for at in (one.start, one.start + one.duration)
        ]
        for track in tracks
    }
    return _plot(lines, "seconds", "Mb/s", low=0.0)


def _vmaf(report: EvidenceReport) -> str:
    scores = [score for points in report.vmaf.values() for _, score in points]
    return _plot(report.vmaf, "seconds", "VMAF", low=max(0.0, min(scores, default=0.0) - 5))


def _worst(report: EvidenceReport) -> list[str]:
    if not report.worst:
        return []
    rows = "".join(
        f"<tr><td>{escape(one.name)}<br>from {float(one.start):.2f} s<br>VMAF {one.vmaf:.1f}</td>"
        f'<td><img src="{escape(one.source_picture)}" alt="source"></td>'
        f'<td><img src="{escape(one.rendition_picture)}" alt="{escape(one.name)}"></td></tr>'
        for one in report.worst
    )
    head = "<tr><th>Rendition</th><th>Source</th><th>As published</th></tr>"
    return [f"<h2>The worst five seconds of each rendition</h2><table>{head}{rows}</table>"]


def _grid(tracks: Sequence[TrackEvidence]) -> str:
    end = max(float(one.start + one.duration) for track in tracks for one in track.segments)
    across = _scale(0, end, _MARGIN + 60, _WIDTH - 20)
    drawn = []
    for row, track in enumerate(tracks):
        y, colour = 30 + row * _ROW, _COLOURS[row % len(_COLOURS)]
        joins = "".join(f"M{across(float(one.start)):.1f} {y - 9}v18" for one in track.segments)
        keys = "".join(f"M{across(float(at)):.1f} {y - 4}v8" for at in track.grid)
        drawn.append(f'<text x="4" y="{y + 4}" fill="{colour}">{escape(track.name)}</text>')
        drawn.append(f'<path d="{joins}{keys}" stroke="{colour}"/>')
    height = 50 + len(tracks) * _ROW
    return _svg(
        [*drawn, *(f'<text x="{across(at):.0f}" y="{height - 6}">{at:g}</text>' for at in _marks(0, end))], height
    )


def _loudness(tracks: Sequence[TrackEvidence]) -> str:
    across = _scale(_QUIETEST, _LOUDEST, _MARGIN + 100, _WIDTH - 90)
    drawn, height = [], 50 + len(tracks) * _ROW
    for row, track in enumerate(tracks):
        found = track.decoded.loudness if track.decoded else None
        if found is None:
            continue
        y, half = 30 + row * _ROW, found.range_lu / 2
        left, right, peak = (
            across(min(_LOUDEST, max(_QUIETEST, at)))
            for at in (found.integrated_lufs - half, found.integrated_lufs + half, found.true_peak_dbtp)
        )
        drawn.append(f'<text x="4" y="{y + 4}">{escape(track.name)}</text>')
        drawn.append(
            f'<rect x="{left - 2:.1f}" y="{y - 6}" width="{right - left + 4:.1f}" height="12" fill="#1b6ca8"/>'
        )
        drawn.append(f'<path d="M{peak:.1f} {y - 9}v18" stroke="#c8553d" stroke-width="2"/>')
        drawn.append(f'<text x="{_WIDTH - 84}" y="{y + 4}">{found.integrated_lufs:.1f} LUFS</text>')
    drawn += [f'<text x="{across(at):.0f}" y="{height - 6}">{at:g}</text>' for at in range(-40, 1, 10)]
    return _svg(drawn, height)


def _plot(lines: Mapping[str, Sequence[tuple[float, float]]], along: str, up_name: str, low: float) -> str:
    points = [point for line in lines.values() for point in line]
    end, top = max(x for x, _ in points), max(y for _, y in points)
    across, up = _scale(0, end, _MARGIN, _WIDTH - 130), _scale(low, top, _HEIGHT - _MARGIN, 20)
    corner = f"M{_MARGIN} 20V{_HEIGHT - _MARGIN}H{_WIDTH - 130}"
    drawn = [
        f'<path d="{corner}" fill="none" stroke="#888"/>',
        f'<text x="{_WIDTH // 2 - 60}" y="{_HEIGHT - 12}">{along}</text><text x="8" y="14">{up_name}</text>',
        *(f'<text x="{across(at):.0f}" y="{_HEIGHT - _MARGIN + 18}">{at:g}</text>' for at in _marks(0, end)),
        *(f'<text x="{_MARGIN - 44}" y="{up(at) + 4:.0f}">{at:g}</text>' for at in _marks(low, top)),
    ]
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        drawn.append(f'<text x="{_WIDTH - 122}" y="{30 + 18 * number}" fill="{colour}">{escape(name)}</text>')
    return _svg(drawn, _HEIGHT)


def _marks(low: float, high: float) -> list[float]:
    """Round values between two, five or so."""
    for step in (step * 10.0**power for power in range(-3, 7) for step in (1, 2, 5)):
        if (high - low) / step <= _MOST_TICKS:
            first = -(-low // step)
            return [round((first + n) * step, 6) for n in range(_MOST_TICKS + 1) if (first + n) * step <= high]
    return []


def _scale(low: float, high: float, at_low: float, at_high: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: at_low + (value - low) / span * (at_high - at_low)


def _svg(parts: Iterable[str], height: int) -> str:
    size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'
