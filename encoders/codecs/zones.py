"""Zones of x264 and x265: stretches of one encode with a quality of their own. Pure."""

from collections.abc import Sequence
from fractions import Fraction

from encoders.documents import Chunk, ShotCrf
from profiles.models import VideoCodec, VideoRung

__all__ = ["mean_crf", "zones"]

_WHOLE_CRF = {VideoCodec.VP9, VideoCodec.SVT_AV1}
"""Encoders whose CRF is a whole number."""


def zones(crf: float, chunk: Chunk, shots: Sequence[ShotCrf]) -> str:
    """The ``zones`` parameter. A zone's factor divides the quantiser's scale, which doubles every 6 steps of CRF."""
    inside = [shot for shot in shots if shot.crf != crf]
    return "/".join(
        f"{shot.start - chunk.start},{shot.end - 1 - chunk.start},b={2 ** ((crf - shot.crf) / 6):.4f}"
        for shot in inside
    )


def mean_crf(rung: VideoRung, chunk: Chunk, shots: Sequence[ShotCrf]) -> float:
    """One CRF for a whole chunk, by the length of its shots: for encoders that know no zones."""
    told = sum((shot.end - shot.start) * Fraction(shot.crf) for shot in shots)
    untold = chunk.frames - sum(shot.end - shot.start for shot in shots)
    mean = float((told + untold * Fraction(rung.crf)) / chunk.frames)
    return round(mean) if rung.codec in _WHOLE_CRF else round(mean, 2)
