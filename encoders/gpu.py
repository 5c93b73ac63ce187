"""Which pictures can stay on the GPU from decoder to encoder, and the filters for them there. Pure.

``fps``, ``settb``, ``trim`` and ``setpts`` only touch timestamps, so the frame grid is cut on the GPU exactly as on the
CPU. What has no form there (tone mapping, turning, RGB, full range) is done on the CPU; NVENC then takes its frames.
"""

from collections.abc import Sequence
from typing import Any

from encoders.codecs.nvenc import pixel_format
from encoders.picture import is_rgb, keeps_hdr, needs_tone_map
from profiles.models import VideoRung
from telecine.media import VideoTrack

__all__ = ["DECODE_OPTIONS", "deinterlaced", "scaled", "stays_on_gpu"]

DECODE_OPTIONS = {"hwaccel": "cuda", "hwaccel_output_format": "cuda"}
"""Input options: decoded by NVDEC, and not copied to main memory."""

_NVDEC_8_BIT = {"h264", "hevc", "av1", "vp9", "mpeg2video"}
_NVDEC_10_BIT = {"hevc", "av1", "vp9"}


def stays_on_gpu(track: VideoTrack, rungs: Sequence[VideoRung]) -> bool:
    """Whether NVDEC and the CUDA filters do for these rungs all that the CPU's filters would."""
    decodable = {"yuv420p": _NVDEC_8_BIT, "yuv420p10le": _NVDEC_10_BIT}.get(track.pixel_format, set())
    plain = track.rotation == 0 and not is_rgb(track) and track.colour.range != "pc"
    mapped = needs_tone_map(track) and not all(keeps_hdr(track, rung) for rung in rungs)
    # the CPU's filters alone cut bars, take film out of fields and can be told a field order that flags do not say
    as_flagged = not track.crop and not track.telecined and not track.scan_flag and track.deinterlace == "fields"
    return plain and as_flagged and track.codec in decodable and not mapped


def deinterlaced(pictures: Any) -> Any:
    """One frame a field, as bwdif on the CPU."""
    return pictures.filter("bwdif_cuda", mode="send_field")


def scaled(branch: Any, rung: VideoRung) -> Any:
    """At the rung's size, in the samples NVENC takes."""
    size = {"w": rung.width, "h": rung.height, "format": pixel_format(rung)}
    return branch.filter("scale_cuda", **size, interp_algo="bicubic").filter("setsar", 1)
