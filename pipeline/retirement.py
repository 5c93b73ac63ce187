"""What a round of retirement tells of each thing that is due: versions, work, uploaded masters."""

from typing import Literal

from telecine.document import Document
from telecine.title import TitleId

__all__ = ["Kind", "Outcome", "Retirement"]

Kind = Literal["version", "work", "master"]
Outcome = Literal["retired", "due", "spared", "waits"]


class Retirement(Document):
    """What became of one thing that is due. ``waits``: its removal began and goes on in the next round.

    ``version``: its name, where it is one; ``what``: what else goes, in words.
    """

    title_id: TitleId
    kind: Kind = "version"
    version: str = ""
    what: str = ""
    outcome: Outcome
    why: str = ""
    objects: int = 0
    size_bytes: int = 0
