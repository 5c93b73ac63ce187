"""Gains that bring a mix to its loudness."""

import pytest

from encoders.loudness import further_gain, gain_for, gate_of, read_figure, read_loudness
from profiles.models import AudioRung
from telecine.media import AudioTrack

RUNG = AudioRung(name="stereo", channels=2, bitrate_bps=1, loudness_lufs=-24)


def a_track(**changes):
    told = {"index": 0, "codec": "ac3", "channels": 2, "layout": "stereo", "sample_rate_hz": 48_000}
    return AudioTrack(**told, start=0, duration=1, **changes)


def test_the_last_measurement_counts():
    assert read_figure("frame:0\nlavfi.r128.I=-70.000\nframe:1\nlavfi.r128.I=-31.530\n") == -31.53
    assert read_figure("") is None


def test_peaks_are_logged_as_ratios_and_told_in_decibels_and_silence_is_the_absolute_gate():
    found = read_loudness({
        "integrated": "lavfi.r128.I=-23.5\n", "range": "lavfi.r128.LRA=4.2\n", "peak": "lavfi.r128.true_peak=0.5\n",
    })  # fmt: skip
    assert (found.integrated_lufs, found.range_lu, found.true_peak_dbtp) == (-23.5, 4.2, -6.0)
    silent = read_loudness({"integrated": "", "range": "", "peak": "lavfi.r128.true_peak=0.000\n"})
    assert (silent.integrated_lufs, silent.range_lu, silent.true_peak_dbtp) == (-70, 0, -70)


@pytest.mark.parametrize(("measured", "gain"), [(-30.0, 6.0), (-18.25, -5.75), (-70.0, None)])
def test_gain_is_what_is_missing_and_silence_has_none(measured, gain):
    assert gain_for(RUNG, a_track(), measured) == gain
    assert gain_for(RUNG.model_copy(update={"loudness_lufs": None}), a_track(), measured) is None


@pytest.mark.parametrize(("dialnorm", "gain"), [(-27, 3.0), (-31, 6.0), (None, 6.0)])
def test_a_gate_on_dialogue_takes_what_the_master_states_and_the_programme_where_it_states_nothing(dialnorm, gain):
    rung, track = RUNG.model_copy(update={"loudness_gate": "dialogue"}), a_track(dialnorm_lkfs=dialnorm)
    assert gain_for(rung, track, -30.0) == gain
    assert gate_of(rung, track) == ("dialogue" if dialnorm == -27 else "programme")
    assert gain_for(RUNG, track, -30.0) == 6.0


@pytest.mark.parametrize(
    ("given", "missing", "more"),
    [(5.0, 0.4, None), (5.0, 1.2, 6.2), (5.0, 9.0, 8.0), (8.0, 2.0, None), (5.0, -1.0, None)],
)
def test_what_holding_the_peaks_took_is_made_up_for_by_three_decibels_at_most(given, missing, more):
    assert further_gain(5.0, given, missing) == more
