"""What must be done to a source picture before it is encoded as SDR video. Pure."""

from profiles.select import display_size
from telecine.media import VideoTrack

__all__ = ["is_rgb", "needs_tone_map", "sdr_colour"]

_HDR_TRANSFERS = {"smpte2084", "arib-std-b67"}
_RGB = ("gbr", "rgb", "bgr", "argb", "abgr")
_SD_LINES = 576
_PAL_LINES = 288


def needs_tone_map(track: VideoTrack) -> bool:
    """Whether the source is HDR (PQ of SMPTE ST 2084, or HLG of ARIB STD-B67)."""
    return track.colour.transfer in _HDR_TRANSFERS


def is_rgb(track: VideoTrack) -> bool:
    """Whether samples are red, green and blue, so that a matrix to luma and chroma must be chosen."""
    return track.pixel_format.startswith(_RGB)


def sdr_colour(track: VideoTrack) -> tuple[str, str, str]:
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
