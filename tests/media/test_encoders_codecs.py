"""Every encoder of the catalogue on a small real HDR10 clip: frames, key frames, colour and light levels kept."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from encoders.documents import VideoJob
from encoders.quality import measure
from encoders.work import encode
from profiles.models import AudioRung, Profile, VideoCodec, VideoRung
from telecine.storage.local import LocalStore
from telecine.tools import tool_path

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, released

pytestmark = pytest.mark.media

MASTERING = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
PRESETS = {VideoCodec.X264: "ultrafast", VideoCodec.X265: "ultrafast", VideoCodec.VP9: "8", VideoCodec.SVT_AV1: "13"}
HDR_CODECS = (VideoCodec.X265, VideoCodec.VP9, VideoCodec.SVT_AV1)


@pytest.fixture(scope="module")
def hdr10(tmp_path_factory):
    """Three seconds of PQ in HEVC with a mastering display and light levels, and 5.1 sound."""
    path = tmp_path_factory.mktemp("hdr") / "hdr10.mp4"
    light = f"master-display={MASTERING}:max-cll=1000,400:hdr10=1:repeat-headers=1:log-level=error"
    colour = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv"
    pictures = ["-f", "lavfi", "-i", f"testsrc2=s=320x180:r=24:d=3,format=yuv420p10le,{colour}"]
    sound = ["-f", "lavfi", "-i", "anoisesrc=d=3:a=0.1,aformat=channel_layouts=5.1", "-c:a", "aac"]
    coding = ["-c:v", "libx265", "-preset", "ultrafast", "-crf", "12", "-tag:v", "hvc1", "-x265-params", light]
    ffmpeg(*pictures, *sound, *coding, str(path))
    return path


def rung(codec, name, dynamic_range, width=320, height=180):
    return VideoRung(
        name=name, codec=codec, width=width, height=height, dynamic_range=dynamic_range, crf=24,
        max_bps=2_000_000, preset=PRESETS[codec],
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(hdr10, tmp_path_factory):
    """Every codec, HDR and SDR, in three chunks."""
    folder = tmp_path_factory.mktemp("made")
    profile = Profile(
        name="all", summary="tests", gop_seconds=1, segment_gops=1,
        video=(
            *(rung(codec, f"{codec}-hdr", "source") for codec in HDR_CODECS),
            *(rung(codec, f"{codec}-sdr", "sdr", 160, 90) for codec in VideoCodec),
        ),
        audio=(AudioRung(name="surround-eac3", codec="eac3", channels=6, bitrate_bps=256_000),),
    )  # fmt: skip
    return *released(hdr10, folder, profile, chunk_seconds=1), folder


def first_picture(path):
    """Colour and side data of the first decoded picture, as ffprobe says them."""
    entries = "frame=pix_fmt,color_primaries,color_transfer,color_space:frame_side_data"
    argv = [tool_path("ffprobe"), "-v", "error", "-select_streams", "v", "-read_intervals", "%+#1"]
    found = subprocess.run([*argv, "-show_entries", entries, "-of", "json", path], check=True, capture_output=True)
    return json.loads(found.stdout)["frames"][0]


def fetched(made, name):
    _, renditions, store, folder = made
    path = folder / f"{name}.mp4"
    store.get_file(next(r.key for r in renditions.renditions if r.name == name), path)
    return path


def test_every_codec_gives_every_frame_on_the_common_grid(made):
    plan, renditions, _, _ = made
    assert sum(isinstance(job, VideoJob) for job in plan.jobs) == 3
    assert {r.frames for r in renditions.video} == {72}
    assert [(r.name, r.codec.partition(".")[0], r.dynamic_range) for r in renditions.renditions] == [
        ("x265-hdr", "hvc1", "PQ"),
        ("vp9-hdr", "vp09", "PQ"),
        ("svtav1-hdr", "av01", "PQ"),
        ("x264-sdr", "avc1", "SDR"),
        ("x265-sdr", "hvc1", "SDR"),
        ("vp9-sdr", "vp09", "SDR"),
        ("svtav1-sdr", "av01", "SDR"),
        ("surround-eac3", "ec-3", None),
    ]


def test_hdr10_light_levels_of_hevc_are_those_of_the_master(made, hdr10):
    source, kept = first_picture(hdr10), first_picture(fetched(made, "x265-hdr"))
    light = {"Mastering display metadata", "Content light level metadata"}
    found = [
        {side["side_data_type"]: side for side in picture["side_data_list"] if side["side_data_type"] in light}
        for picture in (source, kept)
    ]
    assert set(found[0]) == light
    assert found[0] == found[1]


def decoded_light(path):
    """What FFmpeg's own decoders find in the first picture (ffprobe here cannot decode AV1)."""
    argv = [tool_path("ffmpeg"), "-v", "info", "-i", path, "-map", "0:v", "-frames:v", "1", "-vf", "showinfo"]
    said = subprocess.run([*argv, "-f", "null", "-"], check=True, capture_output=True, text=True).stderr
    return sorted(set(re.findall(r"side data - (Mastering display|Content light level)[^:]*: *(.*)", said)))


