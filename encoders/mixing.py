"""Channels of a source to channels of a rung, by a stated matrix (ITU-R BS.775-3; docs/sound.md has the table). Pure.

Every layout is first folded to 5.1: sides stay whole, backs and a single back go to the sides at -3 dB, the wide fronts
between a side and the centre go to both at -3 dB, so that the power of each is kept. 5.1 then goes to stereo or mono by
the profile's coefficients. Nothing is scaled down: what is louder than full scale is left to a limiter.
"""

from collections.abc import Mapping
from math import sqrt

from profiles.models import AudioRung, Downmix
from telecine.media import AudioTrack

__all__ = ["LAYOUTS", "downmix_matrix", "layout_for", "mixes_down", "pan_expression", "resample_options"]

Gains = Mapping[str, Mapping[str, float]]
"""For each channel that comes out, how much of each channel that goes in."""

LAYOUTS = {
    "mono": ("FC",),
    "stereo": ("FL", "FR"),
    "2.1": ("FL", "FR", "LFE"),
    "3.0": ("FL", "FR", "FC"),
    "3.0(back)": ("FL", "FR", "BC"),
    "4.0": ("FL", "FR", "FC", "BC"),
    "quad": ("FL", "FR", "BL", "BR"),
    "quad(side)": ("FL", "FR", "SL", "SR"),
    "3.1": ("FL", "FR", "FC", "LFE"),
    "5.0": ("FL", "FR", "FC", "BL", "BR"),
    "5.0(side)": ("FL", "FR", "FC", "SL", "SR"),
    "4.1": ("FL", "FR", "FC", "LFE", "BC"),
    "5.1": ("FL", "FR", "FC", "LFE", "BL", "BR"),
    "5.1(side)": ("FL", "FR", "FC", "LFE", "SL", "SR"),
    "6.0": ("FL", "FR", "FC", "BC", "SL", "SR"),
    "6.1": ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    "6.1(back)": ("FL", "FR", "FC", "LFE", "BL", "BR", "BC"),
    "7.0": ("FL", "FR", "FC", "BL", "BR", "SL", "SR"),
    "7.1": ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
    "7.1(wide)": ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC"),
    "7.1(wide-side)": ("FL", "FR", "FC", "LFE", "FLC", "FRC", "SL", "SR"),
}
"""Layouts as FFmpeg names them, with their channels in its order."""

_BY_COUNT = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""What is taken of a track that does not say its layout, and what rungs are made in."""

_HALF_POWER = 1 / sqrt(2)
_BED = ("FL", "FR", "FC", "LFE", "SL", "SR")
_FOLDS: dict[str, dict[str, float]] = {
    "BC": {"SL": _HALF_POWER, "SR": _HALF_POWER},
    "FLC": {"FL": _HALF_POWER, "FC": _HALF_POWER},
    "FRC": {"FR": _HALF_POWER, "FC": _HALF_POWER},
}
_LT_RT_NEAR, _LT_RT_FAR = sqrt(3) / 2, 1 / 2


def mixes_down(rung: AudioRung, track: AudioTrack) -> bool:
    """Whether channels are summed, so that the mix can be louder than full scale."""
    return track.channels > rung.channels


def layout_for(channels: int) -> str:
    """The layout of so many channels that players know."""
    return _BY_COUNT[channels]


def resample_options(rung: AudioRung, track: AudioTrack) -> dict[str, str]:
    """Options of the aresample filter that make the rung's rate, and its channels where none are summed.

    Before a downmix the source's own layout is stated, so that the channels have the names the matrix goes by.
    """
    layout = _source_layout(track) if mixes_down(rung, track) else layout_for(rung.channels)
    return {"out_sample_rate": str(rung.sample_rate_hz), "out_chlayout": layout}


def pan_expression(rung: AudioRung, track: AudioTrack) -> str | None:
    """The argument of the pan filter that sums the track's channels; None where there is nothing to sum."""
    if not mixes_down(rung, track):
        return None
    layout = layout_for(rung.channels)
    gains = downmix_matrix(_source_layout(track), layout, rung.downmix or Downmix())
    sums = (
        f"{out}={'+'.join(f'{gain:.6f}*{channel}' for channel, gain in row.items()) or f'0*{next(iter(gains))}'}"
        for out, row in gains.items()
    )
    return "|".join([layout, *sums]).replace("+-", "-")


def downmix_matrix(source: str, target: str, downmix: Downmix) -> Gains:
    """Gains from the channels of ``source`` to those of ``target``, both layouts as FFmpeg names them."""
    bed = _folded(source)
    if target in {"mono", "stereo"}:
        bed = _fronts(bed, downmix)
    if target == "mono":
        bed = {"FC": _sum(dict.fromkeys(("FL", "FR"), _HALF_POWER), bed)}
    named = {name: bed.get(_SIDE_OF.get(name, name), {}) for name in LAYOUTS[target]}
    return {name: {channel: gain for channel, gain in row.items() if gain} for name, row in named.items()}


_SIDE_OF = {"BL": "SL", "BR": "SR"}


def _source_layout(track: AudioTrack) -> str:
    known = track.layout in LAYOUTS and len(LAYOUTS[track.layout]) == track.channels
    return track.layout if known else layout_for(min(track.channels, max(_BY_COUNT)))


def _folded(source: str) -> dict[str, dict[str, float]]:
    """Any layout as 5.1 with sides: what of each source channel is in each of its channels."""
    channels = LAYOUTS[source]
    has_sides = "SL" in channels
    bed: dict[str, dict[str, float]] = {name: {} for name in _BED}
    for channel in channels:
        into = _FOLDS.get(channel, {_SIDE_OF.get(channel, channel): 1.0})
        if channel in _SIDE_OF and has_sides:
            into = {_SIDE_OF[channel]: _HALF_POWER}
        for name, gain in into.items():
            bed[name][channel] = bed[name].get(channel, 0) + gain
    return bed


def _fronts(bed: Gains, downmix: Downmix) -> dict[str, dict[str, float]]:
    centre, lfe = _linear(downmix.center_db), _linear(downmix.lfe_db)
    left, right = {"FL": 1.0, "FC": centre, "LFE": lfe}, {"FR": 1.0, "FC": centre, "LFE": lfe}
    if downmix.matrix == "lt_rt":
        left |= {"SL": -_LT_RT_NEAR, "SR": -_LT_RT_FAR}
        right |= {"SL": _LT_RT_FAR, "SR": _LT_RT_NEAR}
    else:
        surround = _linear(downmix.surround_db)
        left["SL"], right["SR"] = surround, surround
    return {"FL": _sum(left, bed), "FR": _sum(right, bed)}


def _sum(shares: Mapping[str, float], bed: Gains) -> dict[str, float]:
    total: dict[str, float] = {}
    for name, share in shares.items():
        for channel, gain in bed[name].items():
            total[channel] = total.get(channel, 0) + share * gain
    return total


def _linear(decibels: float | None) -> float:
    """6 dB are a factor of two and 3 dB the root of it, as the standards count."""
    return 0.0 if decibels is None else 2 ** (decibels / 6)
