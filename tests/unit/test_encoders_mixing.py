"""The matrix by which channels are summed."""

from math import sqrt

import pytest

from encoders.mixing import LAYOUTS, downmix_matrix, mixes_down, pan_expression, resample_options
from profiles.models import AudioRung, Downmix
from telecine.media import AudioTrack

HALF = 1 / sqrt(2)


def a_track(layout="5.1", channels=None):
    count = channels or len(LAYOUTS[layout])
    return AudioTrack(
        index=0, codec="pcm_s16le", channels=count, layout=layout, sample_rate_hz=48_000, start=0, duration=1
    )


def a_rung(channels=2, **changes):
    return AudioRung(name="mix", channels=channels, bitrate_bps=1, **changes)


def test_surround_to_stereo_is_bs_775_unless_told_otherwise():
    assert downmix_matrix("5.1", "stereo", Downmix()) == {
        "FL": pytest.approx({"FL": 1, "FC": HALF, "BL": HALF}),
        "FR": pytest.approx({"FR": 1, "FC": HALF, "BR": HALF}),
    }


def test_a_profile_may_state_other_coefficients():
    stated = Downmix(center_db=-6, surround_db=-12, lfe_db=0)
    left = downmix_matrix("5.1(side)", "stereo", stated)["FL"]
    assert left == pytest.approx({"FL": 1, "FC": 0.5, "SL": 0.25, "LFE": 1})


def test_lt_rt_puts_surrounds_into_both_sides_in_opposite_phase():
    mixed = downmix_matrix("5.1", "stereo", Downmix(matrix="lt_rt"))
    assert mixed["FL"] == pytest.approx({"FL": 1, "FC": HALF, "BL": -sqrt(3) / 2, "BR": -0.5})
    assert mixed["FR"] == pytest.approx({"FR": 1, "FC": HALF, "BL": 0.5, "BR": sqrt(3) / 2})


def test_backs_beside_sides_and_a_single_back_go_to_the_sides_at_half_power():
    assert downmix_matrix("7.1", "5.1", Downmix())["BL"] == pytest.approx({"SL": 1, "BL": HALF})
    assert downmix_matrix("6.1", "5.1", Downmix())["BR"] == pytest.approx({"SR": 1, "BC": HALF})
    assert downmix_matrix("7.1(wide)", "5.1", Downmix())["FC"] == pytest.approx({"FC": 1, "FLC": HALF, "FRC": HALF})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_channel_but_the_effects_is_heard_in_every_mix(layout):
    for target in ("mono", "stereo", "5.1"):
        heard = {channel for row in downmix_matrix(layout, target, Downmix()).values() for channel in row}
        assert set(LAYOUTS[layout]) - heard <= {"LFE"}


def test_nothing_is_summed_where_the_channels_are_as_asked():
    assert pan_expression(a_rung(6), a_track("5.1(side)")) is None
    assert resample_options(a_rung(6), a_track("5.1(side)"))["out_chlayout"] == "5.1"
    assert not mixes_down(a_rung(2), a_track("mono"))


def test_the_layout_of_the_source_is_stated_before_its_channels_are_named():
    assert resample_options(a_rung(2), a_track("5.1(side)"))["out_chlayout"] == "5.1(side)"
    assert resample_options(a_rung(2), a_track("unknown", 8))["out_chlayout"] == "7.1"
    assert pan_expression(a_rung(1), a_track("stereo")) == "mono|FC=0.707107*FL+0.707107*FR"
    lt_rt = a_rung(2, downmix=Downmix(matrix="lt_rt"))
    assert pan_expression(lt_rt, a_track("quad")) == (
        "stereo|FL=1.000000*FL-0.866025*BL-0.500000*BR|FR=1.000000*FR+0.500000*BL+0.866025*BR"
    )
