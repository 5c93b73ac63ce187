"""A chunk that shows other pictures than it should is found out where it meets the next."""

import sys
from pathlib import Path

import pytest

from encoders.assemble import assemble
from encoders.joins import check_joins, chosen_joins
from encoders.work import encode
from profiles.models import Profile, VideoRung
from telecine.errors import EncodeFailed
from telecine.storage.local import LocalStore

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, planned, released

pytestmark = pytest.mark.media

RUNGS = (
    VideoRung(name="big", width=160, height=90, crf=18, max_bps=2_000_000, preset="ultrafast"),
    VideoRung(name="small", width=96, height=54, crf=28, max_bps=300_000, preset="ultrafast"),
)
PROFILE = Profile(name="p", summary="tests", gop_seconds=1, segment_gops=1, video=RUNGS, audio=())


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """Six seconds that move, with long GOPs and a clock that does not start at 0."""
    path = tmp_path_factory.mktemp("joins") / "moving.mp4"
    clip = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=6", "-output_ts_offset", "2.5")
    ffmpeg(*clip, "-crf", "14", "-preset", "veryfast", "-g", "100", "-bf", "3", str(path))
    return path


def test_chunks_that_meet_frame_for_frame_are_seen_to(moving, tmp_path):
    plan, made, store = released(moving, tmp_path, PROFILE, chunk_seconds=2)
    found = check_joins(plan, made, moving, store, tmp_path / "work")
    assert (found.joins, found.looked_at, found.aligned, found.still) == (2, 2, 8, 0)


@pytest.mark.parametrize("shift", [-1, 1, 2])
def test_a_chunk_shifted_by_a_frame_or_two_is_refused(moving, tmp_path, shift):
    plan, store = planned(moving, tmp_path, PROFILE, chunk_seconds=2), LocalStore(tmp_path / "store")
    for job in plan.jobs:
        by = shift if job.chunk.index == 1 else 0
        chunk = job.chunk.model_copy(update={"start": job.chunk.start + by, "end": job.chunk.end + by})
        encode(job.model_copy(update={"chunk": chunk}), moving, store, tmp_path / "work")
    made = assemble(plan, store, tmp_path / "work")
    belongs = plan.chunks[1].start
    with pytest.raises(EncodeFailed, match=f"shows the source's frame {belongs + shift} where frame {belongs} belongs"):
        check_joins(plan, made, moving, store, tmp_path / "work")


def test_where_nothing_moves_no_more_is_claimed_than_was_seen(tmp_path):
    source = tmp_path / "still.mp4"
    ffmpeg("-f", "lavfi", "-i", "smptebars=s=320x180:r=24:d=4", "-preset", "veryfast", str(source))
    plan, made, store = released(source, tmp_path, PROFILE, chunk_seconds=2)
    found = check_joins(plan, made, source, store, tmp_path / "work")
    assert (found.aligned, found.still) == (0, 4)


def test_of_a_long_title_a_dozen_joins_are_looked_at(moving, tmp_path):
    plan = planned(moving, tmp_path, PROFILE, chunk_seconds=2)
    chunk = plan.chunks[0]
    chunks = tuple(chunk.model_copy(update={"index": n, "start": n * 48, "end": n * 48 + 48}) for n in range(300))
    found = chosen_joins(plan.model_copy(update={"chunks": chunks}))
    assert len(found) == 12
    assert (found[0], found[-1]) == (48, 299 * 48)
