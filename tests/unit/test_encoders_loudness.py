"""Gains that bring a mix to its loudness."""

import pytest

from encoders.loudness import gain_for, read_integrated
from profiles.models import AudioRung


def test_the_last_measurement_counts():
    assert read_integrated("frame:0\nlavfi.r128.I=-70.000\nframe:1\nlavfi.r128.I=-31.530\n") == -31.53
    assert read_integrated("") == -70


@pytest.mark.parametrize(("measured", "gain"), [(-30.0, 6.0), (-18.25, -5.75), (-70.0, None)])
def test_gain_is_what_is_missing_and_silence_has_none(measured, gain):
    rung = AudioRung(name="stereo", channels=2, bitrate_bps=1, loudness_lufs=-24)
    assert gain_for(rung, measured) == gain
    assert gain_for(rung.model_copy(update={"loudness_lufs": None}), measured) is None
