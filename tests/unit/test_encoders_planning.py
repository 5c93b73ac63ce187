"""Chunks, plans, rates and levels: decided without touching anything."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.chunks import cut_chunks
from encoders.codecs.x264 import level_for
from encoders.complaints import complaints, damage
from encoders.documents import AudioJob, VideoJob
from encoders.picture import output_colour
from encoders.plan import plan_encode
from encoders.timing import cadence
from profiles.load import load_profile
from profiles.select import choose_ladder
from telecine.errors import SourceRejected
from telecine.media import AudioTrack, Colour, FrameRate, Master, Probe, VideoTrack

STANDARD = load_profile("standard")


def a_probe(*, rate="24", start="0", packets=1440, uri="file:///a.mp4", **video):
    track = VideoTrack(**{
        "index": 0, "codec": "h264", "width": 1920, "height": 1080, "pixel_format": "yuv420p", "bit_depth": 8,
        "frame_rate": FrameRate.of(Fraction(rate)), "start": start, "duration": str(packets / Fraction(rate)),
        "packets": packets, **video,
    })  # fmt: skip
    sound = AudioTrack(
        index=1,
        codec="aac",
        channels=6,
        layout="5.1",
        sample_rate_hz=48_000,
        start=Fraction(0),
        duration=track.duration,
    )
    master = Master(uri=uri, size_bytes=9, sha256="ab" * 32)
    return Probe(master=master, container="mov", duration=track.duration, video=(track,), audio=(sound,))


def a_plan(probe=None, **changes):
    probe = probe or a_probe()
    asked = {"chunk_seconds": 30, "threads": 2, "toolchain": "ffmpeg 9 recipe 1"} | changes
    return plan_encode(probe, choose_ladder(STANDARD, probe), **asked)


@given(st.integers(-100, 500_000), st.integers(1, 300_000), st.integers(1, 300), st.integers(1, 120))
def test_chunks_cover_every_frame_once_and_start_on_segment_edges(first, total, segment, seconds):
    rate = Fraction(24000, 1001)
    chunks = cut_chunks(first, total, segment_frames=segment, rate=rate, chunk_seconds=seconds)
    assert (chunks[0].start, chunks[-1].end) == (first, first + total)
    assert all(before.end == after.start for before, after in pairwise(chunks))
    assert all((chunk.start - first) % segment == 0 for chunk in chunks)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.frames >= seconds * rate for chunk in chunks[:-1])


def test_a_very_short_last_chunk_is_taken_in_by_the_one_before():
    def lengths(total):
        cut = cut_chunks(0, total, segment_frames=144, rate=Fraction(24), chunk_seconds=30)
        return [chunk.frames for chunk in cut]

    assert lengths(1440 + 100) == [720, 820]
    assert lengths(1440 + 400) == [720, 720, 400]
    assert lengths(50) == [50]


def test_a_plan_has_sound_first_then_the_chunks_in_order():
    plan = a_plan()
    assert isinstance(plan.jobs[0], AudioJob)
    assert [job.chunk for job in plan.jobs[1:] if isinstance(job, VideoJob)] == list(plan.chunks)
    assert [output.rung.name for output in plan.jobs[1].outputs] == ["1080p", "720p", "480p"]
    assert [output.rung.name for output in plan.jobs[0].outputs] == ["stereo", "surround"]
    assert plan.jobs[0].duration == 60
    assert plan.expected_bytes == (5_000_000 + 2_500_000 + 1_000_000 + 192_000 + 384_000) * 60 // 8


def test_the_grid_starts_where_the_picture_does():
    plan = a_plan(a_probe(rate="30000/1001", start="43001/30000", packets=151, interlaced=True))
    assert (plan.frame_rate.fraction, plan.first_frame, plan.total_frames) == (Fraction(60000, 1001), 86, 302)
    assert plan.jobs[0].start == Fraction(43001, 30000)


def test_a_variable_source_fills_its_duration():
    plan = a_plan(a_probe(rate="60", packets=408, variable_frame_rate=True, duration="35999/3000"))
    assert plan.total_frames == 720


def test_digests_name_the_bytes_and_not_their_address():
    plan, moved = a_plan(), a_plan(a_probe(uri="s3://elsewhere/b.mp4"))
    assert moved.digest == plan.digest
    assert [job.digest for job in moved.jobs] == [job.digest for job in plan.jobs]


@pytest.mark.parametrize(
    "other",
    [
        a_plan(threads=3),
        a_plan(toolchain="ffmpeg 9 recipe 2"),
        a_plan(a_probe(packets=1441)),
        a_plan(a_probe(start="1/24")),
        a_plan(a_probe(rate="25")),
    ],
    ids=["threads", "toolchain", "length", "start", "rate"],
)
def test_whatever_shapes_the_bytes_shapes_the_digests(other):
    plan = a_plan()
    assert other.digest != plan.digest
    assert other.jobs[-1].outputs[0].digest != plan.jobs[-1].outputs[0].digest


def test_a_rung_keeps_its_digest_under_another_name_and_label():
    probe = a_probe()
    ladder = choose_ladder(STANDARD, probe)
    renamed = tuple(rung.model_copy(update={"name": f"x{rung.name}", "label": "UHD"}) for rung in ladder.video)
    asked = {"chunk_seconds": 30, "threads": 2, "toolchain": "t"}
    plan = plan_encode(probe, ladder, **asked)
    other = plan_encode(probe, ladder.model_copy(update={"video": renamed}), **asked)
    assert [o.digest for o in plan.jobs[1].outputs] == [o.digest for o in other.jobs[1].outputs]
    assert plan.digest != other.digest


def test_a_plan_without_picture_is_refused():
    with pytest.raises(SourceRejected):
        plan_encode(
            a_probe().model_copy(update={"video": ()}), a_plan().ladder, chunk_seconds=1, threads=1, toolchain=""
        )


def test_plans_survive_the_wire():
    plan = a_plan()
    assert type(plan).model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize("rate", ["24", "24000/1001", "25", "30000/1001", "50", "60000/1001", "60", "90000/3001"])
@pytest.mark.parametrize("time_base", ["1/1000", "1/90000", "1/12288"])
def test_a_constant_rate_is_recognised_through_rounded_timestamps(rate, time_base):
    exact, base = Fraction(rate), Fraction(time_base)
    times = [round((n / exact + Fraction(7, 5)) / base) for n in range(3000)]
    found = cadence(times, base, 1, [exact])
    assert (found.rate, found.variable, found.duration) == (exact, False, 3000 / exact)


def test_headers_that_lie_are_not_believed():
    times = [round(1000 * n / 30) for n in range(90)]
    found = cadence(times, Fraction(1, 1000), 33, [Fraction(60), Fraction(1000)])
    assert (found.rate, found.variable) == (30, False)


def test_mixed_speeds_are_variable_at_the_faster_one():
    times = [1000 * n // 30 for n in range(90)] + [3000 + 1000 * n // 60 for n in range(180)]
    found = cadence(times, Fraction(1, 1000), 16, [Fraction(60)])
    assert (found.rate, found.variable) == (60, True)
    assert found.duration == Fraction(5983 + 17 - 1, 1000) + Fraction(1, 60) - Fraction(16, 1000)


def test_one_missing_picture_makes_a_track_variable():
    times = [n * 512 for n in range(100) if n != 50]
    found = cadence(times, Fraction(1, 12288), 512, [Fraction(24)])
    assert (found.rate, found.variable, found.duration) == (24, True, Fraction(100, 24))


@pytest.mark.parametrize(
    ("size", "rate", "max_bps", "level"),
    [
        ((854, 480), 25, 1_000_000, "3.0"),
        ((854, 480), 30, 1_000_000, "3.1"),
        ((1280, 720), 30, 2_500_000, "3.1"),
        ((1280, 720), 60, 2_500_000, "3.2"),
        ((1920, 1080), 24, 5_000_000, "4.0"),
        ((1920, 1080), 24, 40_000_000, "4.1"),
        ((1920, 1080), 60, 5_000_000, "4.2"),
        ((3840, 2160), 60, 5_000_000, "5.2"),
    ],
)
def test_levels_are_the_lowest_that_hold_the_rung(size, rate, max_bps, level):
    assert level_for(*size, Fraction(rate), max_bps) == level


def test_silent_sources_get_the_colours_of_their_size_and_others_keep_theirs():
    def track(**video):
        return a_probe(**video).video[0]

    def colour(source):
        return output_colour(source, STANDARD.video[0])

    assert colour(track()) == ("bt709", "bt709", "bt709")
    assert colour(track(width=720, height=576)) == ("bt470bg", "smpte170m", "bt470bg")
    assert colour(track(width=720, height=480)) == ("smpte170m", "smpte170m", "smpte170m")
    said = Colour(primaries="smpte170m", transfer="bt709", matrix="smpte170m")
    assert colour(track(colour=said)) == ("smpte170m", "bt709", "smpte170m")
    assert colour(track(colour=Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc")))[0] == "bt709"
    assert colour(track(width=640, height=480, pixel_format="gbrp10le"))[2] == "bt709"


def test_complaints_leave_out_what_sound_files_say_too():
    said = (
        "[h264 @ 0x55d] co located POCs unavailable\n[h264 @ 0x55d] mmco: unref short failure\n"
        "[h264 @ 0x55e] error while decoding MB 46 2, bytestream 2583\n[h264 @ 0x55f] error while decoding MB 46 2, "
        "bytestream 2583\n[aac @ 0x1] odd but whole\n"
    )
    assert complaints(said) == ("[h264] error while decoding MB 46 2, bytestream 2583", "[aac] odd but whole")
    assert damage(said) == ("[h264] error while decoding MB 46 2, bytestream 2583",)


def test_the_first_readable_track_of_each_language_is_planned():
    def track(index, language, **changes):
        said = {"codec": "aac", "channels": 2, "layout": "stereo", "sample_rate_hz": 48_000, "start": 0, "duration": 60}
        return AudioTrack(index=index, language=language, **(said | changes))

    tracks = (
        track(1, "eng"), track(2, "eng"), track(3, "FR-ca"), track(4, "deu", duration=0),
        track(5, "ita", codec="unknown"), track(6, "und"),
    )  # fmt: skip
    probe = a_probe().model_copy(update={"audio": tracks})
    plan = plan_encode(probe, choose_ladder(STANDARD, probe), chunk_seconds=30, threads=1, toolchain="t")
    sound = [job for job in plan.jobs if isinstance(job, AudioJob)]
    assert [(job.track.index, [output.rung.name for output in job.outputs]) for job in sound] == [
        (1, ["stereo"]),
        (3, ["stereo-frca"]),
        (6, ["stereo-und"]),
    ]
