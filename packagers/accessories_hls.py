"""Text, thumbnails and chapters in HLS: RFC 8216bis, Apple's authoring specification, Roku's image playlists. Pure."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import repeat

from packagers.accessories import (
    CHAPTERS_JSON_PATH,
    CHAPTERS_PATH,
    STORYBOARD_PATH,
    TILES_PLAYLIST_PATH,
    Extras,
    TextStream,
    Tiles,
)
from packagers.hls import extinf, target_line

__all__ = ["text_playlist", "tiles_playlist", "with_hls_accessories"]

_GROUP = "subs"
_STREAM = "#EXT-X-STREAM-INF:"
_SDH = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"


def with_hls_accessories(master: str, extras: Extras, base: str = "") -> str:
    """The multivariant playlist with a group of subtitles for every variant, an image stream and session data.

    ``base`` leads from the playlist's folder to theirs.
    """
    lines = master.splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith(_STREAM)), len(lines))
    if extras.texts:
        lines = [f'{line},SUBTITLES="{_GROUP}"' if line.startswith(_STREAM) else line for line in lines]
    media = [_media(stream, base) for stream in extras.texts]
    images = [_image_stream(extras.tiles, base)] if extras.tiles else []
    told = [
        *([_session("com.apple.hls.chapters", base + CHAPTERS_JSON_PATH)] if extras.chapters else []),
        *([_raw("org.telecine.chapters", base + CHAPTERS_PATH)] if extras.chapters else []),
        *([_raw("org.telecine.storyboard", base + STORYBOARD_PATH)] if extras.tiles else []),
    ]
    return "\n".join([*lines[:first], *told, *media, *lines[first:], *images]) + "\n"


def text_playlist(stream: TextStream) -> str:
    """The media playlist of one track of WebVTT."""
    grid = stream.grid
    durations = [Fraction(ticks, grid.timescale) for ticks in grid.ticks]
    lines = [_extinf(duration, f"{stream.track.name}/{n}.vtt") for n, duration in enumerate(durations, 1)]
    return "\n".join([*_head(durations, 6), *lines, "#EXT-X-ENDLIST"]) + "\n"


def tiles_playlist(tiles: Tiles) -> str:
    """The image media playlist: one sheet a segment, each saying how it is laid out."""
    whole, rest = divmod(tiles.duration, tiles.sheet_s)
    durations = [*repeat(Fraction(tiles.sheet_s), int(whole)), *([rest] if rest else [])]
    layout = f"RESOLUTION={tiles.width}x{tiles.height},LAYOUT={tiles.columns}x{tiles.rows},DURATION={tiles.every_s}"
    lines = [
        f"#EXT-X-TILES:{layout}\n{_extinf(duration, path)}"
        for duration, path in zip(durations, tiles.sheet_paths, strict=True)
    ]
    return "\n".join([*_head(durations, 7), "#EXT-X-IMAGES-ONLY", *lines, "#EXT-X-ENDLIST"]) + "\n"


def _head(durations: Sequence[Fraction], version: int) -> list[str]:
    return [
        "#EXTM3U",
        f"#EXT-X-VERSION:{version}",
        target_line(durations),
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]


def _extinf(duration: Fraction, uri: str) -> str:
    return f"{extinf(duration)}\n{uri}"


def _media(stream: TextStream, base: str) -> str:
    track = stream.track
    fields = [
        "TYPE=SUBTITLES",
        f'GROUP-ID="{_GROUP}"',
        f'NAME="{_quotable(track.title)}"',
        *([] if track.language == "und" else [f'LANGUAGE="{track.language}"']),
        "DEFAULT=NO",  # nobody is shown text unasked but what is forced
        "AUTOSELECT=YES",
        f"FORCED={'YES' if track.kind == 'forced' else 'NO'}",
        *([f'CHARACTERISTICS="{_SDH}"'] if track.kind == "captions" else []),
        f'URI="{base}{stream.playlist_path}"',
    ]
    return f"#EXT-X-MEDIA:{','.join(fields)}"


def _image_stream(tiles: Tiles, base: str) -> str:
    size = f"RESOLUTION={tiles.width}x{tiles.height}"
    return f'#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={tiles.peak_bps},{size},CODECS="jpeg",URI="{base}{TILES_PLAYLIST_PATH}"'


def _session(name: str, uri: str) -> str:
    return f'#EXT-X-SESSION-DATA:DATA-ID="{name}",URI="{uri}"'


def _raw(name: str, uri: str) -> str:
    return f"{_session(name, uri)},FORMAT=RAW"


def _quotable(text: str) -> str:
    """A quoted string holds no quote and no line break (RFC 8216bis, 4.2)."""
    return text.replace('"', "'").replace("\n", " ").replace("\r", " ")
