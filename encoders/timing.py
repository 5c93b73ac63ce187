"""When the pictures of a track are shown: an exact constant rate, or the lack of one, read from every timestamp."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from telecine.media import Gap

__all__ = ["Cadence", "cadence"]

_NTSC = 1001
STANDARD_RATES = (
    *(Fraction(rate) for rate in (10, 12, 15)),
    *(rate for fps in (24, 30, 48, 60, 120) for rate in (Fraction(fps * 1000, _NTSC), Fraction(fps))),
    *(Fraction(rate) for rate in (25, 50, 100)),
)
"""Rates that displays and players know, frames a second."""

_NEAR = Fraction(1, 10_000)
_LARGEST_RATE = 300
_LARGEST_VARIABLE_RATE = 60
"""A variable source is made constant at no more than this: players gain nothing above it."""

_MOST_GAPS = 100
_FEW = Fraction(1, 20)
"""Steps longer than a frame, of all steps: more of them are a variable rate and nobody's loss."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """Rate and extent of a picture track. A constant track has exactly one picture in each frame of its rate."""

    rate: Fraction
    variable: bool
    start: Fraction
    duration: Fraction
    gaps: tuple[Gap, ...] = ()
    dropped: int = 0


def cadence(
    times: Sequence[int], time_base: Fraction, last_duration: int, candidates: Iterable[Fraction | None]
) -> Cadence:
    """The cadence of presentation ``times`` (sorted ticks of ``time_base``, at least one).

    Headers are only candidates: ffprobe and MediaInfo both call a 30/12/60 file constant. A rate is believed when
    every picture falls into a frame of its own and none stays empty; otherwise the track is variable, and ``rate`` is
    the standard rate nearest to its fast parts.
    """
    start = times[0] * time_base
    for rate in _plausible(candidates, times, time_base):
        if _one_picture_a_frame(times, time_base * rate):
            return Cadence(rate, variable=False, start=start, duration=len(times) / rate)
    rate = _fast_rate(times, time_base)
    held = max(last_duration * time_base, 1 / rate)
    gaps = _gaps(times, time_base, rate)
    return Cadence(
        rate,
        variable=True,
        start=start,
        duration=(times[-1] - times[0]) * time_base + held,
        gaps=gaps[:_MOST_GAPS],
        dropped=sum(gap.frames for gap in gaps),
    )


def _gaps(times: Sequence[int], time_base: Fraction, rate: Fraction) -> tuple[Gap, ...]:
    """Where single pictures are missing from a rate that holds everywhere else; nothing where the rate really varies.

    A step of a rounded clock is off by a tick at each end, so a step counts as regular to within a quarter frame.
    """
    steps = [((before, after), (after - before) * time_base * rate) for before, after in pairwise(times)]
    longer = [(span, round(step) - 1) for span, step in steps if round(step) > 1]
    irregular = sum(1 for _, step in steps if abs(step - round(step)) > Fraction(1, 4) or step < Fraction(1, 2))
    if not longer or len(longer) + irregular > len(steps) * _FEW:
        return ()
    return tuple(Gap(start=a * time_base, end=b * time_base, frames=frames) for (a, b), frames in longer)


def _plausible(
    candidates: Iterable[Fraction | None], times: Sequence[int], time_base: Fraction
) -> tuple[Fraction, ...]:
    named = [rate for rate in candidates if rate and 1 <= rate <= _LARGEST_RATE]
    span = (times[-1] - times[0]) * time_base
    measured = [_nearest((len(times) - 1) / span)] if span > 0 else [Fraction(25)]
    snapped = [
        _nearest(rate) if abs(_nearest(rate) / rate - 1) < _NEAR else rate.limit_denominator(100_000) for rate in named
    ]
    return tuple(dict.fromkeys([*snapped, *measured]))


def _nearest(rate: Fraction) -> Fraction:
    return min(STANDARD_RATES, key=lambda standard: abs(standard / rate - 1))


def _one_picture_a_frame(times: Sequence[int], frames_a_tick: Fraction) -> bool:
    numerator, denominator = 2 * frames_a_tick.numerator, 2 * frames_a_tick.denominator
    half = denominator // 2
    return all(((time - times[0]) * numerator + half) // denominator == position for position, time in enumerate(times))


def _fast_rate(times: Sequence[int], time_base: Fraction) -> Fraction:
    gaps = sorted(after - before for before, after in pairwise(times) if after > before)
    if not gaps:
        return Fraction(25)
    fast = 1 / (gaps[len(gaps) // 10] * time_base)
    return min(_nearest(fast), Fraction(_LARGEST_VARIABLE_RATE))
