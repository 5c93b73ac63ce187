"""H.264 by x264: capped constant quality on a fixed key-frame grid, the same bytes on every run."""

from collections.abc import Mapping
from fractions import Fraction

from profiles.models import VideoRung

__all__ = ["level_for", "plain", "video_options"]

_PLAIN = {"no-psy": "1", "aq-mode": "3", "aq-strength": "0.4", "bframes": "5"}
_ALL_TRELLIS = {"slow", "slower", "veryslow", "placebo"}

# ITU-T H.264 (08/2021), table A-1: level, macroblocks a second, macroblocks a frame, High profile bits a second
_LEVELS = (
    ("3.0", 40_500, 1_620, 12_500_000),
    ("3.1", 108_000, 3_600, 17_500_000),
    ("3.2", 216_000, 5_120, 25_000_000),
    ("4.0", 245_760, 8_192, 25_000_000),
    ("4.1", 245_760, 8_192, 62_500_000),
    ("4.2", 522_240, 8_704, 62_500_000),
    ("5.0", 589_824, 22_080, 168_750_000),
    ("5.1", 983_040, 36_864, 300_000_000),
    ("5.2", 2_073_600, 36_864, 300_000_000),
)
_LARGEST = "6.2"
_LOOKAHEAD_FRAMES = "20"


def plain(preset: str) -> dict[str, str]:
    """Parameters for fidelity to the source: no psychovisual optimisation, less adaptive quantisation but more in the
    dark (where banding shows), longer runs of B-frames; see docs/quality.md for what each brings.

    Trellis quantisation in every mode decision, as slow presets have it, is a sixth of their CPU for 0.1 VMAF: final
    blocks only. ultrafast, which has none of all this, stays as it is.
    """
    if preset == "ultrafast":
        return {}
    return _PLAIN | ({"trellis": "1"} if preset in _ALL_TRELLIS else {})


def level_for(width: int, height: int, rate: Fraction, max_bps: int) -> str:
    """The lowest level whose picture size, macroblock rate and bit rate hold this rung."""
    blocks = -(-width // 16) * -(-height // 16)
    for level, blocks_a_second, blocks_a_frame, bits_a_second in _LEVELS:
        if blocks <= blocks_a_frame and blocks * rate <= blocks_a_second and max_bps <= bits_a_second:
            return level
    return _LARGEST


def video_options(
    rung: VideoRung, rate: Fraction, gop_frames: int, threads: int, *, tuning: Mapping[str, str]
) -> dict[str, str]:
    """FFmpeg output options of one video rung; ``tuning`` as ``zones.tuning_parameters`` gives it."""
    gop = str(gop_frames)
    return {
        "c:v": "libx264",
        "preset": rung.preset,
        "profile:v": "high",
        "level:v": level_for(rung.width, rung.height, rate, rung.max_bps),
        "pix_fmt": "yuv420p",
        "crf": f"{rung.crf:g}",
        "maxrate": str(rung.max_bps),
        # one second of VBV: with two, chunks joined end to end underflow it (each starts from a full buffer)
        "bufsize": str(rung.max_bps),
        "g": gop,
        "keyint_min": gop,
        # a scene-cut key frame would restart the GOP counter and break segment alignment across rungs
        "sc_threshold": "0",
        # closed GOPs: a player that switches rungs has no pictures of the GOP before; bitexact: no version strings
        "flags": "+cgop+bitexact",
        # in closed GOPs of two seconds, looking further ahead finds nothing more: at equal VMAF 2 % fewer bits
        # than with the 50 of preset slow, at 3 % less CPU and less memory
        "rc-lookahead": _LOOKAHEAD_FRAMES,
        # x264's rate control looks ahead by threads, so their number shapes the bytes and comes from the plan
        "threads": str(threads),
        **({"x264-params": ":".join(f"{name}={value}" for name, value in tuning.items())} if tuning else {}),
    }
