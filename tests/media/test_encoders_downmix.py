"""One tone a channel: what of each is in each channel of the mix, measured in decibels."""

import cmath
import math
import sys
from pathlib import Path

import pytest

from encoders.mixing import LAYOUTS, downmix_matrix
from profiles.models import AudioRung, Downmix, Profile

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import ffmpeg, released

pytestmark = pytest.mark.media

AMPLITUDE = 0.05
TONES_HZ = (400, 650, 900, 50, 1250, 1600, 2000, 2500)
TARGETS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def level(samples, hertz):
    """Amplitude of one tone over exactly one second, as a share of what went in."""
    turn = cmath.exp(-2j * math.pi * hertz / 48_000)
    phase, total = 1 + 0j, 0j
    for sample in samples:
        total += sample * phase
        phase *= turn
    return abs(total) * 2 / len(samples) / 32_768 / AMPLITUDE


def mixed(folder, layout, channels, downmix):
    """Samples of each channel of a second in the middle of the mix of one tone a channel."""
    tones = "|".join(f"{AMPLITUDE}*sin({hertz}*t*2*PI)" for hertz in TONES_HZ[: len(LAYOUTS[layout])])
    source = folder / "tones.wav"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc='{tones}':c={layout}:s=48000:d=2", "-c:a", "pcm_s24le", str(source))
    rung = AudioRung(name="mix", channels=channels, bitrate_bps=160_000 * channels)
    profile = Profile(name="tones", summary="tests", video=(), audio=(rung,), downmix=downmix)
    _, renditions, store = released(source, folder, profile, chunk_seconds=30)
    store.get_file(renditions.audio[0].key, folder / "mix.mp4")
    raw = ffmpeg("-i", str(folder / "mix.mp4"), "-ss", "0.5", "-t", "1", "-f", "s16le", "-")
    found = list(memoryview(raw).cast("h"))
    return {name: found[place::channels] for place, name in enumerate(LAYOUTS[TARGETS[channels]])}


@pytest.mark.parametrize(
    ("layout", "channels", "downmix"),
    [
        ("5.1", 2, Downmix()),
        ("5.1(side)", 2, Downmix(center_db=-6, surround_db=-9, lfe_db=-6)),
        ("5.1", 2, Downmix(matrix="lt_rt")),
        ("5.0", 2, Downmix()),
        ("quad", 2, Downmix()),
        ("6.1", 2, Downmix()),
        ("7.1", 2, Downmix()),
        ("7.1(wide)", 2, Downmix()),
        ("7.1", 6, Downmix()),
        ("7.1(wide)", 6, Downmix()),
        ("6.1", 6, Downmix()),
        ("stereo", 1, Downmix()),
        ("7.1", 8, Downmix()),
    ],
)
def test_each_channel_is_in_the_mix_at_the_stated_level(tmp_path, layout, channels, downmix):
    as_it_is = {name: {name: 1.0} for name in LAYOUTS[layout]}
    stated = as_it_is if layout == TARGETS[channels] else downmix_matrix(layout, TARGETS[channels], downmix)
    for name, samples in mixed(tmp_path, layout, channels, downmix).items():
        for source, hertz in zip(LAYOUTS[layout], TONES_HZ, strict=False):
            expected, found = abs(stated[name].get(source, 0)), level(samples, hertz)
            if expected:
                assert 20 * math.log10(found / expected) == pytest.approx(0, abs=0.2), (name, source)
            else:
                assert found < 0.01, (name, source)
