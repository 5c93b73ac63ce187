"""Upright rungs of landscape masters: what must be kept is kept, and a circle stays a circle."""

import sys
from pathlib import Path

import pytest

from encoders.documents import VideoJob
from encoders.quality import measure
from profiles.load import load_profile
from profiles.models import Profile, VideoRung

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, released

pytestmark = pytest.mark.media

WHITE_AT = 128
RADIUS = 50
PQ = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv"


def vertical(fit, *boxes):
    return Profile(
        name="upright", summary="tests", gop_seconds=1, segment_gops=1, audio=(),
        video=tuple(
            VideoRung(name=f"{w}x{h}", width=w, height=h, fit=fit, crf=12, max_bps=2_000_000, preset="ultrafast")
            for w, h in boxes
        ),
    )  # fmt: skip


def circle(path, *, size, squeeze=1.0, filters="", coding=()):
    """A white disc of RADIUS display pixels in the middle, a white bar four pixels wide at each side."""
    width, height = (int(side) for side in size.split("x"))
    disc = f"lte(hypot((X-{width / 2})*{squeeze}\\,Y-{height / 2})\\,{RADIUS})"
    bars = f"lt(X\\,4)+gte(X\\,{width - 4})"
    drawn = f"nullsrc=s={size}:r=12:d=1,format=gray,geq=lum='16+200*gt({disc}+{bars}\\,0)'{filters}"
    ffmpeg("-f", "lavfi", "-i", drawn, *(coding or ("-c:v", "ffv1")), str(path))
    return path


def shown(path, width, height):
    raw = ffmpeg("-i", str(path), "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-")
    assert len(raw) == width * height
    return [[value >= WHITE_AT for value in raw[line * width : (line + 1) * width]] for line in range(height)]


def disc_of(picture):
    """Extent of the white that is no side bar: columns, lines."""
    inner = [line[6:-6] for line in picture]
    columns = [x for x in range(len(inner[0])) if any(line[x] for line in inner)]
    lines = [y for y, line in enumerate(inner) if any(line)]
    return max(columns) - min(columns) + 1, max(lines) - min(lines) + 1


def has_bars(picture):
    middle = picture[len(picture) // 2 + len(picture) // 3]
    return middle[0], middle[-1]


def made(master, folder, profile):
    plan, renditions, store = released(master, folder, profile, chunk_seconds=1)
    pictures = []
    for rendition in renditions.video:
        path = folder / f"{rendition.name}.mp4"
        store.get_file(rendition.key, path)
        pictures.append(((rendition.width, rendition.height), shown(path, rendition.width, rendition.height)))
    return pictures, (plan, renditions, store)


def test_inside_keeps_the_whole_landscape_picture(tmp_path):
    pictures, _ = made(circle(tmp_path / "a.mkv", size="320x180"), tmp_path, vertical("inside", (180, 320)))
    ((size, picture),) = pictures
    assert size == (180, 102)
    assert has_bars(picture) == (True, True)
    width, height = disc_of(picture)
    assert abs(width - height) <= 2
    assert abs(width - 2 * RADIUS * 180 / 320) <= 2


def assert_covered(pictures):
    """No bars, and the disc is as high as it was, cut at the sides and not squeezed."""
    for (width, _), picture in pictures:
        assert has_bars(picture) == (False, False)
        across, down = disc_of([[False] * 6 + line + [False] * 6 for line in picture])
        assert abs(down - 2 * RADIUS * width / 101.25) <= 2
        assert abs(across - min(width, down)) <= 2


@pytest.mark.parametrize(
    ("size", "squeeze", "filters"),
    [
        ("320x180", 1.0, ""),
        ("160x180", 2.0, ",setsar=2"),
        ("480x180", 2 / 3, ",setsar=2/3"),
    ],
    ids=["square", "wide samples", "tall samples"],
)
def test_cover_cuts_the_middle_out_and_a_circle_stays_a_circle(tmp_path, size, squeeze, filters):
    master = circle(tmp_path / "a.mkv", size=size, squeeze=squeeze, filters=filters)
    pictures, (plan, renditions, store) = made(master, tmp_path, vertical("cover", (90, 160), (72, 128)))
    assert [found for found, _ in pictures] == [(90, 160), (72, 128)]
    assert_covered(pictures)
    measured = measure(plan, renditions, master, store, tmp_path / "work", subsample=1)
    assert min(rendition.quality.mean for rendition in measured.video) > 85


def test_cover_cuts_a_turned_picture_as_it_is_shown(tmp_path):
    """Upright already: nothing to cut, though its coded samples lie on their side."""
    lying = circle(
        tmp_path / "lying.mp4", size="320x180", coding=("-c:v", "libx264", "-qp", "5", "-pix_fmt", "yuv420p")
    )
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", str(lying), "-c", "copy", str(turned))
    pictures, _ = made(turned, tmp_path, vertical("cover", (180, 320)))
    ((size, picture),) = pictures
    assert size == (180, 320)
    assert all(picture[0])
    assert all(picture[-1])
    across, down = disc_of(picture[8:-8])
    assert abs(across - down) <= 2
    assert abs(across - 2 * RADIUS) <= 2


def test_cover_cuts_before_an_hdr_picture_is_tone_mapped(tmp_path):
    coding = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "8", "-x265-params", "log-level=error")
    master = circle(tmp_path / "a.mp4", size="320x180", filters=f",format=yuv420p10le,{PQ}", coding=coding)
    pictures, (plan, renditions, store) = made(master, tmp_path, vertical("cover", (90, 160), (72, 128)))
    assert sum(isinstance(job, VideoJob) for job in plan.jobs) == 1
    assert_covered(pictures)
    measured = measure(plan, renditions, master, store, tmp_path / "work", subsample=1)
    assert min(rendition.quality.mean for rendition in measured.video) > 80


def test_a_proxy_is_one_small_rung_with_every_frame(tmp_path):
    master = circle(tmp_path / "a.mkv", size="1280x720")
    pictures, (_, renditions, _) = made(master, tmp_path, load_profile("proxy"))
    ((size, picture),) = pictures
    assert size == (960, 540)
    assert has_bars(picture) == (True, True)
    assert renditions.frames == 12
