"""What sampled windows, detectors' lines and packet times are taken for."""

from fractions import Fraction

import pytest

from encoders.examination import clipped_spans, read_report
from encoders.plan import plan_encode
from encoders.report import report_of
from encoders.scan import film
from encoders.timing import cadence
from encoders.windows import Looked, active_image, may_be_interlaced, read_window, scan_of
from profiles.load import load_profile
from profiles.models import Profile
from profiles.picture_policy import PicturePolicy, treated
from profiles.select import centre_of_shape, choose_ladder, display_size, output_rate
from profiles.source_checks import SourceChecks, UndecodableCheck
from telecine.findings import FindingKind, clock
from telecine.media import AudioTrack, Crop, FrameRate, Gap, Master, Probe, VideoTrack

STANDARD = load_profile("standard")


def a_track(rate="30000/1001", **changes):
    return VideoTrack(**{
        "index": 0, "codec": "mpeg2video", "width": 720, "height": 480, "pixel_format": "yuv420p", "bit_depth": 8,
        "frame_rate": FrameRate.of(Fraction(rate)), "start": 0, "duration": 60, "packets": 1800, **changes,
    })  # fmt: skip


def a_probe(track=None, **sound):
    audio = AudioTrack(**{
        "index": 1, "codec": "aac", "channels": 2, "layout": "stereo", "sample_rate_hz": 48_000, "start": 0,
        "duration": 60, **sound,
    })  # fmt: skip
    master = Master(uri="file:///a.mov", size_bytes=9, sha256="ab" * 32)
    return Probe(master=master, container="mov", duration=60, video=(track or a_track(),), audio=(audio,))


def a_window(*, tff=0, bff=0, progressive=0, repeated=0, clearly=0, image=(0, 0, 719, 479)):
    return Looked(25, tff, bff, progressive, repeated, repeated, clearly, image)


VIDEO, VIDEO_BFF = a_window(tff=25, clearly=18), a_window(bff=24, clearly=16)
FILM, WHOLE, STILL = a_window(tff=23, repeated=5, clearly=20), a_window(progressive=25), a_window()
SLOW = a_window(tff=20, clearly=8)


@pytest.mark.parametrize(
    ("windows", "found"),
    [
        ([VIDEO, VIDEO, STILL], ("interlaced", "tff")),
        ([VIDEO_BFF, VIDEO_BFF], ("interlaced", "bff")),
        ([FILM, FILM, STILL, WHOLE], ("telecined", "tff")),
        ([FILM, SLOW, SLOW], ("telecined", "tff")),
        ([FILM, FILM, VIDEO], ("interlaced", "tff")),
        ([WHOLE, WHOLE, STILL], ("progressive", None)),
        ([WHOLE, WHOLE, a_window(tff=3, progressive=20)], None),
        ([STILL, STILL], None),
        ([], None),
    ],
    ids=[
        "video",
        "video bff",
        "film",
        "film in slow motion",
        "film and video",
        "whole",
        "mostly whole",
        "still",
        "unseen",
    ],
)
def test_windows_are_believed_where_they_agree(windows, found):
    scan = scan_of(a_track(), windows)
    assert (None if scan is None else (scan.kind, scan.field_order)) == found


def test_only_tracks_near_thirty_pictures_a_second_hold_film_in_fields():
    assert scan_of(a_track("25"), [FILM, FILM]).kind == "interlaced"
    assert scan_of(a_track(variable_frame_rate=True), [FILM, FILM]).kind == "interlaced"


@pytest.mark.parametrize(
    ("track", "worth"),
    [
        (a_track(), True),
        (a_track("24"), False),
        (a_track("24", interlaced=True), True),
        (a_track("60000/1001"), False),
        (a_track(codec="vp9"), False),
        (a_track(height=2160, interlaced=True), False),
    ],
)
def test_fields_are_looked_for_only_where_they_can_be(track, worth):
    assert may_be_interlaced(track) == worth


PRINTED = """\
frame:0    pts:0
lavfi.idet.multiple.tff=0.00
lavfi.cropdetect.x1=719
lavfi.cropdetect.y1=479
lavfi.cropdetect.x2=0
lavfi.cropdetect.y2=0
frame:1    pts:1
lavfi.idet.multiple.tff=2.00
lavfi.idet.repeated.top=1.00
lavfi.idet.single.bff=1.00
lavfi.cropdetect.x1=0
lavfi.cropdetect.y1=60
lavfi.cropdetect.x2=719
lavfi.cropdetect.y2=419
"""


