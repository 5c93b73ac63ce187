"""Where the files of one track go in a package: one layout for picture, sound, key frames and text. Pure."""

from abc import ABC, abstractmethod

__all__ = ["Placed"]


class Placed(ABC):
    """A track's place; paths are relative to the package."""

    __slots__ = ()

    @property
    @abstractmethod
    def folder(self) -> str: ...

    @property
    def init_path(self) -> str:
        return f"{self.folder}/init.mp4"

    @property
    def segment_template(self) -> str:
        """Path of a segment, where ``$Number$`` counts from 1 (ISO/IEC 23009-1, 5.3.9.4)."""
        return f"{self.folder}/$Number$.m4s"

    @property
    def playlist_path(self) -> str:
        return f"{self.folder}.m3u8"
