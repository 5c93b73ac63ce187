"""Masters in, renditions out: every frame, in order, once, on one key-frame grid."""

import re
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from encoders.assemble import assemble
from encoders.probe import inspect_master
from encoders.quality import measure
from encoders.source import register_master
from encoders.verify import read_samples
from encoders.work import encode
from profiles.models import AudioRung, Profile, VideoRung
from profiles.source_checks import SourceChecks, UndecodableCheck
from telecine.errors import EncodeFailed, SourceRejected
from telecine.storage.local import LocalStore

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import brightness, ffmpeg, numbered_clip, samples_of, shown_brightness
from encoders_clips import planned as plan_of
from encoders_clips import released as release_of

pytestmark = pytest.mark.media
SHARED = Path(__file__).parents[3] / "shared" / "media"


def small_profile(**changes):
    rungs = (
        VideoRung(name="big", width=160, height=90, crf=12, max_bps=2_000_000, preset="ultrafast"),
        VideoRung(name="small", width=96, height=54, crf=20, max_bps=300_000, preset="ultrafast"),
    )
    sound = (
        AudioRung(name="stereo", channels=2, bitrate_bps=128_000),
        AudioRung(name="surround", channels=6, bitrate_bps=256_000, min_source_channels=6),
    )
    asked = {"name": "small", "summary": "tests", "gop_seconds": 1, "segment_gops": 1, "video": rungs, "audio": sound}
    return Profile(**(asked | changes))


def planned(path, tmp_path, *, chunk_seconds=4, profile=None, threads=1):
    return plan_of(path, tmp_path, profile or small_profile(), chunk_seconds=chunk_seconds, threads=threads)


def released(path, tmp_path, *, chunk_seconds=4, profile=None, threads=1):
    return release_of(path, tmp_path, profile or small_profile(), chunk_seconds=chunk_seconds, threads=threads)


def fetched(store, rendition, tmp_path):
    path = tmp_path / f"{rendition.name}.mp4"
    store.get_file(rendition.key, path)
    return path


def assert_frames_are(path, expected, size="160x90"):
    shown = shown_brightness(path, size)
    assert len(shown) == len(expected)
    wrong = [
        (at, found, brightness(n))
        for at, (found, n) in enumerate(zip(shown, expected, strict=True))
        if abs(found - brightness(n)) > 6
    ]
    assert wrong == []


OPEN_GOP = ("-x264-params", "open-gop=1:keyint=48:min-keyint=24:bframes=3:b-adapt=0")
CONSTANT = {
    "24 in mp4 with B-frames": ("a.mp4", "24", ("-bf", "3"), ()),
    "24000/1001 in mkv with open GOPs": ("b.mkv", "24000/1001", OPEN_GOP, ()),
    "30000/1001 in mp4": ("c.mp4", "30000/1001", ("-bf", "2"), ()),
    "25 in ts that starts late, with GOPs longer than the pre-roll": ("d.ts", "25", ("-g", "250", "-bf", "2"), ()),
    "24000/1001 in mkv half a frame off the grid": ("f.mkv", "24000/1001", (), ("-output_ts_offset", "0.021")),
    "50 in mov with a delayed picture": ("e.mov", "50", (), ("-output_ts_offset", "1.013")),
}


@pytest.mark.parametrize("case", CONSTANT.values(), ids=CONSTANT.keys())
def test_every_source_frame_arrives_once_and_in_order(case, tmp_path):
    name, rate, video, output = case
    # noise keeps the mean of a picture and makes the file large enough for seeks to miss the key frame they need
    asked = {"rate": rate, "video": video, "output": output, "select": "noise=alls=30:allf=t"}
    source = numbered_clip(tmp_path / name, seconds="15" if name.endswith("ts") else "9", **asked)
    frames = len(shown_brightness(source))
    plan, made, store = released(source, tmp_path)
    assert len(plan.chunks) >= 2
    assert plan.total_frames == made.frames == frames
    assert made.frame_rate.fraction == Fraction(rate)
    keys = set()
    for rendition in made.video:
        path = fetched(store, rendition, tmp_path)
        assert_frames_are(path, range(frames), f"{rendition.width}x{rendition.height}")
        samples = read_samples(path)
        keys.add(tuple(time for time, key in zip(samples.pts, samples.keys, strict=True) if key))
        assert rendition.duration == frames / Fraction(rate)
        assert re.fullmatch(r"avc1\.[0-9a-f]{6}", rendition.codec)
    assert len(keys) == 1, "all renditions share one key-frame grid"


