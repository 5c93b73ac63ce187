"""What makes a master unfit, told by a probe alone."""

from fractions import Fraction

import pytest

from encoders.qualify import qualify
from telecine.errors import SourceRejected
from telecine.media import AudioTrack, FrameRate, Master, Probe, VideoTrack


def a_probe(video=(), **changes):
    track = VideoTrack(**{
        "index": 0, "codec": "h264", "width": 640, "height": 360, "pixel_format": "yuv420p", "bit_depth": 8,
        "frame_rate": FrameRate(numerator=24, denominator=1), "start": 0, "duration": 10, "packets": 240, **dict(video),
    })  # fmt: skip
    sound = AudioTrack(
        index=1, codec="aac", channels=2, layout="stereo", sample_rate_hz=48_000, start=0, duration="101/10"
    )
    asked = {
        "master": Master(uri="file:///films/A%20film.mov", size_bytes=1, sha256="0" * 64), "container": "mov,mp4",
        "duration": "101/10", "video": (track,), "audio": (sound,),
        "first_frames_decoded": 48, "last_frames_decoded": 48,
    }  # fmt: skip
    return Probe(**(asked | changes))


def test_a_sound_master_passes_unchanged():
    probe = a_probe()
    assert qualify(probe) is probe


def test_interlaced_variable_and_hdr_sources_are_welcome():
    assert qualify(a_probe({"interlaced": True, "variable_frame_rate": True, "colour": {"transfer": "smpte2084"}}))


@pytest.mark.parametrize(
    ("probe", "cause"),
    [
        (a_probe().model_copy(update={"video": ()}), "no video track, only 1 audio track"),
        (a_probe({"dynamic": ("dv5",)}), "is Dolby Vision profile 5, which has no base layer"),
        (a_probe({"packets": 0}), "without a single frame"),
        (a_probe({"duration": 0}), "without a single frame"),
        (a_probe({"duration": 90_000}), "claims to be 25 hours long"),
        (a_probe({"codec": "unknown (zzzz)"}), r"codec that is not known here \(zzzz\)"),
        (a_probe({"width": 0}), "how large its picture is"),
        (a_probe(encrypted=True, first_frames_decoded=0), "is encrypted"),
        (a_probe(duration=14), "is cut short: it promises 14.0 s and holds 10.1 s"),
        (a_probe(decode_errors=("track 0 ends early: 240 samples are listed",)), "is cut short: track 0 ends early"),
        (a_probe(decode_errors=("no decoder",), first_frames_decoded=0), r"decode at its start \(h264: no decoder\)"),
        (a_probe(last_frames_decoded=0), "does not decode at its end"),
        (a_probe(decode_errors=("[h264] error while decoding MB",)), "is damaged"),
        (a_probe(container="hls"), "is a playlist"),
        (a_probe(container="png_pipe"), "still picture"),
    ],
)
def test_each_fault_is_one_sentence_that_names_the_file_and_the_cause(probe, cause):
    with pytest.raises(SourceRejected, match=cause) as refused:
        qualify(probe)
    assert len(refused.value.reasons) == 1
    assert str(refused.value).startswith("The master A film.mov ")


def test_rounded_container_durations_are_no_loss():
    assert qualify(a_probe(duration=Fraction("10.5")))


def test_a_clock_that_starts_late_is_no_loss():
    late = {"start": 100, "duration": 10}
    probe = a_probe(late, audio=(), duration=10)
    assert qualify(probe) is probe
