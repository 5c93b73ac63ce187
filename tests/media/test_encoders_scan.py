"""Fields, film in fields and black bars: told from the pictures, and undone frame for frame."""

import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from encoders.documents import VideoJob
from encoders.graph import video_argv
from encoders.probe import inspect_master
from encoders.source import register_master
from profiles.models import Profile, VideoRung
from profiles.picture_policy import PicturePolicy

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import brightness, ffmpeg, planned, released, shown_brightness

pytestmark = pytest.mark.media
FIELDS = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-flags", "+ildct+ilme")
NUMBERED = "format=gray,geq=lum='20+mod(N*37,200)',format=yuv420p"


def profile(**picture):
    rung = VideoRung(name="small", width=160, height=96, crf=10, max_bps=4_000_000, preset="ultrafast")
    return Profile(
        name="small", summary="tests", gop_seconds=1, segment_gops=1, video=(rung,), audio=(),
        picture=PicturePolicy(**picture),
    )  # fmt: skip


def probed(path, tmp_path):
    return inspect_master(register_master(str(path), tmp_path / "work"), path).video[0]


def moving(path, *, rate="60000/1001", seconds=6, filters="interlace=scan=tff", output=FIELDS):
    """A white bar that moves between fields."""
    bar = (
        f"nullsrc=s=160x96:r={rate}:d={seconds},format=gray,geq=lum='if(between(mod(X-N*5\\,160)\\,0\\,24)\\,220\\,60)'"
    )
    ffmpeg("-f", "lavfi", "-i", f"{bar},format=yuv420p,{filters}", *output, str(path))
    return path


def telecined(path, *, seconds=9, filters="", field="top", output=FIELDS):
    """Numbered film at 23.976 in fields at 29.97."""
    film = f"nullsrc=s=160x96:r=24000/1001:d={seconds},{NUMBERED},telecine=pattern=23:first_field={field}{filters}"
    ffmpeg("-f", "lavfi", "-i", film, *output, str(path))
    return path


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_fields_behind_a_progressive_flag_are_found_with_their_order(order, tmp_path):
    lying = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10")
    track = probed(moving(tmp_path / "a.mp4", filters=f"interlace=scan={order},setfield=prog", output=lying), tmp_path)
    assert (track.interlaced, track.field_order, track.scan_flag) == (True, order, "progressive")
    assert not track.telecined


def test_whole_frames_behind_an_interlaced_flag_stay_whole(tmp_path):
    flagged = (*FIELDS, "-x264-params", "tff=1")
    source = moving(tmp_path / "a.mp4", rate="30000/1001", filters="setfield=tff", output=flagged)
    plan = planned(source, tmp_path, profile(), chunk_seconds=30)
    track = plan.probe.video[0]
    assert (track.interlaced, track.scan_flag) == (False, "interlaced")
    assert plan.frame_rate.fraction == Fraction(30000, 1001)
    targets = [(output, tmp_path / "x.mp4") for output in plan.jobs[0].outputs]
    assert not any("bwdif" in argument for argument in video_argv(plan.jobs[0], source, targets, None))
    assert plan.total_frames == track.packets


@pytest.mark.parametrize(("policy", "rate"), [("fields", "60000/1001"), ("frames", "30000/1001")])
def test_fields_become_frames_as_the_profile_says(policy, rate, tmp_path):
    source = moving(tmp_path / "a.mp4", seconds=3)
    plan, made, _ = released(source, tmp_path, profile(deinterlace=policy), chunk_seconds=2)
    assert made.frame_rate.fraction == Fraction(rate)
    assert made.frames == plan.probe.video[0].packets * (2 if policy == "fields" else 1)