def test_the_last_counters_of_a_window_count():
    assert read_window(PRINTED) == Looked(2, 2, 0, 0, 1, 0, 1, (0, 60, 719, 419))
    assert read_window(PRINTED.partition("frame:1")[0]).image is None, "nothing but black has no image"


@pytest.mark.parametrize(
    ("images", "found"),
    [
        ([(0, 60, 719, 419)], (0, 60, 720, 360)),
        ([(0, 61, 719, 419)], (0, 60, 720, 360)),
        ([(0, 60, 719, 419), (0, 40, 719, 439)], (0, 40, 720, 400)),
        ([(0, 60, 719, 419), (0, 0, 719, 479)], None),
        ([(90, 0, 629, 479)], (90, 0, 540, 480)),
        ([(0, 0, 719, 419)], None),
        ([(2, 2, 717, 477)], None),
        ([(0, 200, 719, 279)], None),
        ([], None),
    ],
    ids=["bars", "uneven", "union", "filled", "pillars", "one side", "blanking", "mostly black", "nothing"],
)
def test_bars_are_alike_on_both_sides_and_worth_a_cut(images, found):
    crop = active_image([a_window(image=image) for image in images], 720, 480)
    assert (None if crop is None else (crop.x, crop.y, crop.width, crop.height)) == found


def test_the_policy_decides_what_is_cut_and_how_many_frames_come_out():
    boxed = a_track(interlaced=True, active=Crop(x=0, y=60, width=720, height=360), sample_aspect="8/9")
    probe = a_probe(boxed)
    kept = treated(probe, PicturePolicy()).video[0]
    assert (display_size(kept), output_rate(kept)) == ((640, 480), Fraction(60000, 1001))
    cut = treated(probe, PicturePolicy(crop="auto", deinterlace="frames"))
    assert (display_size(cut.video[0]), output_rate(cut.video[0])) == ((640, 360), Fraction(30000, 1001))
    assert treated(cut, PicturePolicy(crop="auto", deinterlace="frames")) is cut


def test_a_turned_picture_is_cut_as_it_is_shown():
    track = a_track(rotation=90, crop=Crop(x=0, y=100, width=480, height=520), sample_aspect="2")
    assert display_size(track) == (480, 1040)


def test_a_rung_that_covers_its_box_is_cut_out_of_the_image_inside_the_bars():
    track = a_track("24", width=1920, height=1080, crop=Crop(x=0, y=140, width=1920, height=800))
    assert centre_of_shape(track, (450, 800)) == (450, 800)


def test_a_bare_off_in_a_profile_is_no_boolean():
    assert PicturePolicy.model_validate({"crop": False}).crop == "off"


def test_the_plan_keeps_the_facts_and_the_ladder_the_policy():
    profile = Profile.model_validate({**STANDARD.model_dump(), "picture": {"crop": "auto"}})
    probe = a_probe(a_track(active=Crop(x=0, y=60, width=720, height=360)))
    plan = plan_encode(probe, choose_ladder(profile, probe), chunk_seconds=30, threads=1, toolchain="t")
    assert plan.probe.video[0].crop == plan.jobs[-1].track.crop == probe.video[0].active
    untouched = plan_encode(probe, choose_ladder(STANDARD, probe), chunk_seconds=30, threads=1, toolchain="t")
    assert untouched.probe.video[0].crop is None
    assert untouched.jobs[-1].outputs[0].digest != plan.jobs[-1].outputs[0].digest


def test_film_is_planned_at_its_own_rate_and_cut_on_cycles():
    track = a_track(interlaced=True, telecined=True, field_order="tff", start="1/30")
    probe = a_probe(track)
    plan = plan_encode(probe, choose_ladder(STANDARD, probe), chunk_seconds=10, threads=1, toolchain="t")
    assert (plan.frame_rate.fraction, plan.total_frames) == (Fraction(24000, 1001), 1440)
    assert plan.chunks[0].start == plan.first_frame == round(Fraction(1, 30) * Fraction(24000, 1001))
    for chunk in plan.chunks:
        trims = [dict(step.options) for step in film(track, chunk.start, chunk.end) if step.name == "trim"]
        begin = trims[0]["start_pts"]
        assert (begin - 1) % 5 == 0, "cycles are counted from the first picture"
        assert plan.first_frame + (begin - 1) // 5 * 4 + trims[1]["start_pts"] == chunk.start
        assert trims[1]["end_pts"] - trims[1]["start_pts"] == chunk.frames


