"""Dynamic HDR metadata: how it is recognised, which rungs keep it, how it is told."""

import json
from fractions import Fraction

import pytest

from encoders.documents import Chunk, VideoJob
from encoders.dynamic import kept_dynamic, read_dynamic
from encoders.hdr10plus import metadata_file
from profiles.models import VideoRung
from telecine.light_boxes import with_light_boxes
from telecine.media import Colour, ContentLight, FrameRate, Master, MasteringDisplay, VideoTrack

DISPLAY = MasteringDisplay(
    red=("17/25", "8/25"), green=("53/200", "69/100"), blue=("3/20", "3/50"), white=("3127/10000", "329/1000"),
    max_luminance=1000, min_luminance="1/10000",
)  # fmt: skip


def record(profile, base):
    return {"side_data_type": "DOVI configuration record", "dv_profile": profile, "dv_bl_signal_compatibility_id": base}


def a_track(transfer="smpte2084", dynamic=("dv8.1", "hdr10+"), **changes):
    return VideoTrack(**{
        "index": 0, "codec": "hevc", "width": 3840, "height": 2160, "pixel_format": "yuv420p10le", "bit_depth": 10,
        "frame_rate": FrameRate(numerator=24, denominator=1), "start": 0, "duration": 2, "packets": 48,
        "colour": Colour(primaries="bt2020", transfer=transfer, matrix="bt2020nc"), "mastering": DISPLAY,
        "dynamic": dynamic, **changes,
    })  # fmt: skip


def a_rung(codec="x265", width=3840, height=2160, dynamic_range="source"):
    return VideoRung(name="r", codec=codec, width=width, height=height, dynamic_range=dynamic_range, crf=20, max_bps=1)


@pytest.mark.parametrize(
    ("profile", "base", "name"), [(5, 0, "dv5"), (7, 6, "dv7"), (8, 1, "dv8.1"), (8, 4, "dv8.4"), (10, 0, "dv10.0")]
)
def test_dolby_vision_is_named_by_its_configuration_record(profile, base, name):
    assert read_dynamic([record(profile, base)]) == (name,)


def test_hdr10_plus_is_seen_by_either_tool():
    seen = {"side_data_type": "HDR Dynamic Metadata SMPTE2094-40 (HDR10+)"}
    assert read_dynamic([seen]) == read_dynamic([], "SMPTE ST 2094 App 4") == ("hdr10+",)
    assert read_dynamic([{"side_data_type": "Content light level metadata"}], "SMPTE ST 2086") == ()


@pytest.mark.parametrize(
    ("track", "rung", "kept"),
    [
        (a_track(), a_rung(), ("dv8.1", "hdr10+")),
        (a_track(), a_rung(width=1920, height=1080), ("hdr10+",)),
        (a_track(mastering=None), a_rung(), ("hdr10+",)),
        (a_track(), a_rung(dynamic_range="sdr"), ()),
        (a_track(), a_rung("svtav1"), ()),
        (a_track(), a_rung("vp9"), ()),
        (a_track("arib-std-b67", ("dv8.4",), mastering=None), a_rung(), ("dv8.4",)),
        (a_track("arib-std-b67", ("dv8.1",)), a_rung(), ()),
        (a_track(dynamic=("dv7",)), a_rung(), ()),
        (a_track(rotation=90), a_rung(width=2160, height=3840), ("dv8.1", "hdr10+")),
    ],
)
def test_rungs_keep_what_they_can_say_rightly(track, rung, kept):
    assert kept_dynamic(track, rung) == kept


def listed(*frames):
    """What ffprobe lists, names repeated as it does: (ticks, brightest red or None)."""
    side = '{{"side_data_type": "HDR Dynamic Metadata SMPTE2094-40 (HDR10+)", "maxscl": "{}/100000", "maxscl": "2/1"}}'
    spelled = (
        f'{{"best_effort_timestamp": {time}, "side_data_list": [{side.format(red) if red else ""}]}}'
        for time, red in frames
    )
    return f'{{"frames": [{",".join(spelled)}], "streams": [{{"time_base": "1/2400"}}]}}'.encode()


def a_job(start, end, first="0"):
    master = Master(uri="file:///a.mp4", size_bytes=1, sha256="0" * 64)
    return VideoJob(
        digest="0" * 64, master=master, track=a_track(start=first), frame_rate=FrameRate(numerator=24, denominator=1),
        gop_frames=24, chunk=Chunk(index=0, start=start, end=end), threads=1, preroll_s=0, outputs=(),
    )  # fmt: skip


def reds(told):
    return [scene["LuminanceParameters"]["MaxScl"][0] for scene in json.loads(told)["SceneInfo"]]


def test_each_frame_of_a_chunk_gets_the_metadata_of_its_own_time():
    frames = [(frame * 100, 500 + frame) for frame in range(10)]
    assert reds(metadata_file(listed(*frames), a_job(3, 6))) == [503, 504, 505]
    late = [(frame * 100 + 30, 500 + frame) for frame in range(10)]  # the grid is laid through the first picture
    assert reds(metadata_file(listed(*late), a_job(3, 6, first=Fraction(30, 2400)))) == [503, 504, 505]


def test_a_frame_without_metadata_takes_that_of_the_one_before():
    assert reds(metadata_file(listed((0, 500), (100, None), (200, 502)), a_job(0, 4))) == [500, 500, 502, 502]


def test_a_listing_that_starts_too_late_is_refused_unless_the_master_itself_does():
    assert metadata_file(listed((300, 503)), a_job(2, 6)) is None
    assert reds(metadata_file(listed((300, 503)), a_job(2, 6), whole=True)) == [503] * 4
    assert metadata_file(listed((300, None)), a_job(2, 6), whole=True) is None


def test_light_is_written_once_and_every_size_on_the_way_grows():
    def box(kind, body):
        return (8 + len(body)).to_bytes(4) + kind + body

    entry = box(b"vp09", bytes(78) + box(b"vpcC", b"1234"))
    stsd = box(b"stsd", bytes(4) + (1).to_bytes(4) + entry)
    moov = box(b"moov", box(b"mvhd", b"x") + box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", stsd + b"")))))
    light = ContentLight(max_cll=1000, max_fall=400)
    made = with_light_boxes(box(b"ftyp", b"y") + moov, DISPLAY, light)
    assert len(made) == len(box(b"ftyp", b"y") + moov) + 32 + 12
    assert int.from_bytes(made[9:13]) == len(made) - 9
    assert made.endswith(box(b"clli", (1000).to_bytes(2) + (400).to_bytes(2)))
    assert made[made.index(b"mdcv") + 4 :][:8] == b"".join(v.to_bytes(2) for v in (13250, 34500, 7500, 3000))
    assert with_light_boxes(made, DISPLAY, light) == made
    with pytest.raises(ValueError, match="'trak' was expected"):
        with_light_boxes(box(b"moov", box(b"mvhd", b"x")), DISPLAY, light)
