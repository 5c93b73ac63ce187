"""What goes along with a title's pictures and sound: subtitles in their languages, and chapters."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from telecine.document import Document, ExactSeconds, Sha256, digest_of
from telecine.languages import canonical_language

__all__ = ["Accessories", "Chapter", "TextKind", "TextSource", "TextTrack"]

TextKind = Literal["subtitles", "captions", "forced"]
"""Of what is said; of what is said and heard, for those who hear little (SDH); of what a foreign tongue says alone."""


class TextSource(Document):
    """A file of timed text as a person names it: SRT, WebVTT, TTML or IMSC, or SCC."""

    uri: str = Field(description="file://, s3:// or https:// address")
    language: Annotated[str, AfterValidator(canonical_language)] = Field(
        description="tag of BCP 47, such as en, pt-BR, zh-Hant"
    )
    kind: TextKind = "subtitles"
    name: str | None = Field(default=None, max_length=100, description="what a menu shows; none: made of the language")
    start: ExactSeconds | None = Field(
        default=None,
        description="time in the file of the programme's first picture; none: 0, or the hour at which all cues begin "
        "where they would begin after the programme's end",
    )


class Chapter(Document):
    """A part of a title, from ``start`` in seconds of the programme to the next one."""

    start: ExactSeconds = Field(ge=0)
    title: str = Field(min_length=1, max_length=200)


class TextTrack(Document):
    """One track of text as WebVTT in the work store, on the programme's own clock: its first picture is at 0."""

    name: str = Field(description="its folder in a package, such as en, en-sdh, pt-br-forced")
    kind: TextKind
    language: str = Field(description="canonical tag of BCP 47")
    title: str = Field(description="what a menu shows")
    key: str
    sha256: Sha256
    cues: int
    source: str = Field(default="", description="the file it was made of")
    notes: tuple[str, ...] = Field(default=(), description="what was repaired, a sentence each")


class Accessories(Document):
    """Everything of a title beside its renditions."""

    texts: tuple[TextTrack, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    duration: ExactSeconds | None = Field(default=None, description="of the programme; given where there is any")

    def __bool__(self) -> bool:
        return bool(self.texts or self.chapters)

    @property
    def fingerprint(self) -> Sha256:
        """Of all that shapes a package."""
        texts = [(track.name, track.kind, track.language, track.title, track.sha256) for track in self.texts]
        return digest_of(texts, self.chapters, self.duration)

    @model_validator(mode="after")
    def _knows_its_length(self) -> Self:
        if self and self.duration is None:
            message = "text and chapters need the programme's duration"
            raise ValueError(message)
        return self
