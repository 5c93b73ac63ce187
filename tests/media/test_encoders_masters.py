"""Every kind of master: turned, mirrored, anamorphic, odd, late, varying; picture and sound kept to one frame."""

import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from encoders.probe import inspect_master
from encoders.source import register_master
from profiles.models import AudioRung, Profile, VideoRung

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, released, samples_of

pytestmark = pytest.mark.media
SHARED = Path(__file__).parents[3] / "shared" / "media"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10")


def profile(width=160, height=160, *, sound=True):
    rung = VideoRung(name="small", width=width, height=height, crf=10, max_bps=4_000_000, preset="ultrafast")
    stereo = (AudioRung(name="stereo", channels=2, bitrate_bps=128_000),) if sound else ()
    return Profile(name="small", summary="tests", gop_seconds=1, segment_gops=1, video=(rung,), audio=stereo)


def fetched(store, rendition, tmp_path):
    path = tmp_path / f"{rendition.name}-made.mp4"
    store.get_file(rendition.key, path)
    return path


def first_picture(path, width, height):
    raw = ffmpeg("-noautorotate", "-i", str(path), "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-")
    assert len(raw) == width * height
    return [raw[at : at + width] for at in range(0, len(raw), width)]


def corners(path, width, height):
    """Brightness well inside each quarter: top left, top right, bottom left, bottom right."""
    rows = first_picture(path, width, height)
    return [rows[y][x] for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]


QUARTERS = (40, 90, 150, 210)
"""Top left, top right, bottom left, bottom right, as coded."""


def quartered(path, size="160x96", display=(), rate="24", output=()):
    width, height = (int(part) for part in size.split("x"))
    a, b, c, d = QUARTERS
    where = f"if(lt(Y,{height // 2}),if(lt(X,{width // 2}),{a},{b}),if(lt(X,{width // 2}),{c},{d}))"
    ffmpeg(
        *(*display, "-f", "lavfi", "-i", f"nullsrc=s={size}:r={rate}:d=1,format=gray,geq=lum='{where}',format=yuv420p"),
        *(*X264, *output, str(path)),
    )
    return path


@pytest.mark.parametrize(
    ("display", "size", "shown"),
    [
        ((), (160, 96), (40, 90, 150, 210)),
        (("-display_rotation", "-90"), (96, 160), (150, 40, 210, 90)),
        (("-display_rotation", "90"), (96, 160), (90, 210, 40, 150)),
        (("-display_rotation", "180"), (160, 96), (210, 150, 90, 40)),
        (("-display_hflip",), (160, 96), (90, 40, 210, 150)),
        (("-display_vflip",), (160, 96), (150, 210, 40, 90)),
        (("-display_rotation", "-90", "-display_hflip"), (96, 160), None),
    ],
    ids=["upright", "clockwise", "counter-clockwise", "upside down", "mirrored", "flipped", "turned and mirrored"],
)
def test_pixels_land_where_the_master_shows_them(display, size, shown, tmp_path):
    coded = quartered(tmp_path / "coded.mp4")
    source = tmp_path / "turned.mp4"
    ffmpeg(*display, "-i", str(coded), "-c", "copy", str(source))
    _, made, store = released(source, tmp_path, profile(sound=False), chunk_seconds=30)
    assert (made.video[0].width, made.video[0].height) == size
    found = corners(fetched(store, made.video[0], tmp_path), *size)
    # a player's own order: the display matrix is asked of ffplay's filter where both kinds of turn are combined
    expected = shown or corners_of_ffmpeg(source, *size)
    assert found == pytest.approx(expected, abs=6)
    if shown is None:
        assert sorted(found) == pytest.approx(sorted(QUARTERS), abs=6)
        assert found != pytest.approx((150, 40, 210, 90), abs=6), "a mirror is more than a turn"