def test_a_variable_rate_becomes_constant_with_pictures_held(tmp_path):
    thinned = "select='lt(n,72)+not(mod(n,2))'"
    output = ("-fps_mode", "passthrough")
    source = numbered_clip(tmp_path / "vfr.mkv", seconds="6", select=thinned, output=output)
    plan, made, store = released(source, tmp_path)
    assert plan.probe.video[0].variable_frame_rate
    assert made.frame_rate.fraction == 24
    held = [n if n < 72 else n // 2 * 2 for n in range(143)]
    assert_frames_are(fetched(store, made.video[0], tmp_path), held)


def test_interlaced_fields_become_frames(tmp_path):
    source = tmp_path / "fields.ts"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=160x96:r=50:d=3,interlace=scan=tff", "-c:v", "mpeg2video"),
        *("-flags", "+ildct+ilme", "-b:v", "2M", str(source)),
    )
    plan, made, _ = released(source, tmp_path)
    assert plan.probe.video[0].interlaced
    assert made.frame_rate.fraction == 50
    assert made.frames == 2 * plan.probe.video[0].packets


def test_hdr_comes_out_as_standard_range(tmp_path):
    source = tmp_path / "hdr.mp4"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=160x90:r=24:d=2", "-pix_fmt", "yuv420p10le", "-c:v", "libx265"),
        *(
            "-preset",
            "ultrafast",
            "-x265-params",
            "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
        ),
        *("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", str(source)),
    )
    _, made, store = released(source, tmp_path)
    probe = inspect_master(
        register_master(str(fetched(store, made.video[1], tmp_path)), tmp_path), tmp_path / "small.mp4"
    )
    track = probe.video[0]
    assert (track.colour.transfer, track.colour.primaries, track.colour.matrix) == ("bt709", "bt709", "bt709")
    assert (track.pixel_format, track.packets) == ("yuv420p", 48)


BURST = "aevalsrc=exprs='if(between(t,2,2.5),0.5*sin(2*PI*1000*t),0)':s=48000:d=6"


@pytest.mark.parametrize(
    ("sound_offset", "expected_s"), [("0", 2.0), ("0.7", 2.7), ("-0.4", 1.6)], ids=["in step", "late", "early"]
)
def test_sound_stays_in_step_with_the_picture(sound_offset, expected_s, tmp_path):
    sound = ("-itsoffset", sound_offset, "-f", "lavfi", "-i", BURST)
    clip = numbered_clip(tmp_path / "a.mkv", sound=sound, output=("-avoid_negative_ts", "make_non_negative"))
    plan, made, store = released(clip, tmp_path)
    samples = samples_of(fetched(store, made.audio[0], tmp_path))
    loud = next(at for at, sample in enumerate(samples) if abs(sample) > 3000)
    assert loud / 48_000 == pytest.approx(expected_s, abs=1024 / 48_000)
    assert abs(len(samples) / 48_000 - plan.total_frames / plan.frame_rate.fraction) <= 1024 / 48_000


def test_sound_shorter_than_the_picture_is_padded_and_mixes_do_not_clip(tmp_path):
    loud = "|".join(f"0.9*sin(2*PI*{220 + channel}*t)" for channel in range(6))
    sound = ("-f", "lavfi", "-i", f"aevalsrc=exprs='{loud}':c=5.1:s=44100:d=3")
    _, made, store = released(numbered_clip(tmp_path / "a.mkv", sound=sound), tmp_path)
    assert [(r.name, r.channels, r.codec) for r in made.audio] == [
        ("stereo", 2, "mp4a.40.2"),
        ("surround", 6, "mp4a.40.2"),
    ]
    samples = samples_of(fetched(store, made.audio[0], tmp_path))
    assert max(abs(sample) for sample in samples[: 2 * 48_000]) > 20_000
    # from the third AAC frame on: the first ones overshoot by themselves where sound sets in at full level
    assert max(abs(sample) for sample in samples[2 * 1024 :]) < 32_000, (
        "the limiter keeps summed channels below full scale"
    )
    assert max(abs(sample) for sample in samples[4 * 48_000 :]) < 10
    assert len(samples) / 48_000 == pytest.approx(6, abs=1024 / 48_000)


def test_a_second_encode_is_a_look_up_and_a_lost_rung_is_made_alone(tmp_path):
    source, store, work = numbered_clip(tmp_path / "a.mp4", seconds="3"), LocalStore(tmp_path / "s"), tmp_path / "work"
    job = planned(source, tmp_path).jobs[0]
    first = encode(job, source, store, work)
    assert first.encoded
    again = encode(job, tmp_path / "nothing here", store, work)
    assert not again.encoded
    assert again.outputs == first.outputs
    store.delete(job.outputs[1].key)
    repaired = encode(job, source, store, work)
    assert repaired.encoded
    assert repaired.outputs == first.outputs, "one rung encoded alone has the bytes it has beside the others"


