"""H.264, HEVC (Main 10) and AV1 (10 bits) by NVENC: capped quality in a VBR, on a fixed key-frame grid.

NVENC gives other bytes on another GPU generation or driver; the digest of its outputs names the encoder and all
parameters, so they are never mistaken for the CPU's. Static HDR10 metadata reaches it with the pictures (FFmpeg has no
option for it), so an HDR rung has its pictures to itself, behind no split.
"""

from fractions import Fraction

from encoders.codecs.x264 import level_for
from profiles.models import VideoCodec, VideoRung

__all__ = ["ENCODERS", "pixel_format", "video_options"]

ENCODERS = {VideoCodec.X264: "h264_nvenc", VideoCodec.X265: "hevc_nvenc", VideoCodec.SVT_AV1: "av1_nvenc"}
"""NVENC's encoder of each codec it has."""

_LOOKAHEAD = 20


def pixel_format(rung: VideoRung) -> str:
    """NVENC takes semi-planar samples: 8 bits for H.264, 10 otherwise."""
    return "nv12" if rung.codec is VideoCodec.X264 else "p010le"


def video_options(rung: VideoRung, rate: Fraction, gop_frames: int) -> dict[str, str]:
    """FFmpeg output options of one video rung. Raises KeyError for a codec NVENC does not have (the schema forbids)."""
    gop = str(gop_frames)
    quality = rung.crf if rung.hardware_cq is None else rung.hardware_cq
    return {
        "c:v": ENCODERS[rung.codec],
        "preset": rung.hardware_preset,
        "tune": "hq",
        **_codec_options(rung, rate),
        "rc": "vbr",
        "cq": f"{quality:g}",
        "b:v": "0",  # the quality decides below the cap; a rate here would be aimed at
        "maxrate": str(rung.max_bps),
        # one second, as for x264: chunks joined end to end must not underflow
        "bufsize": str(rung.max_bps),
        "g": gop,
        "forced-idr": "1",
        # with a look-ahead NVENC inserts I frames at scene cuts otherwise, off the grid
        "no-scenecut": "1",
        "strict_gop": "1",
        "rc-lookahead": str(_LOOKAHEAD),
        "bf": "3",
        "b_ref_mode": "middle",
        "spatial-aq": "1",
        "temporal-aq": "1",
        "multipass": "fullres",
        "flags": "+cgop+bitexact",
    }


def _codec_options(rung: VideoRung, rate: Fraction) -> dict[str, str]:
    match rung.codec:
        case VideoCodec.X264:
            return {"profile:v": "high", "level:v": level_for(rung.width, rung.height, rate, rung.max_bps)}
        case VideoCodec.X265:
            return {"profile:v": "main10", "tier": "main", "tag:v": "hvc1"}
        case _:
            return {"tier": "0"}
