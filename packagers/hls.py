"""Rewrites the packager's media playlists and writes the multivariant playlist (RFC 8216bis). Pure."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from packagers.dash import Track
from packagers.plan import PackagePlan, SoundKind, Stream, sound_kind
from packagers.signals import media_key_lines, own_session_lines
from telecine.drm import KEY_FORMATS
from telecine.errors import PackageRejected

__all__ = [
    "CLEAR_KEY_FORMAT",
    "WIDEVINE_FORMAT",
    "attributes",
    "key_lines",
    "master_playlist",
    "rewrite_playlist",
    "target_duration_s",
    "target_line",
]

CLEAR_KEY_FORMAT, WIDEVINE_FORMAT = KEY_FORMATS["clearkey"], KEY_FORMATS["widevine"]

_VERSION = 6  # EXT-X-MAP in a playlist that is not I-frames only
_TARGET = "#EXT-X-TARGETDURATION:"
_KEY = "#EXT-X-KEY:"
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')
_LAYOUTS = {1: "Mono", 2: "Stereo", 6: "5.1", 8: "7.1"}
_ROLES = {
    "main": ("", ""),
    "commentary": ("", ", commentary"),
    "descriptive": ("public.accessibility.describes-video", ", described"),
    "clear-speech": ("public.accessibility.enhances-speech-intelligibility", ", clear speech"),
}
"""Of each role, what RFC 8216bis calls it and how its name says it."""

_CODEC_ORDER = ("avc1", "vp09", "hvc1", "av01", "dvh1")
"""From codecs that need many bits for a picture to those that need few."""

_SAME_SESSION_KEY = ("METHOD", "URI", "IV", "KEYFORMAT", "KEYFORMATVERSIONS")


@dataclass(frozen=True, slots=True)
class _AudioGroup:
    """Tracks between which a viewer chooses: every language and role at one layout, codec and step of bit rates."""

    name: str
    tracks: tuple[Track, ...]


def rewrite_playlist(text: str, track: Track, plan: PackagePlan) -> str:
    """The published media playlist of a track.

    Durations are exact to a microsecond (the packager rounds to milliseconds, which adds up over a film). The key lines
    of the plan's systems take the place of the packager's (the URI of its identity line is the KID, which shaka-player
    would take for the key). A track of key frames says so: each of its segments is one I-frame (RFC 8216bis, 4.4.3.6).
    The target is the longest segment to the nearest second, one for sound and picture; the packager rounds it up.
    Raises PackageRejected when the playlist does not have the track's segments.
    """
    durations = iter(track.segments)
    written: list[str] = []
    kid, before = plan.keys.kids.get(track.stream.rendition.label, ""), ""
    for line in text.splitlines():
        if line.startswith("#EXTINF:"):
            written.append(extinf(next(durations, Fraction(0))))
        elif line.startswith(_KEY) and not before.startswith(_KEY):
            given = attributes(line)
            written += media_key_lines(plan, kid, given["METHOD"], given.get("IV", ""))
        elif line.startswith(_TARGET):
            written.append(target_line(track.segments))
        elif line.startswith("#EXT-X-VERSION:"):
            written += [f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
            written += ["#EXT-X-I-FRAMES-ONLY"] if track.stream.trick else []
        elif line and not line.startswith(("##", _KEY)):
            written.append(line)
        before = line
    segments = sum(line.startswith("#EXTINF:") for line in written)
    if segments != len(track.segments):
        message = (
            f"The packager's playlist of '{track.stream.name}' has {segments} segments, "
            f"its MPD has {len(track.segments)}."
        )
        raise PackageRejected(message)
    return "\n".join(written) + "\n"


def master_playlist(
    plan: PackagePlan, tracks: Sequence[Track], average_bps: Mapping[str, int], keys: Iterable[str]
) -> str:
    """The multivariant playlist. ``keys`` are key lines of media playlists; each becomes a session key once.

    Every video track is offered with every channel layout, each layout in a group of its own (Apple's authoring
    specification), small pictures first; tracks of key frames come last. ``average_bps`` is by stream name.
    """
    groups = _audio_groups([track for track in tracks if track.stream.kind == "audio"])
    video = [track for track in tracks if track.stream.kind == "video" and not track.stream.trick]
    session_keys = _session_keys(keys, own_session_lines(plan))
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS", *session_keys]
    for group in groups:
        lines += [_media(group, track) for track in group.tracks]
    for offered in groups or (None,):
        for track in video or (offered.tracks[:1] if offered else ()):
            lines += [
                _stream_inf(plan, track, offered, (average_bps, _score(track, video))),
                track.stream.playlist_path,
            ]
    lines += [_i_frame_stream_inf(plan, track, average_bps) for track in tracks if track.stream.trick]
    return "\n".join(lines) + "\n"


def attributes(line: str) -> dict[str, str]:
    """The attribute list of a tag (RFC 8216bis, 4.2), without quotes."""
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.partition(":")[2])}


def extinf(duration: Fraction) -> str:
    """The tag of a segment, to a microsecond."""
    return f"#EXTINF:{_decimal(duration, 6)},"


def target_line(durations: Iterable[Fraction]) -> str:
    """The target duration of a playlist: its longest segment, rounded to the nearest second (RFC 8216bis, 4.4.3.1)."""
    return f"{_TARGET}{max(1, math.floor(max(durations, default=Fraction(1)) + Fraction(1, 2)))}"


def key_lines(playlist: str) -> tuple[str, ...]:
    """The key lines of a media playlist."""
    return tuple(line for line in playlist.splitlines() if line.startswith(_KEY))


def target_duration_s(playlist: str) -> int:
    """Of a media playlist, which must have one (RFC 8216bis, 4.4.3.1)."""
    return int(playlist.partition(_TARGET)[2].split(maxsplit=1)[0])


def _session_keys(keys: Iterable[str], given: Sequence[str]) -> list[str]:
    """Session keys that differ in what RFC 8216bis (4.4.6.5) compares; those given stand for their formats' own."""
    distinct: dict[tuple[str | None, ...], str] = {}
    formats = {attributes(line).get("KEYFORMAT") for line in given}
    made = [line.replace(_KEY, "#EXT-X-SESSION-KEY:", 1) for line in keys]
    for line in [*(one for one in made if attributes(one).get("KEYFORMAT") not in formats), *given]:
        said = attributes(line)
        distinct.setdefault(tuple(said.get(name) for name in _SAME_SESSION_KEY), line)
    return list(distinct.values())


