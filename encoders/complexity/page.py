"""The analysis as a page: the hull, what was chosen on it, and the shots. Pure; one HTML text with drawings inside."""

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

from encoders.complexity.documents import ComplexityReport, RungChoice, TrialPoint

__all__ = ["complexity_page"]

_WIDTH, _HEIGHT, _MARGIN = 760, 420, 56
_COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#8a5a9e", "#b8860b", "#4a4a4a")
_STYLE = "body{font:15px sans-serif;margin:2em auto;max-width:820px}table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}th:first-child,td:first-child{text-align:left}svg{background:#fafafa}text{font:12px sans-serif}"  # noqa: E501 - one line of style


def complexity_page(name: str, report: ComplexityReport) -> str:
    """HTML: hull and rungs of each encoder, a table of what is saved, CRFs over time where shots have their own."""
    codecs = dict.fromkeys(choice.fixed.codec for choice in report.choices)
    parts = [f"<h1>{escape(name)}: the ladder of this title</h1>", _summary(report)]
    for codec in codecs:
        choices = [choice for choice in report.choices if choice.fixed.codec is codec]
        points = [point for point in report.trials if point.codec is codec]
        parts += [f"<h2>{codec}</h2>", _hull(points, choices), _table(choices)]
    shown = [choice for choice in report.choices if choice.shots]
    if shown:
        parts += ["<h2>Shots</h2><p>CRF over time; every step is a shot.</p>", _shots(report, shown)]
    body = "\n".join(parts)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(name)}</title><style>{_STYLE}</style>{body}"
    )


def _summary(report: ComplexityReport) -> str:
    frames = sum(end - start for start, end in report.windows)
    total = sum(shot.frames for shot in report.shots)
    return (
        f"<p>{len(report.shots)} shots; trials of {frames} of {total} frames in {len(report.windows)} windows, seen at "
        f"{report.view_width}x{report.view_height}; {report.cpu_s:.0f} CPU seconds. Trials are quick encodes: "
        "their bits compare with one another, not with the finished renditions. Lines: a size at two CRFs; "
        "squares: rungs as the profile says; rings: as chosen.</p>"
    )


def _table(choices: Iterable[RungChoice]) -> str:
    rows = "".join(
        f"<tr><td>{escape(c.fixed.name)}</td><td>{c.fixed.width}x{c.fixed.height}, CRF {c.fixed.crf:g}</td>"
        f"<td>{c.chosen.width}x{c.chosen.height}, CRF {c.chosen.crf:g}{'' if c.chosen.psychovisual else ', tuned'}</td>"
        f"<td>{c.target_vmaf:.1f}</td><td>{c.saved:.0%}</td></tr>"
        for c in choices
    )
    head = "<tr><th>Rung</th><th>Profile</th><th>This title</th><th>VMAF of both</th><th>Bits saved</th></tr>"
    return f"<table>{head}{rows}</table>"


def _hull(points: Sequence[TrialPoint], choices: Sequence[RungChoice]) -> str:
    logs = [math.log10(p.bps) for p in points] + [math.log10(c.chosen_bps) for c in choices]
    across = _scale(min(logs) - 0.05, max(logs) + 0.05, _MARGIN, _WIDTH - 20)
    up = _scale(min(p.vmaf for p in points) - 3, 100, _HEIGHT - _MARGIN, 20)
    tried = [point for point in points if point.tuned] or points
    sizes = list(dict.fromkeys((point.width, point.height) for point in tried))
    drawn = [_axes("bits a second of the trials", "VMAF"), *_ticks(across, up, logs, [p.vmaf for p in points])]
    for number, size in enumerate(sizes):
        colour = _COLOURS[number % len(_COLOURS)]
        mine = sorted((p for p in tried if (p.width, p.height) == size), key=lambda p: p.bps)
        places = [(across(math.log10(p.bps)), up(p.vmaf)) for p in mine]
        drawn.append(_line(places, colour))
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
        drawn.append(
            f'<text x="{_WIDTH - 120}" y="{_HEIGHT - 150 + 18 * number}" fill="{colour}">{size[0]}x{size[1]}</text>'
        )
    for choice in choices:
        y = up(choice.target_vmaf)
        x, to = across(math.log10(choice.fixed_bps)), across(math.log10(choice.chosen_bps))
        drawn.append(f'<path d="M{x:.1f} {y:.1f}H{to:.1f}" stroke="#000" stroke-dasharray="4 3"/>')
        drawn.append(f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="none" stroke="#000"/>')
        drawn.append(f'<circle cx="{to:.1f}" cy="{y:.1f}" r="6" fill="none" stroke="#000" stroke-width="2"/>')
        place = (
            f'x="{x:.1f}" y="{y - 12:.1f}" text-anchor="end"'
            if x > _WIDTH - 100
            else f'x="{x + 8:.1f}" y="{y + 4:.1f}"'
        )
        drawn.append(f"<text {place}>{escape(choice.fixed.name)}</text>")
    return _svg(drawn)


def _shots(report: ComplexityReport, choices: Sequence[RungChoice]) -> str:
    seconds = float(1 / report.frame_rate.fraction)
    start, end = report.shots[0].start, report.shots[-1].end
    crfs = [shot.crf for choice in choices for shot in choice.shots]
    across = _scale(0, (end - start) * seconds, _MARGIN, _WIDTH - 20)
    up = _scale(min(crfs) - 1, max(crfs) + 1, _HEIGHT - _MARGIN, 20)
    drawn = [_axes("seconds", "CRF"), *_ticks(across, up, [], crfs)]
    for number, choice in enumerate(choices):
        colour = _COLOURS[number % len(_COLOURS)]
        steps = [
            (across((frame - start) * seconds), up(shot.crf))
            for shot in choice.shots
            for frame in (shot.start, shot.end)
        ]
        drawn.append(_line(steps, colour))
        drawn.append(
            f'<text x="{_WIDTH - 120}" y="{30 + 18 * number}" fill="{colour}">{escape(choice.fixed.name)}</text>'
        )
    return _svg(drawn)


def _scale(low: float, high: float, at_low: float, at_high: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: at_low + (value - low) / span * (at_high - at_low)


def _ticks(
    across: Callable[[float], float], up: Callable[[float], float], logs: Sequence[float], ups: Sequence[float]
) -> list[str]:
    rates = [100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000]
    low, high = (min(logs), max(logs)) if logs else (1.0, 0.0)
    drawn = [
        f'<text x="{across(math.log10(rate)):.0f}" y="{_HEIGHT - _MARGIN + 18}">{rate / 1e6:g}M</text>'
        for rate in rates
        if low <= math.log10(rate) <= high
    ]
    step = 10 if max(ups) - min(ups) > 25 else 2  # noqa: PLR2004 - so that five lines or so are labelled
    first = math.ceil(min(ups) / step) * step
    marks = range(first, math.ceil(max(ups)) + 1, step)
    return drawn + [f'<text x="{_MARGIN - 30}" y="{up(mark) + 4:.0f}">{mark}</text>' for mark in marks]


def _axes(across: str, up: str) -> str:
    corner = f"M{_MARGIN} 20V{_HEIGHT - _MARGIN}H{_WIDTH - 20}"
    return (
        f'<path d="{corner}" fill="none" stroke="#888"/>'
        f'<text x="{_WIDTH // 2 - 60}" y="{_HEIGHT - 12}">{across}</text><text x="8" y="16">{up}</text>'
    )


def _line(places: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _svg(parts: Iterable[str]) -> str:
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'
