"""Quality is measured on the right frames and in the right colours, also through windows of a long title."""

import sys
from pathlib import Path

import pytest

from encoders.quality import measure, yardstick_of
from profiles.models import Profile, VideoRung
from telecine.media import Colour

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, released

pytestmark = pytest.mark.media


def profile(*rungs):
    return Profile(name="p", summary="tests", gop_seconds=2, segment_gops=1, video=rungs, audio=())


def rung(name="fine", width=160, height=90, crf=20, **changed):
    changed = {"preset": "ultrafast", "max_bps": 4_000_000, **changed}
    return VideoRung(name=name, width=width, height=height, crf=crf, **changed)


def test_windows_of_a_long_title_measure_what_every_frame_of_it_does(tmp_path):
    source = tmp_path / "long.mp4"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=305", "-crf", "12", "-preset", "ultrafast", "-g", "100",
        "-output_ts_offset", "1.3", str(source),
    )  # fmt: skip
    plan, made, store = released(source, tmp_path, profile(rung()), chunk_seconds=60)
    seen = measure(plan, made, source, store, tmp_path / "work", subsample=0).video[0].quality
    whole = measure(plan, made, source, store, tmp_path / "work", subsample=1).video[0].quality
    assert (seen.windows, seen.frames_measured) == (40, 320)
    assert whole.frames_measured == 3050
    # one frame off would cost tens of points of one and ten decibels of the other
    assert abs(seen.mean - whole.mean) < 1.5
    assert abs(seen.psnr - whole.psnr) < 1


def test_a_master_that_names_no_colours_is_judged_like_one_that_does(tmp_path):
    unnamed, named = tmp_path / "unnamed.mp4", tmp_path / "named.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=24:d=0.5", "-crf", "12", "-preset", "ultrafast", str(unnamed))
    says = "h264_metadata=colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1:video_full_range_flag=0"
    ffmpeg("-i", str(unnamed), "-c", "copy", "-bsf:v", says, str(named))
    found = []
    for source in (unnamed, named):
        folder = tmp_path / source.stem
        plan, made, store = released(source, folder, profile(rung(width=1280, height=720)), chunk_seconds=2)
        found.append(measure(plan, made, source, store, folder / "work", subsample=1).video[0].quality)
    assert found[0] == found[1]


def test_a_phone_forgives_what_a_television_shows(tmp_path):
    source = tmp_path / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=1,noise=alls=20:allf=t", "-crf", "10", str(source))
    rungs = (
        rung("phone", 320, 180, crf=38, viewing="phone"),
        rung("tv", 318, 178, crf=38, viewing="tv"),
    )
    plan, made, store = released(source, tmp_path, profile(*rungs), chunk_seconds=2)
    phone, tv = (r.quality for r in measure(plan, made, source, store, tmp_path / "work", subsample=1).video)
    assert (phone.model, tv.model) == ("vmaf_v0.6.1 phone", "vmaf_v0.6.1")
    assert phone.mean > tv.mean + 5


def test_every_rung_is_judged_by_the_eyes_it_is_made_for(tmp_path):
    source = tmp_path / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=24:d=0.5", str(source))
    plan, _, _ = released(source, tmp_path, profile(rung()), chunk_seconds=2)
    sdr = plan.probe.video[0]
    pq = sdr.model_copy(update={"colour": Colour(transfer="smpte2084")})
    assert yardstick_of(rung(width=3840, height=2160), sdr) == "4k"
    assert yardstick_of(rung(width=1920, height=1080), sdr) == "tv"
    assert yardstick_of(rung(viewing="phone"), sdr) == "phone"
    assert yardstick_of(rung(codec="x265", dynamic_range="source"), pq) == "hdr"
