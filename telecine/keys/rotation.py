"""Rotation of the master key: data keys are re-wrapped, nothing else is touched, and a killed rotation goes on."""

from telecine.document import Document
from telecine.keys.local import SealedKeyStore
from telecine.keys.master import MasterKeyFile, master_key_id
from telecine.log import get_logger

__all__ = ["Rotation", "rotate"]

_log = get_logger(__name__)


class Rotation(Document):
    """What a rotation did."""

    master: str
    titles: int
    rewrapped: int


def rotate(master: MasterKeyFile, keys: SealedKeyStore) -> Rotation:
    """Put a new master key in the place of the current one and seal every title's data key under it.

    Content keys, KIDs and media stay as they are. Until the last title is done,
    old and new master key open everything; killed and run again, it goes on. Raises MissingRequirement.
    """
    with master.rotating() as current:
        titles, rewrapped = keys.titles(), 0
        for title_id in titles:
            rewrapped += keys.rewrap(title_id)
    _log.info("keys.rotated", master=master_key_id(current), titles=len(titles), rewrapped=rewrapped)
    return Rotation(master=master_key_id(current), titles=len(titles), rewrapped=rewrapped)
