"""What x264 and x265 have in common of how bits are spread: inside pictures, and between shots (zones). Pure."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from encoders.documents import Chunk, ShotCrf
from profiles.models import VideoCodec, VideoRung

__all__ = ["mean_crf", "tuning_parameters", "zones"]

_WHOLE_CRF = {VideoCodec.VP9, VideoCodec.SVT_AV1}
"""Encoders whose CRF is a whole number."""


def tuning_parameters(
    rung: VideoRung, chunk: Chunk, shots: Sequence[ShotCrf], plain: Mapping[str, str]
) -> dict[str, str]:
    """Parameters besides FFmpeg's options; ``plain`` are those that leave psychovisual optimisation out."""
    parameters = {} if rung.psychovisual else dict(plain)
    if rung.aq_strength is not None:
        parameters["aq-strength"] = f"{rung.aq_strength:g}"
    if rung.b_frames is not None:
        parameters["bframes"] = str(rung.b_frames)
    told = zones(rung.crf, chunk, shots)
    return parameters | ({"zones": told} if told else {})


def zones(crf: float, chunk: Chunk, shots: Sequence[ShotCrf]) -> str:
    """The ``zones`` parameter, empty where every shot has the rung's CRF.

    A zone's factor divides the quantiser's scale, which doubles every 6 steps of CRF.
    """
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
