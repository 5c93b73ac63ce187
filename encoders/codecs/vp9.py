"""VP9 by libvpx: constrained quality on a fixed key-frame grid; profile 0 for SDR, profile 2 (10 bits) for HDR."""

from profiles.models import VideoRung

__all__ = ["video_options"]


def video_options(rung: VideoRung, gop_frames: int, threads: int, pixel_format: str) -> dict[str, str]:
    """FFmpeg output options of one video rung; ``preset`` is libvpx's cpu-used, 0 (slowest) to 8."""
    gop = str(gop_frames)
    return {
        "c:v": "libvpx-vp9",
        "deadline": "good",
        "cpu-used": rung.preset,
        "profile:v": "0" if pixel_format == "yuv420p" else "2",
        "pix_fmt": pixel_format,
        "crf": f"{rung.crf:g}",
        # with a rate besides the CRF, libvpx caps: the largest of what the quality asks for and what the rate allows
        "b:v": str(rung.max_bps),
        "maxrate": str(rung.max_bps),
        "bufsize": str(rung.max_bps),
        "g": gop,
        "keyint_min": gop,
        "row-mt": "0" if threads == 1 else "1",
        "flags": "+bitexact",
        "threads": str(threads),
    }
