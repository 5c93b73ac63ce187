"""Commands that cut an IMF composition together; all paths are relative to one private folder. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from encoders.imf import VirtualTrack

__all__ = ["Sound", "cut_command", "listing", "mux_command", "pictures_command"]

Argv = tuple[str, ...]

_FFMPEG = ("ffmpeg", "-v", "error", "-nostdin", "-y", "-protocol_whitelist", "file")
_LANGUAGES = {
    "ar": "ara", "cs": "ces", "da": "dan", "de": "deu", "el": "ell", "en": "eng", "es": "spa", "fi": "fin", "fr": "fra",
    "he": "heb", "hi": "hin", "hu": "hun", "it": "ita", "ja": "jpn", "ko": "kor", "nb": "nob", "nl": "nld", "no": "nor",
    "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sv": "swe", "th": "tha", "tr": "tur", "uk": "ukr", "vi": "vie",
    "zh": "zho",
}  # fmt: skip
"""ISO 639-1 to 639-2, as QuickTime has no room for a tag of two letters."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One conformed sound track: raw samples and their form."""

    name: str
    codec: str
    hertz: int
    channels: int
    layout: str
    language: str | None


def listing(image: VirtualTrack, links: Mapping[str, str]) -> str:
    """The picture track for the concat demuxer.

    Points lie a quarter of a frame off, where a demuxer finds one frame whether it looks for the nearest or the one
    before, and rounding to microseconds decides nothing.
    """
    lines = ["ffconcat version 1.0"]
    for resource in image.resources:
        first = (resource.entry + Fraction(1, 4)) / resource.edit_rate
        end = (resource.entry + resource.duration - Fraction(1, 4)) / resource.edit_rate
        piece = [f"file {links[resource.track_file]}"]
        if resource.entry:
            piece.append(f"inpoint {float(first):.6f}")
        piece.append(f"outpoint {float(end):.6f}")
        lines += piece * resource.repeat
    return "\n".join(lines) + "\n"


def cut_command(source: str, target: str, codec: str, first: int, end: int) -> Argv:
    """Samples [first, end) of a track file's sound, raw."""
    return (
        *(*_FFMPEG, "-i", source, "-map", "0:a:0", "-af", f"atrim=start_sample={first}:end_sample={end}"),
        *("-c:a", codec, "-f", codec.removeprefix("pcm_"), target),
    )


def mux_command(sounds: Sequence[Sound], target: str, edit_rate: Fraction) -> Argv:
    """Pictures as listed and every sound track into one QuickTime file, nothing encoded."""
    inputs: list[str] = []
    options: list[str] = []
    for place, sound in enumerate(sounds):
        layout = sound.layout or f"{sound.channels}C"
        form = sound.codec.removeprefix("pcm_")
        inputs += ["-f", form, "-ar", str(sound.hertz), "-ch_layout", layout, "-i", sound.name]
        options += ["-map", f"{place + 1}:a:0"]
        if sound.language:
            spoken = sound.language.partition("-")[0].lower()
            options += [f"-metadata:s:a:{place}", f"language={_LANGUAGES.get(spoken, spoken)}"]
    # concatenation leaves times that are rounded: each picture is put on the grid by its number
    grid = f"setts=pts=N:dts=N:duration=1:time_base={1 / edit_rate}"
    return (
        *(*_FFMPEG, "-f", "concat", "-safe", "0", "-i", "pictures.txt", *inputs, "-map", "0:v:0", *options),
        *("-map_metadata", "-1", "-c", "copy", "-bsf:v", grid, "-video_track_timescale", str(_ticks(edit_rate))),
        *("-fflags", "+bitexact", "-write_tmcd", "0", "-f", "mov", target),
    )


def pictures_command(path: Path) -> Argv:
    """Digest of every coded picture, a line each."""
    return (
        *("ffprobe", "-v", "error", "-protocol_whitelist", "file", "-select_streams", "v:0", "-show_data_hash", "MD5"),
        *("-show_entries", "packet=data_hash", "-of", "csv=p=0", f"file:{path}"),
    )


def _ticks(edit_rate: Fraction) -> int:
    return edit_rate.numerator if edit_rate.numerator >= 10_000 else edit_rate.numerator * 1000  # noqa: PLR2004 - as MP4