def corners_of_ffmpeg(path, width, height):
    raw = ffmpeg("-i", str(path), "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-")
    rows = [raw[at : at + width] for at in range(0, len(raw), width)]
    return [rows[y][x] for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared masters are not on this machine")
def test_a_real_master_turned_and_mirrored_is_transposed(tmp_path):
    source = SHARED / "sample_rotate_and_reflect.mp4"
    _, made, store = released(source, tmp_path, profile(360, 540, sound=False), chunk_seconds=30)
    assert (made.video[0].width, made.video[0].height) == (360, 540)
    made_path = fetched(store, made.video[0], tmp_path)
    transposed = "[1:v]transpose=cclock_flip,scale=360:540:flags=bicubic[r];[0:v][r]ssim=stats_file=-"
    compared = ("-i", str(made_path), "-noautorotate", "-i", str(source), "-lavfi", transposed)
    said = ffmpeg(*compared, "-frames:v", "5", "-f", "null", "-").decode()
    scores = [float(line.rpartition("All:")[2].split()[0]) for line in said.splitlines() if "All:" in line]
    assert min(scores) > 0.9, "the matrix [0 1; 1 0] swaps lines and columns"


@pytest.mark.parametrize(
    ("coded", "sample_aspect", "box", "size"),
    [
        ("160x96", "2/1", (320, 180), (320, 96)),
        ("160x96", "1/2", (320, 180), (80, 96)),
        ("180x96", "64/45", (256, 144), (256, 96)),
    ],
)
def test_wide_and_narrow_samples_become_square(coded, sample_aspect, box, size, tmp_path):
    source = quartered(tmp_path / "a.mp4", coded, output=("-vf", f"setsar={sample_aspect}"))
    _, made, store = released(source, tmp_path, profile(*box, sound=False), chunk_seconds=30)
    assert (made.video[0].width, made.video[0].height) == size
    path = fetched(store, made.video[0], tmp_path)
    assert corners(path, *size) == pytest.approx(QUARTERS, abs=6)
    assert inspect_master(register_master(str(path), tmp_path), path).video[0].sample_aspect == 1


def test_odd_sizes_lose_at_most_one_line_and_column(tmp_path):
    source = tmp_path / "odd.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=161x91:r=24:d=1,format=yuv444p", *X264, str(source))
    _, made, _ = released(source, tmp_path, profile(sound=False), chunk_seconds=30)
    width, height = made.video[0].width, made.video[0].height
    assert width % 2 == height % 2 == 0
    assert Fraction(width, height) == pytest.approx(Fraction(161, 91), abs=0.03)


def flash_and_beep(path, *, rate="24", at=(2, 8), seconds=10, coding=(), output=(), offsets=("0", "0"), select="null"):
    """White pictures and a 1 kHz tone for a quarter second at each time of ``at``."""
    on = "+".join(f"between(t,{time},{time}+0.249)" for time in at)
    white = "+".join(f"between(T,{time}-0.0005,{time}+0.249)" for time in at)
    picture = f"nullsrc=s=64x48:r={rate}:d={seconds},format=gray,geq=lum='if({white},235,40)',{select},format=yuv420p"
    sound = f"aevalsrc=exprs='if({on},0.5*sin(2*PI*1000*t),0)':s=48000:d={seconds}"
    inputs = (
        "-itsoffset",
        offsets[0],
        "-f",
        "lavfi",
        "-i",
        picture,
        "-itsoffset",
        offsets[1],
        "-f",
        "lavfi",
        "-i",
        sound,
    )
    ffmpeg(*inputs, *(coding or (*X264, "-c:a", "aac")), *output, str(path))
    return path


def events(made, store, tmp_path):
    """Start of each flash and of each beep, seconds, in the renditions."""
    raw = ffmpeg(
        *("-i", str(fetched(store, made.video[0], tmp_path)), "-vf", "scale=1:1:flags=area,format=gray"),
        *("-fps_mode", "passthrough", "-f", "rawvideo", "-"),
    )
    bright = [level > 130 for level in raw]
    flashes = [n / made.frame_rate.fraction for n in range(1, len(bright)) if bright[n] and not bright[n - 1]]
    loud = [at for at, sample in enumerate(samples_of(fetched(store, made.audio[0], tmp_path))) if abs(sample) > 4000]
    beeps = [Fraction(loud[0], 48_000)]
    beeps += [Fraction(after, 48_000) for before, after in pairwise(loud) if after - before > 12_000]
    return flashes, beeps


