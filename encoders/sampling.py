"""Which frames of a title its quality is measured on. Pure."""

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Sampling", "choose_sampling"]

_EVERY_FRAME_S = 10
_WHOLE_S = 300
"""A title up to this long is decoded whole; of a longer one only windows are, so that the cost stays the same."""

_ENOUGH_FRAMES = 300
_WINDOWS = 40
_WINDOW_FRAMES = 9
_PIECE_FRAMES = 3600
"""A measure's log holds so many frames at most, however long the title is."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Windows [start, end) of output frames, of which every ``every``-th is measured.

    ``run_in``: the first picture of each window is not counted, since measures of motion have nothing before it.
    """

    windows: tuple[tuple[int, int], ...]
    every: int
    run_in: bool = False

    @property
    def frames(self) -> int:
        """How many frames are counted."""
        return sum(self.counted(window) for window in self.windows)

    def counted(self, window: tuple[int, int]) -> int:
        """How many frames of a window are counted."""
        return -(-(window[1] - window[0]) // self.every) - self.run_in

    def numbers(self, window: tuple[int, int]) -> range:
        """Which frames of a window are counted."""
        return range(window[0] + self.run_in * self.every, window[1], self.every)


def choose_sampling(first: int, total: int, rate: Fraction, subsample: int) -> Sampling:
    """Every ``subsample``-th frame of the whole title in pieces; 0 chooses by length.

    Then: every frame of a few seconds, about 300 evenly of some minutes, and 320 in 40 windows spread over more.
    """
    if not subsample and total > _WHOLE_S * rate:
        last = total - _WINDOW_FRAMES
        starts = [first + last * position // (_WINDOWS - 1) for position in range(_WINDOWS)]
        return Sampling(tuple((start, start + _WINDOW_FRAMES) for start in starts), 1, run_in=True)
    every = subsample or (1 if total <= _EVERY_FRAME_S * rate else max(1, round(total / _ENOUGH_FRAMES)))
    # without a choice the whole fits one log; whole strides, so that pieces do not change which frames are taken
    length = max(every, (_PIECE_FRAMES * every if subsample else total + every) // every * every)
    edges = range(first, first + total, length)
    return Sampling(tuple((start, min(start + length, first + total)) for start in edges), every)
