"""Loudness: measured on each rung's own mix, then corrected by one constant gain (EBU R 128). Pure.

A constant gain keeps the dynamics of the mix. Gating is that of ITU-R BS.1770-4, over everything that is heard. A gate
on dialogue needs to know where somebody speaks, and FFmpeg has no detector of speech; but AC-3 and E-AC-3 masters state
the loudness of their dialogue (dialnorm), and that figure is taken where a rung asks for it.
"""

import re
from collections.abc import Mapping
from math import log10
from typing import Literal

from profiles.models import AudioRung
from telecine.media import AudioTrack
from telecine.rendition import Loudness

__all__ = ["further_gain", "gain_for", "gate_of", "read_figure", "read_loudness"]

_SILENCE_LUFS = -70.0
"""The absolute gate: what is measured as this was never above it."""

_TOLERANCE_LU = 0.5
"""EBU R 128 for programmes whose loudness cannot be met exactly."""

_MOST_MORE_DB = 3.0
"""More would be limiting that is heard; what is still missing then is told by the report."""

_STATED_BY_NOBODY = -31
"""The dialnorm that encoders write unless they are told, and that asks players for no change."""


def read_figure(log_text: str) -> float | None:
    """The last figure of a measurement's log; None where none is finite, as the peak of digital silence."""
    found = re.findall(r"^lavfi\.r128\.\w+=(-?\d+(?:\.\d+)?)$", log_text, re.MULTILINE)
    return float(found[-1]) if found else None


def read_loudness(logs: Mapping[str, str]) -> Loudness:
    """The figures of one mix from the ends of its logs: integrated, range and peak; the absolute gate for silence."""
    integrated, spread, peak = (read_figure(logs[name]) for name in ("integrated", "range", "peak"))
    return Loudness(
        integrated_lufs=_SILENCE_LUFS if integrated is None else integrated,
        range_lu=spread or 0.0,
        true_peak_dbtp=round(20 * log10(peak), 1) if peak else _SILENCE_LUFS,  # the meter logs it as a ratio
    )


def gate_of(rung: AudioRung, track: AudioTrack) -> Literal["programme", "dialogue"]:
    """What a rung's gain is reckoned from: dialogue where it asks so and the master says how loud that is."""
    stated = track.dialnorm_lkfs is not None and track.dialnorm_lkfs != _STATED_BY_NOBODY
    return "dialogue" if rung.loudness_gate == "dialogue" and stated else "programme"


def gain_for(rung: AudioRung, track: AudioTrack, integrated_lufs: float) -> float | None:
    """Decibels that bring a mix to the rung's loudness; None where the rung asks for none, or all is silence."""
    if rung.loudness_lufs is None or integrated_lufs <= _SILENCE_LUFS:
        return None
    spoken = track.dialnorm_lkfs
    if gate_of(rung, track) == "dialogue" and spoken is not None:
        return round(rung.loudness_lufs - spoken, 2)
    return round(rung.loudness_lufs - integrated_lufs, 2)


def further_gain(first_db: float, gain_db: float, missing_db: float) -> float | None:
    """A gain that makes up for what holding the peaks took; None where the loudness is met, or no more may be added.

    ``first_db`` is what the mix itself asked for, ``gain_db`` what was given, ``missing_db`` what still lacks.
    """
    if abs(missing_db) <= _TOLERANCE_LU:
        return None
    more = round(min(gain_db + missing_db, first_db + _MOST_MORE_DB), 2)
    return more if more > gain_db else None
