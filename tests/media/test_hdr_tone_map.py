"""SDR rungs of HDR masters against a reference: tone-mapped in floats at the master's own size, scaled after."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from profiles.models import Profile, VideoRung
from telecine.tools import tool_path

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, released
from hdr_clips import TRANSFERS, said_by_ffprobe, said_by_media_info

pytestmark = pytest.mark.media

MEDIA = Path(__file__).parents[3] / "shared" / "media"
REFERENCE = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,"
    "format=yuv420p10le,scale={size}:flags=bicubic+accurate_rnd,format=yuv420p"
)
SIMILAR = 0.98


def sdr(*sizes):
    return Profile(
        name="sdr", summary="tests", gop_seconds=1, segment_gops=1, audio=(),
        video=tuple(
            VideoRung(name=f"h{h}", width=w, height=h, crf=3, max_bps=60_000_000, preset="ultrafast") for w, h in sizes
        ),
    )  # fmt: skip


def similarity(made, master, size):
    by_number = "settb=1/1000,setpts=N"
    graph = f"[1:v]{REFERENCE.format(size=size)},{by_number}[r];[0:v]{by_number}[m];[m][r]ssim"
    command = [tool_path("ffmpeg"), "-i", str(made), "-i", str(master), "-lavfi", graph, "-f", "null", "-"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return float(re.search(r"All:([\d.]+)", told)[1])


def check(master, folder, *boxes):
    plan, renditions, store = released(master, folder, sdr(*boxes), chunk_seconds=2)
    assert plan.probe.video[0].colour.transfer in TRANSFERS.values()
    for rendition in renditions.video:
        path = folder / f"{rendition.name}.mp4"
        store.get_file(rendition.key, path)
        assert similarity(path, master, f"{rendition.width}:{rendition.height}") >= SIMILAR, rendition.name
        assert said_by_ffprobe(path)["color_transfer"] == "bt709"


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_every_sdr_rung_is_the_reference_scaled(tmp_path, transfer):
    colour = f"setparams=color_primaries=bt2020:color_trc={TRANSFERS[transfer]}:colorspace=bt2020nc:range=tv"
    pictures = "mandelbrot=s=480x270:r=24:end_scale=0.2,scale=out_color_matrix=bt2020:out_range=tv"
    source = f"{pictures},format=yuv420p10le,{colour}"
    coding = ["-c:v", "libx265", "-preset", "ultrafast", "-crf", "4", "-tag:v", "hvc1"]
    master = tmp_path / "master.mp4"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "12", *coding, "-x265-params", "log-level=error", str(master))
    check(master, tmp_path, (480, 270), (320, 180), (240, 136))


@pytest.mark.parametrize("name", ["hlg10-color-test.mp4", "hdr10-av1.mp4"])
def test_real_hdr_masters_match_the_reference(tmp_path, name):
    if not (MEDIA / name).is_file():
        pytest.skip(f"no {MEDIA / name} here: the folder of masters is not part of the project")
    master = tmp_path / "short.mp4"
    ffmpeg("-i", str(MEDIA / name), "-map", "0:v:0", "-c", "copy", "-frames:v", "8", str(master))
    check(master, tmp_path, (640, 640), (426, 426))


@pytest.mark.parametrize("name", ["hlg10-color-test.mp4", "uhd_hdr10_2160p24_4s_eac3.mp4", "hdr10-av1.mp4"])
def test_hdr_rungs_of_real_masters_say_what_the_masters_say(tmp_path, name):
    if not (MEDIA / name).is_file():
        pytest.skip(f"no {MEDIA / name} here: the folder of masters is not part of the project")
    master = tmp_path / "short.mp4"
    ffmpeg("-i", str(MEDIA / name), "-map", "0:v:0", "-c", "copy", "-frames:v", "6", str(master))
    rung = VideoRung(
        name="hevc", codec="x265", width=3840, height=2160, dynamic_range="source", crf=30, max_bps=16_000_000,
        preset="ultrafast",
    )  # fmt: skip
    kept = Profile(name="kept", summary="tests", gop_seconds=1, segment_gops=1, audio=(), video=(rung,))
    _, renditions, store = released(master, tmp_path, kept, chunk_seconds=2)
    made = tmp_path / "made.mp4"
    store.get_file(renditions.video[0].key, made)
    told, expected = said_by_media_info(made), said_by_media_info(master)
    colour = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "color_range")
    assert {key: told[key] for key in colour} == {key: expected[key] for key in colour}
    if "av1" not in name:  # ffprobe here does not decode AV1, and MediaInfo names its format in other words
        assert told == expected
        assert said_by_ffprobe(made) == said_by_ffprobe(master)
