"""A file of timed text becomes one track: WebVTT on the programme's clock, named by its language and kind. Pure."""

from dataclasses import dataclass
from fractions import Fraction

from packagers.cues import in_programme
from packagers.text_formats import read_text
from packagers.webvtt import webvtt
from telecine.errors import SourceRejected
from telecine.languages import autonym, canonical_language
from telecine.text import TextKind, TextSource

__all__ = ["NormalisedText", "normalise_text", "text_name"]

_SUFFIXES: dict[TextKind, tuple[str, str]] = {
    "subtitles": ("", ""),
    "captions": ("-sdh", " SDH"),
    "forced": ("-forced", " (forced)"),
}
"""Of each kind, what its folder's and what its menu entry's name ends with."""


@dataclass(frozen=True, slots=True)
class NormalisedText:
    """A track before it has a place in the work store."""

    name: str
    kind: TextKind
    language: str
    title: str
    content: bytes
    cues: int
    notes: tuple[str, ...]


def normalise_text(content: bytes, file_name: str, source: TextSource, duration: Fraction) -> NormalisedText:
    """The track of a file called ``file_name`` in a programme of ``duration``.

    Raises SourceRejected with a sentence for each mistake, each with the file, the line, what was expected and found.
    """
    try:
        found = in_programme(read_text(content, file_name), file_name, duration, source.start)
        language = canonical_language(source.language)
    except ValueError as error:
        raise SourceRejected(str(error)) from None
    _, ending = _SUFFIXES[source.kind]
    return NormalisedText(
        name=text_name(language, source.kind),
        kind=source.kind,
        language=language,
        title=source.name or f"{'Subtitles' if language == 'und' else autonym(language)}{ending}",
        content=webvtt(found.cues).encode(),
        cues=len(found.cues),
        notes=found.notes,
    )


def text_name(language: str, kind: TextKind) -> str:
    """A track's folder in a package."""
    return f"{language.lower()}{_SUFFIXES[kind][0]}"