def _audio_groups(tracks: Sequence[Track]) -> tuple[_AudioGroup, ...]:
    steps: dict[SoundKind, int] = {}
    groups: dict[str, list[Track]] = {}
    for track in sorted(tracks, key=lambda track: track.stream.rendition.average_bps):
        kind = sound_kind(track.stream.rendition)
        steps[kind] = steps.get(kind, 0) + 1
        groups.setdefault(_group_name(track, steps[kind]), []).append(track)
    ordered = sorted(groups.items(), key=lambda group: min(tracks.index(track) for track in group[1]))
    return tuple(_AudioGroup(name, tuple(sorted(found, key=tracks.index))) for name, found in ordered)


def _group_name(track: Track, step: int) -> str:
    layout = "atmos" if track.joc_complexity else f"{track.stream.rendition.channels}ch"
    name = f"{track.codecs.partition('.')[0]}-{layout}"
    return name if step == 1 else f"{name}-{step}"


def _media(group: _AudioGroup, track: Track) -> str:
    rendition = track.stream.rendition
    characteristics, note = _ROLES[rendition.role]
    fields = [
        "TYPE=AUDIO",
        f'GROUP-ID="{group.name}"',
        f'NAME="{_layout(track)}{f" ({track.language})" if track.language else ""}{note}"',
        *([f'LANGUAGE="{track.language}"'] if track.language else []),
        f"DEFAULT={'YES' if track is group.tracks[0] else 'NO'}",
        f"AUTOSELECT={'NO' if rendition.role == 'commentary' else 'YES'}",  # nobody is given a commentary unasked
        *([f'CHARACTERISTICS="{characteristics}"'] if characteristics else []),
        f'CHANNELS="{_channels(track)}"',
        f'URI="{track.stream.playlist_path}"',
    ]
    return f"#EXT-X-MEDIA:{','.join(fields)}"


def _layout(track: Track) -> str:
    channels = track.stream.rendition.channels or 0
    return "Dolby Atmos" if track.joc_complexity else _LAYOUTS.get(channels, f"{channels} channels")


