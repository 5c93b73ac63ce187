"""No segment of any encoder is heavier than its rung's cap, on pictures that would take far more."""

import sys
from pathlib import Path

import pytest
import structlog

from encoders.peaks import heaviest_load
from encoders.verify import read_samples
from profiles.models import Profile, VideoCodec, VideoRung
from telecine.errors import EncodeFailed

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, released

pytestmark = pytest.mark.media

PRESETS = {VideoCodec.X264: "ultrafast", VideoCodec.X265: "ultrafast", VideoCodec.VP9: "8", VideoCodec.SVT_AV1: "13"}


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    """Two easy seconds, then four of noise: buffers are full when it begins."""
    path = tmp_path_factory.mktemp("hard") / "hard.mp4"
    graph = "testsrc2=s=160x90:r=24:d=6,noise=alls=90:allf=t:enable='gte(t,2)'"
    ffmpeg("-f", "lavfi", "-i", graph, "-crf", "14", "-preset", "veryfast", str(path))
    return path


def profile(max_bps, *codecs):
    rungs = tuple(
        VideoRung(name=f"r-{codec}", codec=codec, width=160, height=90, crf=18, max_bps=max_bps, preset=PRESETS[codec])
        for codec in codecs
    )
    return Profile(name="p", summary="tests", gop_seconds=1, segment_gops=2, video=rungs, audio=())


def test_every_segment_of_every_encoder_stays_under_its_cap(hard, tmp_path):
    with structlog.testing.capture_logs() as logs:
        plan, made, store = released(hard, tmp_path, profile(300_000, *VideoCodec), chunk_seconds=30)
    for rendition in made.video:
        path = tmp_path / f"{rendition.name}.mp4"
        store.get_file(rendition.key, path)
        load = heaviest_load(
            read_samples(path).shown_sizes, plan.ladder.segment_frames, plan.frame_rate.fraction, 300_000
        )
        assert 0.3 < load <= 1, rendition.name
    again = {name for entry in logs if entry["event"] == "chunk.over_cap" for name in entry["rungs"]}
    assert "r-vp9" in again, "VP9 holds this cap by itself: the clip proves nothing any more"


def test_a_cap_that_nothing_can_hold_is_said_to_be_too_low(hard, tmp_path):
    with pytest.raises(EncodeFailed, match="rung 'r-x264' does not stay under its max_bps, which is too low"):
        released(hard, tmp_path, profile(3_000, VideoCodec.X264), chunk_seconds=30)
