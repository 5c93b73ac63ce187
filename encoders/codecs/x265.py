"""HEVC by x265, Main 10: capped constant quality on a fixed key-frame grid, the same bytes on every run."""

from collections.abc import Mapping
from types import MappingProxyType

from profiles.models import VideoRung

__all__ = ["PLAIN", "video_options"]

PLAIN = {"psy-rd": "0", "psy-rdoq": "0"}
"""Parameters that leave out what eyes like and no metric counts."""


def video_options(
    rung: VideoRung,
    gop_frames: int,
    threads: int,
    *,
    pq: bool,
    light: Mapping[str, str],
    tuning: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """FFmpeg output options of one video rung. ``pq``: ``light``, static HDR10 metadata, goes into SEI.

    ``tuning`` as ``zones.tuning_parameters`` gives it.
    """
    kilobits = rung.max_bps // 1000
    parameters = {
        "crf": f"{rung.crf:g}",
        "vbv-maxrate": str(kilobits),
        # one second, as for x264: chunks joined end to end must not underflow
        "vbv-bufsize": str(kilobits),
        "keyint": str(gop_frames),
        "min-keyint": str(gop_frames),
        "scenecut": "0",
        "open-gop": "0",
        "high-tier": "0",  # the main tier is what devices decode; the level rises to what the cap needs
        # every key frame carries its parameter sets and SEI: the packager drops the boxes that hold them otherwise
        "repeat-headers": "1",
        "info": "0",  # no version and options in the stream
        "log-level": "error",
        # frame threads under a VBV are not repeatable, nor are rows that run ahead of one another
        "frame-threads": "1",
        **({"pools": "none"} if threads == 1 else {"pools": str(threads)}),
        **tuning,
        **({"hdr10": "1", "hdr10-opt": "1", **light} if pq else {}),
    }
    return {
        "c:v": "libx265",
        "preset": rung.preset,
        "profile:v": "main10",
        "pix_fmt": "yuv420p10le",
        # players of Apple take parameter sets from the sample entry only
        "tag:v": "hvc1",
        "flags": "+bitexact",
        "x265-params": ":".join(f"{name}={value}" for name, value in parameters.items()),
    }
