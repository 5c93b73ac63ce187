"""AAC-LC by FFmpeg's own encoder, and the mix that goes into it."""

from profiles.models import AudioRung

__all__ = ["audio_options", "mix_options", "mixes_down"]

# ITU-R BS.775-3, annex 4: centre and surrounds at 1/sqrt(2), the effects channel is left out
_BS775 = {
    "center_mix_level": "0.707107",
    "surround_mix_level": "0.707107",
    "lfe_mix_level": "0",
}
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def mixes_down(rung: AudioRung, source_channels: int) -> bool:
    """Whether channels are summed, so that the mix can be louder than full scale."""
    return source_channels > rung.channels


def mix_options(rung: AudioRung) -> dict[str, str]:
    """Options of the aresample filter that make the rung's channels and sample rate."""
    return {"out_sample_rate": str(rung.sample_rate_hz), "out_chlayout": _LAYOUTS[rung.channels], **_BS775}


def audio_options(rung: AudioRung) -> dict[str, str]:
    """FFmpeg output options of one audio rung."""
    return {
        "c:a": "aac",
        "b:a": str(rung.bitrate_bps),
        "ar": str(rung.sample_rate_hz),
        "ac": str(rung.channels),
        "flags": "+bitexact",
    }
