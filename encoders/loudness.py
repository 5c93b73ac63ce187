"""Integrated loudness: measured on each rung's own mix, then corrected by one constant gain (EBU R 128). Pure.

A constant gain keeps the dynamics of the mix. Gating is that of ITU-R BS.1770-4, over everything that is heard; a gate
on dialogue alone would need a speech detector, which FFmpeg does not have.
"""

import re

from profiles.models import AudioRung

__all__ = ["gain_for", "read_integrated"]

_INTEGRATED = re.compile(r"^lavfi\.r128\.I=(-?\d+(?:\.\d+)?)$", re.MULTILINE)
_SILENCE_LUFS = -70.0
"""The absolute gate: what is measured as this was never above it."""


def read_integrated(log_text: str) -> float:
    """The last integrated loudness of a measurement's log, LUFS; the absolute gate where nothing passed it."""
    found = _INTEGRATED.findall(log_text)
    return float(found[-1]) if found else _SILENCE_LUFS


def gain_for(rung: AudioRung, integrated_lufs: float) -> float | None:
    """Decibels that bring a mix to the rung's loudness; None where the rung asks for none, or all is silence."""
    if rung.loudness_lufs is None or integrated_lufs <= _SILENCE_LUFS:
        return None
    return round(rung.loudness_lufs - integrated_lufs, 2)
