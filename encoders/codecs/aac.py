"""AAC-LC by FFmpeg's own encoder."""

from profiles.models import AudioRung

__all__ = ["audio_options"]


def audio_options(rung: AudioRung) -> dict[str, str]:
    """FFmpeg output options of one audio rung."""
    return {
        "c:a": "aac",
        "b:a": str(rung.bitrate_bps),
        "ar": str(rung.sample_rate_hz),
        "ac": str(rung.channels),
        "flags": "+bitexact",
    }
