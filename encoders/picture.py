"""What must be done to a source picture before it is encoded, and how what comes out is described. Pure."""

from collections.abc import Sequence

from profiles.models import VideoCodec, VideoRung
from profiles.select import display_size, dynamic_range
from telecine.media import VideoTrack

__all__ = ["is_rgb", "keeps_hdr", "largest_sdr", "needs_tone_map", "output_colour", "output_format"]

_RGB = ("gbr", "rgb", "bgr", "argb", "abgr")
_SD_LINES = 576
_PAL_LINES = 288


def needs_tone_map(track: VideoTrack) -> bool:
    """Whether the source is HDR (PQ of SMPTE ST 2084, or HLG of ARIB STD-B67)."""
    return dynamic_range(track) != "SDR"


def is_rgb(track: VideoTrack) -> bool:
    """Whether samples are red, green and blue, so that a matrix to luma and chroma must be chosen."""
    return track.pixel_format.startswith(_RGB)


def keeps_hdr(track: VideoTrack, rung: VideoRung) -> bool:
    """Whether the rung shows the source's own HDR."""
    return rung.dynamic_range == "source" and needs_tone_map(track)


def largest_sdr(rungs: Sequence[VideoRung], track: VideoTrack) -> tuple[int, int] | None:
    """Size at which an HDR source is tone-mapped, once: that of the largest SDR rung; None when every rung is HDR."""
    return max(((rung.width, rung.height) for rung in rungs if not keeps_hdr(track, rung)), default=None)


def output_format(track: VideoTrack, rung: VideoRung) -> str:
    """Sample format of a rung: 10 bits for HDR, and wherever 10 bits cost no device (HEVC and AV1, main profiles)."""
    deep = keeps_hdr(track, rung) or rung.codec in {VideoCodec.X265, VideoCodec.SVT_AV1}
    return "yuv420p10le" if deep else "yuv420p"


def output_colour(track: VideoTrack, rung: VideoRung) -> tuple[str, str, str]:
    """Primaries, transfer and matrix to write into a rung, as FFmpeg names them."""
    if keeps_hdr(track, rung):
        colour, matrix = track.colour, None if is_rgb(track) else track.colour.matrix
        return colour.primaries or "bt2020", colour.transfer or "smpte2084", matrix or "bt2020nc"
    return _sdr_colour(track)


def _sdr_colour(track: VideoTrack) -> tuple[str, str, str]:
    """Primaries, transfer and matrix to write into every rung, as FFmpeg names them.

    What the source says is kept. Where it is silent, players guess by the size of each rung and would show 480p in
    other colours than 1080p: so the guess is made once, from the source's lines.
    """
    if needs_tone_map(track):
        return "bt709", "bt709", "bt709"
    if min(display_size(track)) > _SD_LINES or is_rgb(track):
        guess = ("bt709", "bt709", "bt709")
    elif track.height % _PAL_LINES == 0:
        guess = ("bt470bg", "smpte170m", "bt470bg")
    else:
        guess = ("smpte170m", "smpte170m", "smpte170m")
    said = (track.colour.primaries, track.colour.transfer, track.colour.matrix)
    primaries, transfer, matrix = (
        own if own and own != "gbr" else fallback for own, fallback in zip(said, guess, strict=True)
    )
    return primaries, transfer, matrix