def _channels(track: Track) -> str:
    """Of Dolby Atmos the objects are counted (Apple's HLS authoring specification; ETSI TS 103 420)."""
    return f"{track.joc_complexity}/JOC" if track.joc_complexity else str(track.stream.rendition.channels)


def _stream_inf(
    plan: PackagePlan, track: Track, group: _AudioGroup | None, measured: tuple[Mapping[str, int], int]
) -> str:
    """``measured``: average rates by stream name, and the place of the picture among all."""
    rendition, (average_bps, score) = track.stream.rendition, measured
    sound = group.tracks if group else ()
    peak = max((found.peak_bps for found in sound), default=0)
    average = max((_average(t.stream, average_bps) for t in sound), default=0)
    codecs = ",".join(dict.fromkeys([track.codecs, *(found.codecs for found in sound)]))
    picture, after = [], []
    if rendition.kind == "video":
        peak, average = peak + track.peak_bps, average + _average(track.stream, average_bps)
        rate = f"FRAME-RATE={_decimal(plan.request.renditions.frame_rate.fraction, 3)}"
        resolution, *rest = _picture(plan, track)
        picture, after = [resolution, rate, *rest, f"SCORE={score}"], ["CLOSED-CAPTIONS=NONE"]
    fields = [
        f"BANDWIDTH={peak}",
        f"AVERAGE-BANDWIDTH={average}",
        f'CODECS="{codecs}"',
        *_supplemental(track),
        *picture,
        *([f'AUDIO="{group.name}"'] if group else []),
        *after,
    ]
    return f"#EXT-X-STREAM-INF:{','.join(fields)}"


def _i_frame_stream_inf(plan: PackagePlan, track: Track, average_bps: Mapping[str, int]) -> str:
    """RFC 8216bis, 4.4.6.3: as a variant's, without frame rate, groups and score."""
    rates = [f"BANDWIDTH={track.peak_bps}", f"AVERAGE-BANDWIDTH={_average(track.stream, average_bps)}"]
    shown = [f'CODECS="{track.codecs}"', *_supplemental(track), *_picture(plan, track)]
    return f'#EXT-X-I-FRAME-STREAM-INF:{",".join([*rates, *shown])},URI="{track.stream.playlist_path}"'


def _supplemental(track: Track) -> list[str]:
    return [f'SUPPLEMENTAL-CODECS="{track.supplemental}"'] if track.supplemental else []


def _picture(plan: PackagePlan, track: Track) -> list[str]:
    """Size and range; and what its label asks of screens and devices, where the profile has such a policy."""
    rendition, profile = track.stream.rendition, plan.request.profile
    allowed = profile.allowed_cpc.get(rendition.label, {})
    entries = ",".join(f"{key_format}:{'/'.join(labels)}" for key_format, labels in allowed.items())
    return [
        f"RESOLUTION={rendition.width}x{rendition.height}",
        f"VIDEO-RANGE={rendition.dynamic_range or 'SDR'}",
        *([f"HDCP-LEVEL={profile.hdcp.get(rendition.label, 'NONE')}"] if profile.hdcp else []),
        *([f'ALLOWED-CPC="{entries}"'] if entries else []),
    ]


def _score(track: Track, video: Sequence[Track]) -> int:
    """Place among all pictures, the best last: size, then range, codec and bit rate.

    Bit rates alone (which players compare where there are no scores) would put H.264 above HEVC of the same size.
    """

    def worth(one: Track) -> tuple[int, bool, int, int]:
        rendition, codec = one.stream.rendition, one.codecs.partition(".")[0]
        place = _CODEC_ORDER.index(codec) if codec in _CODEC_ORDER else -1
        pixels = (rendition.width or 0) * (rendition.height or 0)
        return pixels, (rendition.dynamic_range or "SDR") != "SDR", place, rendition.average_bps

    return 1 + sorted(video, key=worth).index(track) if track in video else 0


def _average(stream: Stream, average_bps: Mapping[str, int]) -> int:
    return average_bps[stream.name]


def _decimal(value: Fraction, digits: int) -> str:
    scaled = round(value * 10**digits)
    return f"{scaled // 10**digits}.{scaled % 10**digits:0{digits}d}"
