"""Which source picture an encoded picture shows, told by small grey signatures of both. Pure.

Pictures are compared by correlation, so that neither a tone curve nor coding noise matters, only what moved.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Literal

__all__ = ["HEIGHT", "REACH", "SHIFTS", "WIDTH", "Verdict", "judge", "signatures"]

WIDTH, HEIGHT = 64, 36
REACH = 3
"""Pictures looked at on each side of a join."""

SHIFTS = 2
"""Pictures by which a chunk could be shifted and still be found out; more shows as no likeness at all."""

_CLEARLY = 0.8
"""A shift explains the pictures better only when it leaves less than this part of the difference."""

Signature = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``still``: nothing moved, so that no picture can be told from its neighbours."""

    found: Literal["aligned", "still", "shifted"]
    shift: int = 0


def signatures(raw: bytes) -> list[Signature]:
    """Signatures of 8-bit grey pictures of WIDTH x HEIGHT: mean 0, length 1."""
    size = WIDTH * HEIGHT
    return [_normalised(raw[at : at + size]) for at in range(0, len(raw) - size + 1, size)]


def _normalised(picture: bytes) -> Signature:
    mean = sum(picture) / len(picture)
    centred = [value - mean for value in picture]
    length = math.sqrt(sum(map(mul, centred, centred))) or 1.0
    return tuple(value / length for value in centred)


def judge(encoded: Sequence[Signature], source: Sequence[Signature], positions: Sequence[int]) -> Verdict:
    """Judge the pictures at ``positions`` of two equally long runs that should show the same.

    Positions whose shifted counterpart lies outside of the run are left out.
    """
    usable = [at for at in positions if SHIFTS <= at < len(source) - SHIFTS]
    costs = {
        shift: sum(1 - sum(map(mul, encoded[at], source[at + shift])) for at in usable)
        for shift in range(-SHIFTS, SHIFTS + 1)
    }
    best = min(costs, key=lambda shift: (costs[shift], abs(shift)))
    others = min(cost for shift, cost in costs.items() if shift)
    if costs[best] < costs[0] * _CLEARLY:
        return Verdict("shifted", best)
    return Verdict("aligned" if costs[0] < others * _CLEARLY else "still")