def left_edges(path):
    """Where the bar begins on a line in the middle of each frame."""
    raw = ffmpeg("-i", str(path), "-vf", "format=gray,crop=160:1:0:48", "-f", "rawvideo", "-")
    rows = [raw[at : at + 160] for at in range(0, len(raw), 160)]
    return [next((x for x in range(160) if row[x] > 140 and row[x - 1] <= 140), None) for row in rows]


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_motion_runs_forward_whatever_the_field_order(order, tmp_path):
    """With the wrong order every second frame would step back."""
    lying = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10")
    source = moving(
        tmp_path / "a.mp4", seconds=4, filters=f"interlace=scan={order}:lowpass=off,setfield=prog", output=lying
    )
    _, made, store = released(source, tmp_path, profile(), chunk_seconds=30)
    path = tmp_path / "made.mp4"
    store.get_file(made.video[0].key, path)
    edges = [edge for edge in left_edges(path) if edge is not None]
    steps = [(after - before) % 160 for before, after in pairwise(edges)]
    assert all(1 <= step <= 10 for step in steps), steps


@pytest.mark.parametrize(
    ("name", "field"), [("a.mp4", "top"), ("b.mkv", "bottom"), ("c.ts", "top")], ids=["mp4", "mkv bff", "ts"]
)
def test_film_in_fields_comes_out_as_its_own_frames_from_any_chunk(name, field, tmp_path):
    source = telecined(tmp_path / name, field=field)
    frames = 9 * 24000 // 1001
    plan, made, store = released(source, tmp_path, profile(), chunk_seconds=2)
    assert plan.probe.video[0].telecined
    assert made.frame_rate.fraction == Fraction(24000, 1001)
    assert len(plan.chunks) >= 3
    path = tmp_path / "made.mp4"
    store.get_file(made.video[0].key, path)
    shown = shown_brightness(path, "160x96")
    assert abs(len(shown) - frames) <= 1
    wrong = [(n, found) for n, found in enumerate(shown) if abs(found - brightness(n)) > 4]
    assert wrong == []


@pytest.mark.parametrize("phase", [1, 2, 3, 4])
def test_film_that_begins_inside_a_cycle_and_late_keeps_every_frame(phase, tmp_path):
    source = telecined(
        tmp_path / "a.mkv",
        filters=f",trim=start_frame={phase},setpts=PTS-STARTPTS",
        output=(*FIELDS, "-output_ts_offset", "0.7"),
    )
    plan, made, store = released(source, tmp_path, profile(), chunk_seconds=2)
    path = tmp_path / "made.mp4"
    store.get_file(made.video[0].key, path)
    shown = shown_brightness(path, "160x96")
    levels = [brightness(n) for n in range(400)]
    first = min(range(5), key=lambda n: abs(levels[n] - shown[1])) - 1
    wrong = [(n, found) for n, found in enumerate(shown[1:-1], 1) if abs(found - levels[first + n]) > 4]
    assert wrong == []
    assert made.frames == int(plan.probe.video[0].packets * Fraction(4, 5))


def flag_pulldown(stream):
    """Film at 23.976 in MPEG-2 as discs hold it: 3:2 pulldown by flags alone (ISO/IEC 13818-2, 6.3.10)."""
    content, at, picture = bytearray(stream), 0, 0
    while (at := content.find(b"\0\0\1", at)) >= 0:
        kind, extension = content[at + 3], content[at + 4] >> 4
        if kind == 0xB3:
            content[at + 7] = content[at + 7] & 0xF0 | 4  # 29.97 pictures a second
        elif kind == 0xB5 and extension == 1:
            content[at + 5] &= ~0x08  # no progressive sequence
        elif kind == 0xB5 and extension == 8:
            top_first, repeated = ((1, 1), (0, 0), (0, 1), (1, 0))[picture % 4]
            content[at + 7] = content[at + 7] & ~0x82 | top_first << 7 | repeated << 1
            content[at + 8] |= 0x80  # each picture is a whole frame
            picture += 1
        at += 3
    return bytes(content)


