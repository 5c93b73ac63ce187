"""AV1 by SVT-AV1, Main profile in 10 bits: capped constant quality on a fixed key-frame grid."""

from profiles.models import VideoRung

__all__ = ["video_options"]


def video_options(rung: VideoRung, gop_frames: int, threads: int) -> dict[str, str]:
    """FFmpeg output options of one video rung; ``preset`` is 0 (slowest) to 13.

    HDR10's light levels are not among them: the packager fails on metadata OBUs, so they go into boxes.
    """
    parameters = {
        "scd": "0",
        "lp": str(threads),  # SVT's level of parallelism
        "tune": "0" if rung.psychovisual else "1",  # for eyes, or for fidelity
        # matrices that spend less on high frequencies, and layers of B-frames nearer to each other in quality: on Big
        # Buck Bunny about a tenth fewer bits at equal VMAF, at no more CPU
        "enable-qm": "1",
        "qm-min": "0",
        "qp-scale-compress-strength": "2",
    }
    gop = str(gop_frames)
    return {
        "c:v": "libsvtav1",
        "preset": rung.preset,
        "pix_fmt": "yuv420p10le",
        "crf": f"{rung.crf:g}",
        "maxrate": str(rung.max_bps),
        "bufsize": str(rung.max_bps),
        "g": gop,
        "flags": "+bitexact+cgop",
        "svtav1-params": ":".join(f"{name}={value}" for name, value in parameters.items()),
    }