PCM = (*X264, "-c:a", "pcm_s16le")
KINDS = {
    "ProRes in mov": ("a.mov", "24", ("-c:v", "prores_ks", "-profile:v", "0", "-c:a", "pcm_s24le"), ()),
    "DNxHR in mov": (
        "b.mov",
        "25",
        ("-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-s", "256x120", "-c:a", "pcm_s16le"),
        (),
    ),
    "DNxHR in mxf": (
        "c.mxf",
        "25",
        ("-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-s", "256x120", "-c:a", "pcm_s16le"),
        (),
    ),
    "MPEG-2 in mxf": ("d.mxf", "25", ("-c:v", "mpeg2video", "-bf", "2", "-c:a", "pcm_s16le"), ()),
    "VP9 and Opus in webm": ("e.webm", "24", ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-c:a", "libopus"), ()),
    "59.94 H.264 in mp4": ("f.mp4", "60000/1001", (*X264, "-bf", "2", "-c:a", "aac"), ()),
    "23.976 HEVC in mkv": (
        "g.mkv",
        "24000/1001",
        ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-c:a", "flac"),
        (),
    ),
    "29.97 in ts that starts late": (
        "h.ts",
        "30000/1001",
        (*X264, "-g", "30", "-bf", "2", "-c:a", "ac3"),
        ("-muxdelay", "0", "-output_ts_offset", "95.4"),
    ),
    "mov whose clock starts late": ("i.mov", "24", PCM, ("-output_ts_offset", "3.01")),
    "mkv whose clock starts late": ("j.mkv", "24", PCM, ("-output_ts_offset", "1.237")),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_picture_and_sound_are_together_to_one_frame_at_start_and_end(kind, tmp_path):
    name, rate, coding, output = kind
    source = flash_and_beep(tmp_path / name, rate=rate, coding=coding, output=output)
    _, made, store = released(source, tmp_path, profile(), chunk_seconds=4)
    flashes, beeps = events(made, store, tmp_path)
    assert len(flashes) == len(beeps) == 2
    frame = 1 / made.frame_rate.fraction
    for flash, beep, time in zip(flashes, beeps, (2, 8), strict=True):
        assert abs(flash - beep) < frame
        assert abs(flash - time) < frame


@pytest.mark.parametrize(
    ("offsets", "name"),
    [(("0", "0.5"), "a.mp4"), (("0.5", "0"), "b.mp4"), (("0.31", "0"), "c.mkv"), (("0", "0.7"), "d.mov")],
    ids=["late sound mp4", "late picture mp4", "late picture mkv", "late sound mov"],
)
def test_a_track_that_starts_late_keeps_its_distance_to_the_other(offsets, name, tmp_path):
    source = flash_and_beep(tmp_path / name, offsets=offsets)
    _, made, store = released(source, tmp_path, profile(), chunk_seconds=4)
    flashes, beeps = events(made, store, tmp_path)
    apart = Fraction(offsets[1]) - Fraction(offsets[0])
    for flash, beep in zip(flashes, beeps, strict=True):
        assert abs(beep - flash - apart) < 1 / made.frame_rate.fraction


@pytest.mark.parametrize("start", ["1.3", "0.71"])
def test_an_edit_list_that_begins_inside_a_gop_shows_only_what_it_should(start, tmp_path):
    whole = flash_and_beep(tmp_path / "whole.mp4", coding=(*X264, "-bf", "2", "-g", "48", "-c:a", "aac"))
    source = tmp_path / "edited.mp4"
    ffmpeg("-ss", start, "-i", str(whole), "-c", "copy", str(source))
    _, made, store = released(source, tmp_path, profile(), chunk_seconds=4)
    flashes, beeps = events(made, store, tmp_path)
    frame = 1 / made.frame_rate.fraction
    for flash, beep in zip(flashes, beeps, strict=True):
        assert abs(flash - beep) < frame
    assert abs(flashes[0] - (2 - Fraction(start))) < 2 * frame
    assert flashes[1] - flashes[0] == 6


def test_a_stream_cut_inside_a_gop_begins_with_its_first_whole_picture_and_keeps_step(tmp_path):
    coding = (*X264, "-g", "36", "-bf", "2", "-c:a", "ac3")
    whole = flash_and_beep(tmp_path / "whole.ts", coding=coding, at=(4, 8))
    content = whole.read_bytes()
    source = tmp_path / "cut.ts"
    source.write_bytes(content[len(content) // 188 // 10 * 188 :])
    plan, made, store = released(source, tmp_path, profile(), chunk_seconds=4)
    assert made.frames < 240, "what cannot be decoded is no part of the title"
    flashes, beeps = events(made, store, tmp_path)
    assert len(flashes) == len(beeps) == 2
    for flash, beep in zip(flashes, beeps, strict=True):
        assert abs(flash - beep) < 1 / made.frame_rate.fraction
    assert flashes[1] - flashes[0] == 4
    assert plan.total_frames == made.frames


def test_a_long_varying_rate_becomes_constant_without_drift(tmp_path):
    """Ten minutes of a telephone's rate: 30, with every seventh picture late or missing."""
    wander = "select='mod(n,7)',settb=1/1000,setpts='PTS+if(mod(N,3),0,4)'"
    source = flash_and_beep(
        tmp_path / "phone.mkv", rate="30", at=(2, 299, 597), seconds=600, select=wander,
        coding=(*X264, "-c:a", "pcm_s16le"), output=("-fps_mode", "passthrough"),
    )  # fmt: skip
    plan, made, store = released(source, tmp_path, profile(64, 48), chunk_seconds=300)
    assert plan.probe.video[0].variable_frame_rate
    flashes, beeps = events(made, store, tmp_path)
    assert len(flashes) == len(beeps) == 3
    frame = 1 / made.frame_rate.fraction
    # a flash may be late by the picture that is missing where it starts, but no later at the end than at the start
    assert all(abs(flash - beep) <= 2 * frame for flash, beep in zip(flashes, beeps, strict=True))
    assert abs((flashes[-1] - beeps[-1]) - (flashes[0] - beeps[0])) <= frame
