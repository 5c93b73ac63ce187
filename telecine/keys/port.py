"""The port of content keys: two implementations' worth of promises, tested by one contract suite."""

from collections.abc import Sequence
from typing import Protocol

from telecine.protection import ContentKey, DrmSystemSignal, KeyAssignment, KeyRecord, Kid

__all__ = ["KeyStore"]


class KeyStore(Protocol):
    """Who makes and keeps content keys.

    A title's label keeps its key until it is re-keyed; two processes asking at once get the same. Keys of earlier
    generations stay, so whatever was packaged stays licensable. No key is in any exception, log or return value other
    than ContentKey, which hides it in every text form.
    """

    def assign(self, title_id: str, labels: Sequence[str]) -> KeyAssignment:
        """The current KIDs of a title's labels, made now for labels that have none. Raises Unavailable."""
        ...

    def keys(self, assignment: KeyAssignment) -> tuple[ContentKey, ...]:
        """The keys of an assignment, in label order. Raises NotFound."""
        ...

    def key(self, title_id: str, kid: Kid) -> ContentKey:
        """One key of a title, of whatever generation. Raises NotFound."""
        ...

    def signals(self, assignment: KeyAssignment) -> tuple[DrmSystemSignal, ...]:
        """What DRM systems want signalled for the KIDs of an assignment; empty where nobody said."""
        ...

    def rekey(self, title_id: str) -> KeyAssignment:
        """New KIDs and keys for every label of a title, for its next package. Raises NotFound, Unavailable."""
        ...

    def records(self, title_id: str) -> tuple[KeyRecord, ...]:
        """What may be told of a title's keys, by label and generation. Raises NotFound."""
        ...
