"""How much memory a job's ffmpeg takes at most, reckoned from what it encodes. Pure.

Peak resident memory grows with the pictures that decoder, filters and encoders hold at once, and with nothing else: not
with the length of the chunk. The figures are fitted to those of ``bench/chunk_memory.py`` (presets of the catalogue,
one thread an encoder) and lie above them, except where it says so.
"""

from collections.abc import Collection

from encoders.documents import AudioJob, VideoJob, VideoOutput
from encoders.picture import largest_sdr, needs_tone_map
from profiles.models import VideoCodec
from profiles.select import display_size

__all__ = ["job_memory"]

_MIB = 1 << 20
_BASE = 90 * _MIB
_SOUND = 90 * _MIB
"""52 MiB were measured for three renditions of 5.1, for 20 s and for two minutes."""
_DECODED_A_PIXEL = 30
_TONE_MAP_A_PIXEL = 60
_ENCODER = {
    VideoCodec.X264: (20 * _MIB, 180),
    VideoCodec.X265: (60 * _MIB, 270),
    VideoCodec.VP9: (20 * _MIB, 115),
    VideoCodec.SVT_AV1: (60 * _MIB, 190),
}
"""Bytes of an encoder, and for each pixel of its picture."""
_NVENC = (250 * _MIB, 12)
"""Main memory beside the GPU's own: a guess, not measured."""


def job_memory(job: VideoJob | AudioJob, rungs: Collection[str] | None = None) -> int:
    """Bytes, an upper estimate; of only some of a video job's outputs when their ``rungs`` are named."""
    if isinstance(job, AudioJob):
        return _SOUND
    width, height = display_size(job.track)
    total = _BASE + int(width * height) * _DECODED_A_PIXEL
    largest = job.tone_map_size or largest_sdr([output.rung for output in job.outputs], job.track)
    mapped = largest if needs_tone_map(job.track) else None
    if mapped:
        total += mapped[0] * mapped[1] * _TONE_MAP_A_PIXEL
    return total + sum(_encoder_memory(output) for output in job.outputs if rungs is None or output.rung.name in rungs)


def _encoder_memory(output: VideoOutput) -> int:
    constant, a_pixel = _NVENC if output.encoder == "gpu" else _ENCODER[output.rung.codec]
    return constant + output.rung.width * output.rung.height * a_pixel
