"""What a sound track is and what it is for, read from its header: roles, Dolby Atmos, stated loudness of dialogue."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from pymediainfo import MediaInfo

from encoders.streams import Stream
from telecine.media import AudioTrack, SoundRole

__all__ = ["audio_track"]

_BY_COUNT = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_DISPOSITIONS: tuple[tuple[str, SoundRole], ...] = (
    ("comment", "commentary"),
    ("visual_impaired", "descriptive"),
    ("descriptions", "descriptive"),
    ("hearing_impaired", "clear-speech"),
    ("clean_effects", "clear-speech"),
)
_TITLES: tuple[tuple[str, SoundRole], ...] = (
    (r"comment(ary|aries)\b|\bkommentar|\bcommentaire", "commentary"),
    (r"audio.?descri|described|descriptive|\bdvs\b|audiodeskription", "descriptive"),
)


def audio_track(stream: Stream, extent: tuple[Fraction, Fraction], media_info: MediaInfo, position: int) -> AudioTrack:
    """The track with ``extent`` on the container's clock; ``position`` counts the sound tracks of the file from 0."""
    start, end = extent
    channels = stream.number("channels")
    said = _said(media_info, position)
    codec = stream.text("codec_name") or "unknown"
    return AudioTrack(
        index=stream.index,
        codec=codec,
        channels=channels,
        layout=stream.text("channel_layout") or _BY_COUNT.get(channels, "unknown"),
        sample_rate_hz=stream.number("sample_rate"),
        language=stream.language,
        role=_role(stream),
        title=str(stream.fields.get("tags", {}).get("title", "")),
        atmos=codec == "eac3"
        and ("Atmos" in str(stream.fields.get("profile")) or "JOC" in str(said.get("format_additionalfeatures"))),
        dialnorm_lkfs=_dialnorm(said) if codec in {"ac3", "eac3"} else None,
        bit_rate_bps=stream.number("bit_rate") or _number(said.get("bit_rate")),
        start=start,
        duration=end - start,
    )


def _said(media_info: MediaInfo, position: int) -> Mapping[str, Any]:
    tracks = media_info.audio_tracks
    return tracks[position].to_data() if position < len(tracks) else {}


def _role(stream: Stream) -> SoundRole:
    """By the container's own flags; where it sets none, by the track's title, in the words people use."""
    flags = stream.fields.get("disposition", {})
    by_flag = next((role for flag, role in _DISPOSITIONS if flags.get(flag)), None)
    title = str(stream.fields.get("tags", {}).get("title", "")).lower()
    by_title = next((role for words, role in _TITLES if re.search(words, title)), None)
    return by_flag or by_title or "main"


def _dialnorm(said: Mapping[str, Any]) -> int | None:
    """LKFS of dialogue, -31 to -1 (ETSI TS 102 366, 4.4.2.8): the average where it changes within the track."""
    for name in ("dialnorm_average", "dialog_normalization"):
        match = re.match(r"-?\d+", str(said.get(name, "")))
        if match:
            return int(match[0])
    return None


def _number(value: object) -> int:
    return int(str(value)) if str(value).isdecimal() else 0
