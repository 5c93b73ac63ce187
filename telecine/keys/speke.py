"""The SPEKE provider: a DRM vendor makes the keys, they are sealed here, and licences need the vendor no more."""

from collections.abc import Sequence

from telecine.cpix.document import Cpix, CpixKey, Scheme
from telecine.keys.exchange import delivered
from telecine.keys.local import SealedKeyStore, fresh_kid
from telecine.keys.speke_client import SpekeClient
from telecine.log import get_logger
from telecine.protection import ContentKey, DrmSystemSignal, KeyAssignment, KeyRecord, Kid

__all__ = ["SpekeKeyStore"]

_log = get_logger(__name__)


class SpekeKeyStore:
    """Asks for keys of labels that have none; everything else is the sealed store's.

    KIDs are chosen here (SPEKE 2.0: by the encryptor). Of two processes that ask at once for one label, the keys of the
    first that seals are used by both.
    """

    def __init__(self, sealed: SealedKeyStore, client: SpekeClient, scheme: Scheme = "cbcs") -> None:
        self._sealed = sealed
        self._client = client
        self._scheme = scheme

    def assign(self, title_id: str, labels: Sequence[str]) -> KeyAssignment:
        known = self._sealed.known(title_id, labels)
        absent = sorted(set(labels) - set(known.kids))
        if not absent:
            return known
        self._sealed.take(title_id, delivered(self._asked(title_id, absent), "speke"), only_absent=True)
        return self._sealed.known(title_id, labels)

    def keys(self, assignment: KeyAssignment) -> tuple[ContentKey, ...]:
        return self._sealed.keys(assignment)

    def key(self, title_id: str, kid: Kid) -> ContentKey:
        return self._sealed.key(title_id, kid)

    def signals(self, assignment: KeyAssignment) -> tuple[DrmSystemSignal, ...]:
        return self._sealed.signals(assignment)

    def rekey(self, title_id: str) -> KeyAssignment:
        labels = self._sealed.labels(title_id)
        return self._sealed.take(title_id, delivered(self._asked(title_id, labels), "speke"))

    def records(self, title_id: str) -> tuple[KeyRecord, ...]:
        return self._sealed.records(title_id)

    def _asked(self, title_id: str, labels: Sequence[str]) -> Cpix:
        wanted = tuple(CpixKey(fresh_kid(), label, scheme=self._scheme) for label in labels)
        found = self._client.keys_for(Cpix(title_id, wanted))
        _log.info("keys.delivered", title=title_id, keys=len(found.keys), signals=len(found.signals))
        return found
