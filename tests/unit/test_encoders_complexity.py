"""The analysis of a title, without encoders: curves, windows, hull, shots, and what a plan makes of them."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest

from encoders.codecs import x264, x265
from encoders.codecs.zones import mean_crf, tuning_parameters, zones
from encoders.complexity.allocate import Likeness, allocate
from encoders.complexity.curves import SLOPE, Curve, curve_through
from encoders.complexity.documents import ComplexityReport, RungChoice, ShotSurvey, TrialPoint
from encoders.complexity.hull import Trials, choose, fitted, spared, tuned
from encoders.complexity.page import complexity_page
from encoders.complexity.survey import cut_stretches
from encoders.complexity.windows import GopSurvey, sampled_windows, shots_of
from encoders.documents import Chunk, ShotCrf
from encoders.plan import plan_encode
from profiles.load import load_profile
from profiles.models import VideoCodec, VideoRung
from profiles.select import choose_ladder
from telecine.media import FrameRate, Master, Probe, VideoTrack

H, Q, L = (1920, 1080), (1280, 720), (854, 480)


def a_curve(size=H, ceiling=100.0, middle=40.0, bps=8_000_000, slope=0.13):
    return Curve(*size, ceiling=ceiling, middle=middle, log_bits=math.log(bps) + slope * 20, bits_slope=slope)


def a_point(curve, crf, *, tuned=True, cost=1.0):
    vmaf = curve.vmaf_at(crf)
    return TrialPoint(
        codec=VideoCodec.X264, width=curve.width, height=curve.height, crf=crf, tuned=tuned,
        bps=cost * curve.bps_at(crf), vmaf=vmaf, windows=(vmaf,),
    )  # fmt: skip


def a_rung(name, size, crf=22, label="HD"):
    return VideoRung(
        name=name, width=size[0], height=size[1], crf=crf, max_bps=5_000_000, label=label, psychovisual=True
    )


def shots(*described):
    start, made = 0, []
    for frames, bits, vmaf in described:
        made.append(ShotSurvey(start=start, end=start + frames, bits_per_frame=bits, vmaf=vmaf))
        start += frames
    return made


def test_a_curve_goes_through_its_two_trials():
    true = a_curve(ceiling=93, middle=38)
    found = curve_through([a_point(true, 25), a_point(true, 33)])
    assert found.ceiling == pytest.approx(93, abs=1e-6)
    assert found.vmaf_at(29) == pytest.approx(true.vmaf_at(29), abs=1e-6)
    assert found.bps_at(29) == pytest.approx(true.bps_at(29), rel=1e-9)


def test_a_size_is_not_asked_for_more_than_scaling_leaves():
    curve = a_curve(ceiling=80)
    assert curve.crf_for(79.5) is None
    assert curve.vmaf_at(curve.crf_for(70)) == pytest.approx(70)


def test_one_trial_or_two_alike_still_give_a_curve():
    point = a_point(a_curve(), 25)
    assert curve_through([point]).vmaf_at(25) == pytest.approx(point.vmaf)
    flat = point.model_copy(update={"crf": 33.0})
    assert 0 < curve_through([point, flat]).vmaf_at(29) <= 100
    with pytest.raises(ValueError, match="needs a trial"):
        curve_through([])


def hull_trials(cost=1.25):
    """Three sizes whose curves cross: small pictures are cheap and look worse however many bits they get."""
    sizes = [a_curve(H, 100, 42, 9_000_000), a_curve(Q, 92, 42, 4_500_000), a_curve(L, 78, 42, 2_200_000)]
    tried = [a_point(curve, crf) for curve in sizes for crf in (25, 33)]
    fixed = [a_point(sizes[0], 23, tuned=False, cost=cost), a_point(sizes[1], 23, tuned=False, cost=cost)]
    return Trials([*fixed, a_point(sizes[2], 24, tuned=False, cost=cost)], tried)


def test_every_rung_gets_the_cheapest_size_that_reaches_its_quality():
    rungs = [a_rung("1080p", H), a_rung("720p", Q), a_rung("480p", L, label="SD")]
    trials = hull_trials()
    chosen = choose(rungs, trials)
    assert [choice.rung.name for choice in chosen] == ["1080p", "720p", "480p"]
    assert (chosen[1].rung.width, chosen[1].rung.height) == H
    for choice, own in zip(chosen, trials.fixed, strict=True):
        assert choice.bps < own.bps
        assert choice.curve.vmaf_at(choice.rung.crf) >= own.vmaf - 1e-6, "never worse than the rung it replaces"


def tries(*sizes):
    return [tuned(a_rung("tried", size)) for size in sizes]


def test_rungs_that_are_tried_as_they_are_need_no_trial_of_their_own():
    plain = [tuned(a_rung("1080p", H)), tuned(a_rung("720p", Q)), tuned(a_rung("480p", L, label="SD"))]
    assert spared(plain, tries(H, Q)) == tuple(plain[:2])
    curves = [a_curve(H, 100, 42, 9_000_000), a_curve(Q, 92, 42, 4_500_000)]
    tried = [a_point(curve, crf, tuned=False) for curve in curves for crf in (25, 33)]
    chosen = choose(plain[:2], Trials([None, None], tried))
    assert chosen[0].rung == plain[0], "nothing differs, so nothing is better at its own size"
    assert chosen[1].target_vmaf == pytest.approx(curves[1].vmaf_at(22), abs=1e-6)
    assert chosen[1].bps <= chosen[1].fixed_bps


def test_the_costliest_trial_is_spared_and_told_from_the_others():
    rungs = [a_rung("1080p", H, 23), a_rung("720p", Q, 23), a_rung("480p", L, 24, label="SD")]
    assert spared(rungs, tries(H, Q)) == (rungs[0],)
    assert spared(rungs, tries(H)) == ()
    assert spared(rungs[:1], tries(H)) == ()
    trials = hull_trials()
    with_all, without = choose(rungs, trials), choose(rungs, Trials([None, *trials.fixed[1:]], trials.tried))
    assert without[0].target_vmaf == pytest.approx(with_all[0].target_vmaf, abs=1e-6)
    assert without[0].fixed_bps == pytest.approx(with_all[0].fixed_bps, rel=1e-6)
    assert without[0].rung == with_all[0].rung


def test_a_rung_keeps_the_lines_its_key_label_allows():
    chosen = choose([a_rung("480p", L, label="SD")], Trials(hull_trials().fixed[2:], hull_trials().tried))
    assert min(chosen[0].rung.width, chosen[0].rung.height) <= 576


def test_a_rung_no_trial_beats_stays_as_the_profile_says():
    rung = a_rung("1080p", H)
    (choice,) = choose([rung], Trials([a_point(a_curve(), 22, tuned=False, cost=0.5)], hull_trials().tried))
    assert choice.rung == rung
    assert choice.bps == choice.fixed_bps


def test_tuning_is_taken_only_where_it_saves():
    rungs = [a_rung("1080p", H), a_rung("720p", Q), a_rung("480p", L, label="SD")]
    assert not any(choice.rung.psychovisual for choice in choose(rungs, hull_trials(cost=1.25)))
    plain = choose(rungs, hull_trials(cost=1.0))
    assert all(choice.rung.psychovisual and choice.rung.aq_strength is None for choice in plain)


def test_bits_move_from_shots_that_look_perfect_anyway():
    perfect, good, worst = (480, 40_000, 98.0), (600, 20_000, 90.0), (60, 30_000, 70.0)
    curve = a_curve(ceiling=100, middle=42)
    crf = curve.crf_for(92)
    spread, share = allocate(curve, crf, shots(perfect, good, worst), Likeness())
    assert share < 0.99
    assert spread[0].crf > crf > spread[1].crf
    assert [(shot.start, shot.end) for shot in spread] == [(0, 480), (480, 1080), (1080, 1140)]


def test_shots_that_look_worst_are_not_made_worse():
    hardest = (120, 400_000, 60.0)
    curve = a_curve(ceiling=100, middle=42)
    crf = curve.crf_for(85)
    spread, _ = allocate(curve, crf, shots((600, 10_000, 90.0), hardest, (600, 12_000, 88.0)), Likeness())
    assert not spread or spread[1].crf <= crf


def test_what_the_survey_cannot_tell_of_a_size_moves_nothing():
    told_apart = shots((480, 40_000, 98.0), (600, 20_000, 90.0), (60, 30_000, 70.0))
    assert allocate(a_curve(), 25, told_apart, Likeness(looks=0, bits=0)) == ((), 1.0)


def test_equal_shots_need_no_crf_of_their_own():
    assert allocate(a_curve(), 25, shots(*[(240, 20_000, 90.0)] * 4), Likeness()) == ((), 1.0)


def a_gop(number, bits, vmaf=90.0, *, begins=False):
    return GopSurvey(48 * number, 48 * number + 48, bits, vmaf, begins)


def test_gops_become_shots_at_cuts():
    found = shots_of([a_gop(0, 48), a_gop(1, 96), a_gop(2, 480, 70, begins=True)])
    assert [(shot.start, shot.end, shot.bits_per_frame) for shot in found] == [(0, 96, 1.5), (96, 144, 10.0)]


def test_windows_stand_for_easy_and_hard_parts_alike():
    gops = [a_gop(n, bits) for n, bits in enumerate([100, 110, 120, 900, 910, 920, 5000, 5100, 5200])]
    windows = sampled_windows(gops, 72)
    assert len(windows) == 3
    assert [start // 144 for start, _ in windows] == [0, 1, 2], "one of each third by difficulty"
    assert sum(end - start for start, end in windows) == 72


def test_windows_of_a_title_shorter_than_a_gop_are_all_of_it():
    assert sampled_windows([GopSurvey(0, 20, 100, 90, begins_shot=False)], 24) == ((0, 20),)


def test_stretches_cover_a_title_once():
    cut = cut_stretches(7, 48 * 61 + 5, 48)
    assert cut[0].start == 7
    assert cut[-1].end == 7 + 48 * 61 + 5
    assert all(a.end == b.start for a, b in pairwise(cut))
    assert cut[-1].end - cut[-1].start >= 48


def test_zones_are_counted_from_the_chunk_and_double_the_scale_in_six_steps():
    chunk = Chunk(index=1, start=720, end=1440)
    told = [
        ShotCrf(start=720, end=960, crf=28),
        ShotCrf(start=960, end=1200, crf=22),
        ShotCrf(start=1200, end=1440, crf=25),
    ]
    assert zones(22, chunk, told) == "0,239,b=0.5000/480,719,b=0.7071"


def test_a_chunk_whose_shots_have_the_rungs_own_crf_is_told_no_zones():
    chunk, rung = Chunk(index=1, start=720, end=1440), a_rung("720p", Q, 22)
    assert tuning_parameters(tuned(rung), chunk, [], x264.plain("slow")) == x264.plain("slow")
    rung = rung.model_copy(update={"codec": VideoCodec.X265})
    assert tuning_parameters(rung, chunk, [ShotCrf(start=720, end=1440, crf=22)], x265.PLAIN) == {}
    assert tuning_parameters(tuned(rung), chunk, [], x265.PLAIN) == {
        "psy-rd": "0", "psy-rdoq": "0", "aq-strength": "0.3", "bframes": "5",
    }  # fmt: skip


def test_encoders_without_zones_get_the_mean_of_the_shots():
    chunk = Chunk(index=0, start=0, end=100)
    rung = a_rung("vp9", Q, crf=30).model_copy(update={"codec": VideoCodec.VP9})
    assert mean_crf(rung, chunk, [ShotCrf(start=0, end=50, crf=36)]) == 33
    assert mean_crf(rung, chunk, []) == 30


def a_probe():
    track = VideoTrack(
        index=0, codec="h264", width=1920, height=1080, pixel_format="yuv420p", bit_depth=8,
        frame_rate=FrameRate(numerator=24, denominator=1), start=0, duration=60, packets=1440,
    )  # fmt: skip
    master = Master(uri="file:///film.mov", size_bytes=1, sha256="0" * 64)
    return Probe(master=master, container="mov", duration=60, video=(track,))


def a_report(ladder):
    fixed = ladder.video[0]
    chosen = tuned(fixed).model_copy(update={"crf": 25.0})
    own = (ShotCrf(start=0, end=960, crf=27), ShotCrf(start=960, end=1440, crf=24))
    choice = RungChoice(
        fixed=fixed, chosen=chosen, target_vmaf=93, fixed_bps=4_000_000, chosen_bps=3_000_000, shots=own
    )
    return ComplexityReport(
        digest="0" * 64, mode="shot", frame_rate=FrameRate(numerator=24, denominator=1), gop_frames=48, view_width=1920,
        view_height=1080, shots=shots((960, 9_000, 95.0), (480, 30_000, 80.0)), windows=((0, 24),),
        trials=(a_point(a_curve(), 25), a_point(a_curve(), 33)), choices=(choice,), cpu_s=12,
    )  # fmt: skip


def test_a_plan_takes_the_rungs_and_shots_of_the_analysis_and_new_digests_with_them():
    probe = a_probe()
    ladder = choose_ladder(load_profile("standard"), probe)
    asked = {"chunk_seconds": 30, "threads": 1, "toolchain": "t"}
    plain = plan_encode(probe, ladder, **asked)
    fitted_ladder, by_rung = fitted(ladder, a_report(ladder))
    plan = plan_encode(probe, fitted_ladder, shots=by_rung, **asked)
    first, second = (job.outputs[0] for job in plan.jobs)
    assert [(shot.start, shot.end, shot.crf) for shot in first.shots] == [(0, 720, 27)]
    assert [(shot.start, shot.end, shot.crf) for shot in second.shots] == [(720, 960, 27), (960, 1440, 24)]
    for before, after in zip(plain.jobs, plan.jobs, strict=True):
        assert before.outputs[0].digest != after.outputs[0].digest
        assert [o.digest for o in before.outputs[1:]] == [o.digest for o in after.outputs[1:]], "other rungs are reused"


def test_without_an_analysis_the_ladder_stays():
    ladder = choose_ladder(load_profile("standard"), a_probe())
    assert fitted(ladder, None) == (ladder, {})


def test_the_page_shows_what_was_chosen_and_saved():
    page = complexity_page("A <film>", a_report(choose_ladder(load_profile("standard"), a_probe())))
    assert "A &lt;film&gt;" in page
    assert "25%" in page
    assert page.count("<svg") == 2
    assert "CRF 25" in page


def test_odds_of_vmaf_fall_by_e_in_one_slope():
    curve = a_curve(ceiling=100, middle=30)
    assert curve.vmaf_at(30 + SLOPE) / (100 - curve.vmaf_at(30 + SLOPE)) == pytest.approx(1 / math.e)
    assert Fraction(1, 2) == Fraction(curve.vmaf_at(30) / 100).limit_denominator(1000)
