"""AC-3 and Enhanced AC-3 (ETSI TS 102 366, its annex E) by FFmpeg's own encoders, up to 5.1."""

from profiles.models import AudioRung

__all__ = ["audio_options"]


def audio_options(rung: AudioRung) -> dict[str, str]:
    """FFmpeg output options of one audio rung."""
    return {
        "c:a": rung.codec.value,
        "b:a": str(rung.bitrate_bps),
        "ar": str(rung.sample_rate_hz),
        "ac": str(rung.channels),
        "flags": "+bitexact",
    }