def test_missing_pictures_are_gaps_and_a_varying_rate_is_none():
    times = [tick for tick in range(0, 300_000, 3000) if tick not in {30_000, 33_000, 90_000}]
    found = cadence(times, Fraction(1, 72_000), 3000, [Fraction(24)])
    assert (found.variable, found.dropped) == (True, 3)
    assert found.gaps == (
        Gap(start="27000/72000", end="36000/72000", frames=2),
        Gap(start="87000/72000", end="93000/72000", frames=1),
    )
    halves = [*range(0, 150_000, 3000), *range(150_000, 300_000, 6000)]
    assert cadence(halves, Fraction(1, 72_000), 3000, [Fraction(24)]).dropped == 0


LINES = """\
[blackdetect@v0 @ 0x55] [info] black_start:1 black_end:3.5 black_duration:2.5
[freezedetect@v0 @ 0x55] [info] lavfi.freezedetect.freeze_start: 1
[freezedetect@v0 @ 0x55] [info] lavfi.freezedetect.freeze_end: 3.5
[freezedetect@v0 @ 0x55] [info] lavfi.freezedetect.freeze_start: 50
[silencedetect@a1 @ 0x55] [info] silence_start: -0.02
[silencedetect@a1 @ 0x55] [info] silence_end: 9.98 | silence_duration: 10
[h264 @ 0x55] [error] error while decoding MB 46 2
[vist#0:0/h264 @ 0x66] [dec:h264 @ 0x77] [warning] corrupt decoded frame
[ebur128@a1 @ 0x55] [info] Summary:
  Integrated loudness:
    I:         -40.5 LUFS
    Threshold: -50.6 LUFS
  Loudness range:
    LRA:         8.8 LU
  Sample peak:
    Peak:       -0.5 dBFS
"""


def reported(checks=None, pictures=1800, probe=None):
    seen = read_report(LINES.splitlines(), [0, 1])
    return report_of(probe or a_probe(), seen, {1: [(Fraction(2), Fraction(4))]}, pictures, checks or SourceChecks())


def test_detectors_lines_become_findings_in_order_of_time():
    report = reported()
    assert [(f.kind, f.track, f.start, f.end) for f in report.findings if f.start is not None] == [
        ("silence", 1, Fraction("-0.02"), Fraction("9.98")),
        ("black", 0, 1, Fraction("3.5")),
        ("clipping", 1, 2, 4),
        ("freeze", 0, 50, 60),
    ]
    loudness = report.loudness[0]
    assert (loudness.integrated_lufs, loudness.range_lu, loudness.sample_peak_dbfs) == (-40.5, 8.8, -0.5)
    assert "Sound track 1 (und) has -40.5 LUFS; -36 to -9 are expected." in {f.sentence for f in report.findings}


@pytest.mark.parametrize(
    ("check", "pictures", "lost", "rejected"),
    [
        (UndecodableCheck(), 1800, 1, True),
        (UndecodableCheck(), None, 1, True),
        (UndecodableCheck(), 1790, 11, True),
        (UndecodableCheck(most_pictures=11), 1790, 11, False),
        (UndecodableCheck(most_share=0.01), 1790, 11, False),
        (UndecodableCheck(most_share=0.006), 1790, 11, True),
        (UndecodableCheck(severity="warning"), 1790, 11, False),
    ],
)
def test_lost_and_damaged_pictures_are_counted_against_both_limits(check, pictures, lost, rejected):
    report = reported(SourceChecks(decode_errors=check), pictures)
    assert report.undecodable == lost
    assert bool(report.rejections) == rejected


def test_flat_tops_at_full_scale_are_clipping_and_peaks_below_are_none():
    def second(at, peak, flat):
        overall = "lavfi.astats.Overall."
        return (f"frame:{at} pts:0 pts_time:{at}", f"{overall}Peak_level={peak}", f"{overall}Flat_factor={flat}")

    lines = [
        *second(0, -0.0003, 12),
        *second(1, 0, 3),
        *second(2, -1, 12),
        *second(3, 0, 0),
        *second(4, "-inf", "-inf"),
    ]
    assert clipped_spans([*lines, *second(5, 0, 2)], 2) == [(0, 2)]
    assert clipped_spans([*lines, *second(5, 0, 2)], 1) == [(0, 2), (5, 6)]


def test_times_are_written_as_a_person_reads_them():
    assert [clock(Fraction(text)) for text in ("0", "61.5", "3723.0004", "-0.02")] == [
        "0:00.000", "1:01.500", "1:02:03.000", "-0:00.020",
    ]  # fmt: skip


def test_every_kind_of_finding_has_its_check_in_the_profile():
    assert set(SourceChecks.model_fields) == {str(kind) for kind in FindingKind}


def test_a_share_beyond_a_tenth_is_refused():
    with pytest.raises(ValueError, match="less than or equal"):
        UndecodableCheck(most_share=0.2)