@pytest.mark.parametrize("name", ["soft.ts", "soft.mkv"])
def test_film_that_is_pulled_down_by_flags_alone_is_taken_as_film(name, tmp_path):
    plain, flagged, source = tmp_path / "plain.m2v", tmp_path / "flagged.m2v", tmp_path / name
    film = f"nullsrc=s=160x96:r=24000/1001:d=6,{NUMBERED}"
    ffmpeg("-f", "lavfi", "-i", film, "-c:v", "mpeg2video", "-qscale:v", "2", "-bf", "0", str(plain))
    flagged.write_bytes(flag_pulldown(plain.read_bytes()))
    fields = "10*floor(N/4)+3*eq(mod(N,4),1)+5*eq(mod(N,4),2)+8*eq(mod(N,4),3)"
    times = f"({fields})*1001/60000/TB"
    ffmpeg("-i", str(flagged), "-c", "copy", "-bsf:v", f"setts=pts='{times}':dts='{times}'", str(source))
    plan, made, store = released(source, tmp_path, profile(), chunk_seconds=2)
    assert not plan.probe.video[0].interlaced
    assert made.frame_rate.fraction == Fraction(24000, 1001)
    path = tmp_path / "made.mp4"
    store.get_file(made.video[0].key, path)
    shown = shown_brightness(path, "160x96")
    assert len(shown) == 6 * 24000 // 1001 + 1
    assert [n for n, found in enumerate(shown) if abs(found - brightness(n)) > 4] == []


def boxed(path, picture="testsrc2=s=160x64:r=24:d=4", pad="pad=160:96:0:16", output=()):
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        f"{picture},{pad}",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-crf",
        "8",
        *output,
        str(path),
    )
    return path


@pytest.mark.parametrize(
    ("picture", "pad", "found"),
    [
        ("testsrc2=s=160x64:r=24:d=4", "pad=160:96:0:16", (0, 16, 160, 64)),
        ("testsrc2=s=120x96:r=24:d=4", "pad=160:96:20:0", (20, 0, 120, 96)),
        ("testsrc2=s=160x64:r=24:d=4", "pad=160:96:0:32", None),
        ("testsrc2=s=160x96:r=24:d=4", "null", None),
        ("color=black:s=160x96:r=24:d=4", "null", None),
    ],
    ids=["letterbox", "pillarbox", "one bar alone", "no bars", "black throughout"],
)
def test_bars_are_found_where_both_sides_have_them(picture, pad, found, tmp_path):
    active = probed(boxed(tmp_path / "a.mp4", picture, pad), tmp_path).active
    assert (None if active is None else (active.x, active.y, active.width, active.height)) == found


def test_bars_that_a_later_scene_fills_are_none(tmp_path):
    tall = "[0:v]pad=160:96:0:16[a];[a][1:v]concat=n=2"
    sources = ("-f", "lavfi", "-i", "testsrc2=s=160x64:r=24:d=8", "-f", "lavfi", "-i", "testsrc2=s=160x96:r=24:d=2")
    ffmpeg(*sources, "-filter_complex", tall, "-preset", "ultrafast", "-g", "24", str(tmp_path / "a.mp4"))
    assert probed(tmp_path / "a.mp4", tmp_path).active is None


def test_bars_are_cut_off_only_where_the_profile_says_so(tmp_path):
    source = boxed(tmp_path / "a.mp4")
    kept = planned(source, tmp_path, profile(), chunk_seconds=30)
    assert (kept.ladder.video[0].width, kept.ladder.video[0].height) == (160, 96)
    plan, made, store = released(source, tmp_path, profile(crop="auto"), chunk_seconds=30)
    assert (made.video[0].width, made.video[0].height) == (160, 64)
    path = tmp_path / "made.mp4"
    store.get_file(made.video[0].key, path)
    reference = ("-f", "lavfi", "-i", "testsrc2=s=160x64:r=24:d=4")
    said = ffmpeg("-i", str(path), *reference, "-lavfi", "ssim=stats_file=-", "-f", "null", "-").decode()
    scores = [float(line.rpartition("All:")[2].split()[0]) for line in said.splitlines() if "All:" in line]
    assert len(scores) == 96
    assert min(scores) > 0.95
    assert all(isinstance(job, VideoJob) for job in plan.jobs)
