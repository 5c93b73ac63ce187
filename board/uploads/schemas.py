"""The documents of uploads: what a page sends and what it gets."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from telecine.document import Document, Sha256, UtcTime
from telecine.storage.multipart import StoredPart
from telecine.title import Priority, TitleId

__all__ = [
    "CompleteRequest",
    "Kind",
    "SignRequest",
    "SignedParts",
    "StartRequest",
    "TitleStart",
    "Upload",
    "UploadState",
    "UploadView",
]

Kind = Literal["master", "audio", "subtitles"]
_DELIVERY = r"^[0-9a-f]{16}$"
_PARTS_A_CALL = 100


class UploadState(StrEnum):
    """Where an upload is. ``wrong``: what arrived is not what was sent; ``given_up``: a person's doing, or too old."""

    UPLOADING = "uploading"
    CHECKING = "checking"
    READY = "ready"
    WRONG = "wrong"
    GIVEN_UP = "given_up"


class StartRequest(Document):
    """A file that a browser is going to upload. ``delivery`` groups the files of one title: 16 hex digits."""

    name: str = Field(description="file name, without folders")
    size_bytes: int
    kind: Kind
    delivery: str = Field(pattern=_DELIVERY)
    title: TitleId | None = None


class Upload(Document):
    """One upload. ``part_bytes``: the size of every part but the last."""

    upload_id: str
    who: str
    delivery: str
    name: str
    kind: Kind
    size_bytes: int
    part_bytes: int
    title: TitleId | None
    key: str
    multipart_id: str
    state: UploadState
    sha256: Sha256 | None = Field(default=None, description="as the browser computed it")
    problem: str | None = None
    created_at: UtcTime
    updated_at: UtcTime

    @property
    def parts_total(self) -> int:
        return max(1, -(-self.size_bytes // self.part_bytes))


class UploadView(Document):
    """What a page is told of an upload; ``parts``: what the store has, while it is uploading."""

    upload: Upload
    parts: tuple[StoredPart, ...] = ()


class SignRequest(Document):
    """The numbers of parts to sign addresses for."""

    parts: tuple[int, ...] = Field(min_length=1, max_length=_PARTS_A_CALL)


class SignedParts(Document):
    """Addresses that take one PUT each, by part number, for ``expires_s`` seconds."""

    urls: dict[int, str]
    expires_s: int


class CompleteRequest(Document):
    """The digest of the whole file as the browser read it."""

    sha256: Sha256 = Field(pattern=r"^[0-9a-f]{64}$")


class TitleStart(Document):
    """What a person fills in before Start. ``launch_local`` is wall-clock time in ``zone`` (an IANA name)."""

    title_id: TitleId
    name: str = Field(min_length=1, max_length=200)
    profile: str = "standard"
    priority: Priority = Priority.NORMAL
    launch_local: str | None = Field(default=None, description="YYYY-MM-DDTHH:MM; none: as soon as it is ready")
    zone: str = "UTC"
    languages: dict[str, str] = Field(default_factory=dict, description="of subtitles: upload id to tag of BCP 47")
