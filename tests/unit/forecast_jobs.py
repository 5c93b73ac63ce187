"""Encode jobs that nobody encodes, for tests of what they cost."""

from fractions import Fraction

from encoders.documents import Chunk, VideoJob, VideoOutput
from profiles.models import VideoRung
from telecine.media import Colour, FrameRate, Master, VideoTrack

MASTER = Master(uri="file:///m.mov", size_bytes=1, sha256="c" * 64)


def rung(name="a", codec="x264", width=640, height=360, preset="slow"):
    return VideoRung(name=name, codec=codec, width=width, height=height, crf=20, max_bps=10**6, preset=preset)


def video(*rungs, frames=100, transfer="bt709", rate=24, width=1920, height=1080):
    track = VideoTrack(
        index=0, codec="prores", width=width, height=height, pixel_format="yuv422p10le", bit_depth=10,
        frame_rate=FrameRate(numerator=rate, denominator=1), colour=Colour(transfer=transfer), start=0, duration=9,
        packets=99,
    )  # fmt: skip
    return VideoJob(
        digest="d", master=MASTER, track=track, frame_rate=track.frame_rate, gop_frames=24, threads=1,
        chunk=Chunk(index=0, start=0, end=frames), preroll_s=Fraction(0),
        outputs=tuple(VideoOutput(rung=one, digest="", key="") for one in rungs or (rung(),)),
    )  # fmt: skip