def test_av1_carries_light_levels_and_no_sdr_rung_does(made, hdr10):
    assert len(decoded_light(hdr10)) == 2
    assert len(decoded_light(fetched(made, "svtav1-hdr"))) == 2
    for codec in VideoCodec:
        assert decoded_light(fetched(made, f"{codec}-sdr")) == []


@pytest.mark.parametrize("codec", [VideoCodec.X265, VideoCodec.VP9])
def test_hdr_rungs_are_ten_bits_of_bt2020_pq(made, codec):
    picture = first_picture(fetched(made, f"{codec}-hdr"))
    assert picture["pix_fmt"] == "yuv420p10le"
    assert (picture["color_primaries"], picture["color_transfer"], picture["color_space"]) == (
        "bt2020",
        "smpte2084",
        "bt2020nc",
    )


@pytest.mark.parametrize("codec", [VideoCodec.X264, VideoCodec.X265, VideoCodec.VP9])
def test_sdr_rungs_are_bt709_throughout(made, codec):
    picture = first_picture(fetched(made, f"{codec}-sdr"))
    assert {picture["color_primaries"], picture["color_transfer"], picture["color_space"]} == {"bt709"}


def test_all_codecs_show_the_same_sdr_picture(made):
    """One tone-mapping for all: pictures differ by coding alone."""
    reference = fetched(made, "x264-sdr")
    for codec in (VideoCodec.X265, VideoCodec.VP9, VideoCodec.SVT_AV1):
        other = fetched(made, f"{codec}-sdr")
        shown = subprocess.run(
            [tool_path("ffmpeg"), "-i", other, "-i", reference, "-lavfi", "[0:v]format=yuv420p[a];[a][1:v]ssim", "-f",
             "null", "-"], check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert float(shown.stderr.rpartition("All:")[2].split()[0]) > 0.9


def test_hdr_is_measured_in_decibels_and_sdr_by_vmaf(made, hdr10):
    plan, renditions, store, folder = made
    measured = measure(plan, renditions, hdr10, store, folder / "work", subsample=1)
    models = {r.name: r.quality.model for r in measured.video}
    assert {name: model for name, model in models.items() if name.endswith("hdr")} == dict.fromkeys(
        ("x265-hdr", "vp9-hdr", "svtav1-hdr"), "xpsnr"
    )
    assert {model for name, model in models.items() if name.endswith("sdr")} == {"vmaf_v0.6.1"}
    for rendition in measured.video:
        assert rendition.quality.frames_measured == 72
        assert 25 < rendition.quality.percentile_1 <= rendition.quality.mean <= 100


@pytest.mark.parametrize("codec", HDR_CODECS)
def test_each_encoder_gives_the_same_bytes_twice(made, hdr10, tmp_path, codec):
    plan, _, _, _ = made
    again = LocalStore(tmp_path / "store")
    for job in plan.jobs:
        if isinstance(job, VideoJob):
            outputs = tuple(output for output in job.outputs if output.rung.codec is codec)
            encode(job.model_copy(update={"outputs": outputs}), hdr10, again, tmp_path / "work")
    store = made[2]
    keys = [o.key for job in plan.jobs if isinstance(job, VideoJob) for o in job.outputs if o.rung.codec is codec]
    assert keys
    for key in keys:
        assert again.head(key).sha256 == store.head(key).sha256
