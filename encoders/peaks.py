"""What a delivery segment may weigh, what encoders are told so that it holds, how one too heavy is made lighter.

A rung's cap is what players plan with: no segment may need more of the line. That is the peak segment bit rate of
RFC 8216, 4.3.4.2: the largest of any contiguous segments that last half to one and a half times a full one. Pure.
"""

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

from encoders.documents import VideoOutput
from profiles.models import VideoCodec, VideoRung

__all__ = ["heaviest_load", "lighter", "told"]

_DRAWN = Fraction(1, 2)
"""Seconds of its VBV's one a hard segment takes beyond the rate, measured on scenes that stay at the cap."""

_MARGIN = Fraction(98, 100)
_SOFT_CAPS = {VideoCodec.VP9, VideoCodec.SVT_AV1}
_BITS_A_STEP = 0.04
"""One step of the CRF scale of libvpx and SVT-AV1 changes the bits by about so much."""
_LARGEST_CRF = 63


def told(rung: VideoRung, segment_s: Fraction) -> VideoRung:
    """The rung as an encoder is told it: a full buffer and the rate together must fit into the segment's cap."""
    return rung.model_copy(update={"max_bps": int(rung.max_bps * segment_s / (segment_s + _DRAWN))})


def heaviest_load(sizes: Sequence[int], segment_frames: int, rate: Fraction, max_bps: int) -> Fraction:
    """Bits of the heaviest segment over what the cap allows it; ``sizes`` in bytes, in order of presentation.

    A last segment shorter than half of a full one counts together with the one before; where there is none, as half.
    """
    ends = [*range(segment_frames, len(sizes), segment_frames), len(sizes)]
    if len(ends) > 1 and ends[-1] - ends[-2] < Fraction(segment_frames, 2):
        del ends[-2]
    spans = itertools.pairwise([0, *ends])
    loads = (
        Fraction(sum(sizes[start:end]) * 8) * rate / (max_bps * max(Fraction(end - start), Fraction(segment_frames, 2)))
        for start, end in spans
    )
    return max(loads)


def lighter(output: VideoOutput, load: Fraction) -> VideoOutput:
    """The output for another try, after a segment came out ``load`` times too heavy."""
    rung = output.rung
    steps = math.ceil(math.log(load / _MARGIN) / _BITS_A_STEP) if rung.codec in _SOFT_CAPS else 0
    softer = {"max_bps": int(rung.max_bps * _MARGIN / load), "crf": min(_LARGEST_CRF, rung.crf + steps)}
    shots = (shot.model_copy(update={"crf": min(_LARGEST_CRF, shot.crf + steps)}) for shot in output.shots)
    return output.model_copy(update={"rung": rung.model_copy(update=softer), "shots": tuple(shots)})
