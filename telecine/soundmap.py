"""The sidecar of a master: which sound tracks and files are which programme, NAME.audio.yaml beside NAME.mov."""

from typing import Literal, Self

from pydantic import Field, model_validator

from telecine.document import Document, Sha256

__all__ = ["CHANNEL_NAMES", "ChannelSource", "MappedTrack", "SideFile", "SoundMap", "SoundRole", "SoundSheet"]

SoundRole = Literal["main", "commentary", "descriptive", "clear-speech"]
"""What a sound track is for: the programme, talk about it, a description of its pictures, speech made clearer."""

CHANNEL_NAMES: dict[str, dict[str, str]] = {
    "mono": {"M": "FC"},
    "stereo": {"L": "FL", "R": "FR"},
    "5.0": {"L": "FL", "R": "FR", "C": "FC", "Ls": "SL", "Rs": "SR"},
    "5.1": {"L": "FL", "R": "FR", "C": "FC", "LFE": "LFE", "Ls": "SL", "Rs": "SR"},
    "7.1": {
        "L": "FL", "R": "FR", "C": "FC", "LFE": "LFE", "Lrs": "BL", "Rrs": "BR", "Lss": "SL", "Rss": "SR",
    },
}  # fmt: skip
"""Layouts a sidecar can name, and their channels: as people write them (SMPTE ST 428-12), and as FFmpeg does."""


class ChannelSource(Document):
    """Where one channel comes from: a sound track of the master, counted from 1, or a file beside the master."""

    track: int | None = Field(default=None, ge=1)
    file: str | None = None
    channel: int = Field(default=0, ge=0, description="of that track or file, counted from 0")

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.track is None) == (self.file is None):
            message = "give either 'track' or 'file'"
            raise ValueError(message)
        return self


class MappedTrack(Document):
    """One programme of sound: whole (``track`` or ``file``), or put together of ``channels`` by their names."""

    language: str = Field(default="und", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$")
    role: SoundRole = "main"
    title: str = ""
    layout: Literal["mono", "stereo", "5.0", "5.1", "7.1"] | None = None
    track: int | None = Field(default=None, ge=1)
    file: str | None = None
    channels: dict[str, ChannelSource] | None = None
    offset_ms: int = Field(default=0, ge=-600_000, le=600_000, description="how much later it is laid than it lies")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if [self.track is None, self.file is None, self.channels is None].count(False) != 1:
            message = "give one of 'track', 'file' and 'channels'"
            raise ValueError(message)
        if self.channels is None:
            return self
        if self.layout is None:
            message = "channels need a 'layout'"
            raise ValueError(message)
        wanted = CHANNEL_NAMES[self.layout]
        if set(self.channels) != set(wanted):
            message = f"layout {self.layout} has the channels {', '.join(wanted)}, not {', '.join(self.channels)}"
            raise ValueError(message)
        return self


class SoundMap(Document):
    """A sidecar as its file says it. What it does not name of the master's sound is left out."""

    tracks: tuple[MappedTrack, ...] = Field(min_length=1)


class SideFile(Document):
    """A sound file beside the master, fixed by its bytes; ``name`` is as the sidecar writes it."""

    name: str
    uri: str
    size_bytes: int
    sha256: Sha256


class SoundSheet(Document):
    """A sidecar with every file it names."""

    map: SoundMap
    files: tuple[SideFile, ...] = ()

    def file(self, name: str) -> SideFile:
        return next(side for side in self.files if side.name == name)
