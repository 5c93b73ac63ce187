"""The SPEKE provider: a DRM vendor makes the keys, they are sealed here, and licences need the vendor no more."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from telecine.cpix.document import Cpix, CpixKey, Scheme
from telecine.keys.exchange import delivered
from telecine.keys.local import Delivery, SealedKeyStore, fresh_kid
from telecine.keys.speke_client import SpekeClient
from telecine.log import get_logger
from telecine.protection import ContentKey, DrmSystemSignal, KeyAssignment, KeyRecord, Kid, label_and_scheme

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
        self._sealed.take(title_id, self._asked(title_id, absent, labels), only_absent=True)
        return self._sealed.known(title_id, labels)

    def keys(self, assignment: KeyAssignment) -> tuple[ContentKey, ...]:
        return self._sealed.keys(assignment)

    def key(self, title_id: str, kid: Kid) -> ContentKey:
        return self._sealed.key(title_id, kid)

    def signals(self, assignment: KeyAssignment) -> tuple[DrmSystemSignal, ...]:
        return self._sealed.signals(assignment)

    def rekey(self, title_id: str) -> KeyAssignment:
        labels = self._sealed.labels(title_id)
        return self._sealed.take(title_id, self._asked(title_id, labels, labels))

    def records(self, title_id: str) -> tuple[KeyRecord, ...]:
        return self._sealed.records(title_id)

    def _asked(self, title_id: str, labels: Sequence[str], beside: Sequence[str]) -> Delivery:
        """Keys of all ``labels``, in one request a scheme: SPEKE signals one scheme, and has one key a track type.

        ``beside`` are all labels in use: one that has a key for cenc beside its own is for cbcs itself.
        """
        paired = {label for label, scheme in map(label_and_scheme, beside) if scheme}
        asked: dict[Scheme, dict[Kid, str]] = {}
        for kept in labels:
            label, scheme = label_and_scheme(kept)
            asked.setdefault(scheme or ("cbcs" if label in paired else self._scheme), {})[fresh_kid()] = kept
        answers = [self._answered(title_id, scheme, names) for scheme, names in sorted(asked.items())]
        keys = tuple(key for answer in answers for key in answer.keys)
        return Delivery(keys, "speke", tuple(signal for answer in answers for signal in answer.signals))

    def _answered(self, title_id: str, scheme: Scheme, names: Mapping[Kid, str]) -> Delivery:
        """Keys for one scheme, under the labels that ``names`` has for their KIDs."""
        wanted = tuple(CpixKey(kid, label_and_scheme(kept)[0], scheme=scheme) for kid, kept in names.items())
        found = delivered(self._client.keys_for(Cpix(title_id, wanted)), "speke")
        _log.info("keys.delivered", title=title_id, scheme=scheme, keys=len(found.keys), signals=len(found.signals))
        return replace(found, keys=tuple(key.model_copy(update={"label": names[key.kid]}) for key in found.keys))