def test_two_runs_give_the_same_bytes(tmp_path):
    sound = ("-f", "lavfi", "-i", BURST)
    source = numbered_clip(tmp_path / "a.mp4", seconds="4", sound=sound)
    made = []
    for name in ("one", "two"):
        plan, store = planned(source, tmp_path), LocalStore(tmp_path / name)
        chunks = [encode(job, source, store, tmp_path / name) for job in plan.jobs]
        made.append(([chunk.outputs for chunk in chunks], assemble(plan, store, tmp_path / name)))
    assert made[0] == made[1]


def test_progress_is_told_and_an_exception_in_it_ends_the_encode_without_a_trace(tmp_path):
    source, store, work = numbered_clip(tmp_path / "a.mp4", seconds="3"), LocalStore(tmp_path / "s"), tmp_path / "work"
    job = planned(source, tmp_path).jobs[0]
    told = []

    def cancel(progress):
        told.append(progress)
        raise KeyboardInterrupt

    before = sorted(path.name for path in work.iterdir())
    with pytest.raises(KeyboardInterrupt):
        encode(job, source, store, work, cancel)
    assert told[0].total_frames == job.chunk.frames
    assert sorted(path.name for path in work.iterdir()) == before
    assert list(store.list("")) == []
    seen = []
    encode(job, source, store, work, seen.append)
    assert seen[-1].frames == job.chunk.frames


def test_assembling_again_reads_only_documents_and_a_missing_chunk_is_named(tmp_path):
    source = numbered_clip(tmp_path / "a.mp4", seconds="5")
    plan, made, store = released(source, tmp_path, chunk_seconds=2)
    chunk = plan.jobs[1].outputs[0]
    store.delete(chunk.key)
    assert assemble(plan, store, tmp_path / "work") == made
    store.delete(made.video[0].key)
    with pytest.raises(EncodeFailed, match="chunk 1 of 'big' is not in the work store"):
        assemble(plan, store, tmp_path / "work")


def test_quality_is_measured_on_the_same_frames_and_looked_up_afterwards(tmp_path):
    source = tmp_path / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=4", "-crf", "8", "-preset", "veryfast", str(source))
    rungs = (
        VideoRung(name="fine", width=320, height=180, crf=14, max_bps=4_000_000, preset="veryfast"),
        VideoRung(name="coarse", width=160, height=90, crf=30, max_bps=100_000, preset="veryfast"),
    )
    plan, made, store = released(source, tmp_path, profile=small_profile(video=rungs))
    measured = measure(plan, made, source, store, tmp_path / "work", subsample=0)
    fine, coarse = (rendition.quality for rendition in measured.video)
    assert fine.frames_measured == coarse.frames_measured == 96
    assert fine.mean > 93
    assert coarse.mean < 80
    assert fine.percentile_1 <= fine.percentile_5 <= fine.mean
    assert measure(plan, made, tmp_path / "nothing here", store, tmp_path / "work", subsample=0) == measured
    thinned = measure(plan, made, source, store, tmp_path / "work", subsample=5)
    assert [rendition.quality.frames_measured for rendition in thinned.video] == [20, 20]


def test_a_master_damaged_in_the_middle_is_refused_when_its_chunk_is_encoded(tmp_path):
    source = tmp_path / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=24:d=24", "-g", "24", "-preset", "veryfast", str(source))
    content = bytearray(source.read_bytes())
    middle = len(content) // 2  # in neither of the two ends that inspection decodes
    for at in range(middle, middle + 4000, 40):
        content[at] ^= 0xFF
    source.write_bytes(content)
    # a demuxer may stumble over such damage too: only a profile that bears some lets it come to an encode
    bearing = small_profile(source_checks=SourceChecks(decode_errors=UndecodableCheck(most_share=0.1)))
    job = planned(source, tmp_path, chunk_seconds=24, profile=bearing).jobs[0]
    with pytest.raises(SourceRejected, match="damaged inside"):
        encode(job.model_copy(update={"damage_allowed": False}), source, LocalStore(tmp_path / "s"), tmp_path / "work")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared masters are not on this machine")
@pytest.mark.parametrize(
    ("name", "frames", "rate"),
    [
        ("opengop_hevc10_720p2997_12s_ac3.mkv", 360, "30000/1001"),
        ("interlaced_1080i2997_tff_5s_ac3.ts", 302, "60000/1001"),
        ("vfr_720p_12s_51.mkv", 720, "60"),
        ("edit_list_positive_shift.mp4", 270, "30"),
        ("sample_rotate_and_reflect.mp4", 30, "30000/1001"),
        ("hdr10-av1.mp4", 127, "30000/1001"),
        ("hlg10-color-test.mp4", 9, "90000/3001"),
    ],
)
def test_awkward_real_masters_keep_their_frames(name, frames, rate, tmp_path):
    plan, made, _ = released(SHARED / name, tmp_path, chunk_seconds=4)
    assert made.frames == plan.total_frames == frames
    assert made.frame_rate.fraction == Fraction(rate)
