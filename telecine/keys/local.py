"""The local provider: makes content keys and keeps them sealed, one object a title."""

import secrets
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretBytes

from telecine.errors import NotFound, PreconditionFailed, TelecineError
from telecine.keys.master import FixedMasterKey, MasterKeys, master_key_id
from telecine.keys.sealing import (
    KEY_BYTES,
    DataKey,
    SealedKey,
    SealedTitle,
    SealedUnderAnother,
    open_data_key,
    open_key,
    seal,
    wrapped,
)
from telecine.protection import ContentKey, DrmSystemSignal, KeyAssignment, KeyOrigin, KeyRecord, Kid
from telecine.storage.port import ObjectStore

__all__ = ["Delivery", "SealedKeyStore", "fresh_key", "fresh_kid"]

_FOLDER = "keys/"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Keys that came from elsewhere, with what their DRM systems want signalled."""

    keys: tuple[ContentKey, ...]
    origin: KeyOrigin
    signals: tuple[DrmSystemSignal, ...] = ()


class SealedKeyStore:
    """One object ``keys/<title>.json`` per title, changed by compare-and-set only."""

    def __init__(self, store: ObjectStore, master: SecretBytes | MasterKeys) -> None:
        self._store = store
        self._masters = FixedMasterKey(master) if isinstance(master, SecretBytes) else master

    def assign(self, title_id: str, labels: Sequence[str]) -> KeyAssignment:
        def made(known: SealedTitle) -> Delivery:
            absent = set(labels) - {key.label for key in known.keys}
            return Delivery(tuple(fresh_key(label) for label in sorted(absent)), "made")

        return _assignment(self._grow(title_id, made), labels)

    def keys(self, assignment: KeyAssignment) -> tuple[ContentKey, ...]:
        return tuple(self.key(assignment.title_id, kid) for _, kid in sorted(assignment.kids.items()))

    def key(self, title_id: str, kid: Kid) -> ContentKey:
        title, etag = self._read(title_id)
        try:
            return self._opened(title, kid)
        except SealedUnderAnother:
            again, now = self._read(title_id)
            if now == etag:
                raise
            return self._opened(again, kid)  # a rotation ended between the reading of the title and of the master key

    def signals(self, assignment: KeyAssignment) -> tuple[DrmSystemSignal, ...]:
        title, _ = self._read(assignment.title_id)
        wanted = set(assignment.kids.values())
        found = (signal for signal in title.signals if signal.kid in wanted)
        return tuple(sorted(found, key=lambda signal: (signal.kid, signal.system_id)))

    def rekey(self, title_id: str) -> KeyAssignment:
        labels = self.labels(title_id)
        made = Delivery(tuple(fresh_key(label) for label in labels), "made")
        return self.take(title_id, made)

    def records(self, title_id: str) -> tuple[KeyRecord, ...]:
        title, _ = self._read(title_id)
        current = _current(title)
        records = [
            KeyRecord(
                label=key.label,
                kid=key.kid,
                generation=key.generation,
                current=current[key.label].kid == key.kid,
                origin=key.origin,
                made_at=key.made_at,
            )
            for key in title.keys
        ]
        if not records:
            message = f"Title {title_id} has no keys."
            raise NotFound(message)
        return tuple(sorted(records, key=lambda record: (record.label, record.generation)))

    def labels(self, title_id: str) -> tuple[str, ...]:
        """The labels a title has keys for. Raises NotFound when it has none."""
        return tuple(dict.fromkeys(record.label for record in self.records(title_id)))

    def known(self, title_id: str, labels: Iterable[str]) -> KeyAssignment:
        """The current KIDs of those labels that have a key."""
        title, _ = self._read(title_id)
        return _assignment(title, set(labels) & {key.label for key in title.keys})

    def take(self, title_id: str, delivery: Delivery, *, only_absent: bool = False) -> KeyAssignment:
        """Seal keys as the current ones of their labels, or of labels without a key alone. Idempotent.

        Returns the current KIDs of the delivered labels. Raises TelecineError when a KID is there with another key.
        """

        def wanted(known: SealedTitle) -> Delivery:
            labels = {key.label for key in known.keys} if only_absent else set()
            fresh = tuple(key for key in delivery.keys if key.label not in labels and not self._has(known, key))
            return Delivery(fresh, delivery.origin, _fitting(known, fresh, delivery.signals))

        return _assignment(self._grow(title_id, wanted), [key.label for key in delivery.keys])

    def rewrap(self, title_id: str) -> bool:
        """Have a title's data key sealed under the current master key; False when it is. Touches no content key.

        Keys that are sealed under the master key itself, as they once were, get a data key now.
        """
        while True:
            with self._masters.writing() as master:
                known, etag = self._read(title_id)
                if known.data_key is not None and known.data_key.master == master_key_id(master):
                    return False
                title, data_key = self._enveloped(known)
                rewrapped = title.model_copy(update={"data_key": wrapped(title_id, data_key, master)})
                if self._written(rewrapped, etag):
                    return True

    def titles(self) -> tuple[str, ...]:
        """Every title that has keys."""
        return tuple(found.key.removeprefix(_FOLDER).removesuffix(".json") for found in self._store.list(_FOLDER))

    def _grow(self, title_id: str, wanted: Callable[[SealedTitle], Delivery]) -> SealedTitle:
        while True:
            with self._masters.writing() as master:
                known, etag = self._read(title_id)
                delivery = wanted(known)
                if not delivery.keys and not delivery.signals:
                    return known
                title, data_key = self._enveloped(known)
                signals = {(signal.kid, signal.system_id): signal for signal in (*title.signals, *delivery.signals)}
                grown = title.model_copy(
                    update={
                        "keys": (*title.keys, *_sealed(title, data_key, delivery)),
                        "data_key": title.data_key or wrapped(title_id, data_key, master),
                        "signals": tuple(signals.values()),
                    }
                )
                if self._written(grown, etag):
                    return grown

    def _enveloped(self, known: SealedTitle) -> tuple[SealedTitle, DataKey]:
        """The title with its keys under its data key, which is made where it has none yet."""
        masters = self._masters.known()
        data_key = open_data_key(known, masters)
        if data_key is not None:
            return known, data_key
        data_key = DataKey.fresh()
        resealed = (seal(known.title_id, data_key, open_key(known, key, masters), key) for key in known.keys)
        return known.model_copy(update={"keys": tuple(resealed)}), data_key

    def _written(self, title: SealedTitle, etag: str | None) -> bool:
        """False when somebody else changed this title just now: read theirs."""
        content = title.model_dump_json().encode()
        condition = {"if_none_match": True} if etag is None else {}
        try:
            self._store.put_bytes(
                _object_key(title.title_id), content, content_type="application/json", if_match=etag, **condition
            )
        except PreconditionFailed:
            return False
        return True

    def _read(self, title_id: str) -> tuple[SealedTitle, str | None]:
        try:
            content, stored = self._store.get_bytes(_object_key(title_id))
        except NotFound:
            return SealedTitle(title_id=title_id), None
        return SealedTitle.model_validate_json(content), stored.etag

    def _opened(self, title: SealedTitle, kid: Kid) -> ContentKey:
        for sealed in title.keys:
            if sealed.kid == kid:
                return open_key(title, sealed, self._masters.known())
        message = f"Title {title.title_id} has no key with id {kid}."
        raise NotFound(message)

    def _has(self, known: SealedTitle, key: ContentKey) -> bool:
        """Whether a delivered key is there already. Raises TelecineError when its KID stands for something else."""
        if key.kid not in {sealed.kid for sealed in known.keys}:
            return False
        there = self._opened(known, key.kid)
        if (there.label, there.key) != (key.label, key.key):
            message = f"Title {known.title_id} has another key with id {key.kid} already: a KID never changes its key."
            raise TelecineError(message)
        return True


def fresh_key(label: str) -> ContentKey:
    """A random key, KID and initialization vector (16 bytes each)."""
    key, iv = SecretBytes(secrets.token_bytes(KEY_BYTES)), SecretBytes(secrets.token_bytes(KEY_BYTES))
    return ContentKey(kid=fresh_kid(), label=label, key=key, iv=iv)


def fresh_kid() -> Kid:
    """A random UUID, version 4 (RFC 9562, 5.4)."""
    return uuid.uuid4().hex


def _sealed(title: SealedTitle, data_key: DataKey, delivery: Delivery) -> tuple[SealedKey, ...]:
    current, now = _current(title), datetime.now(UTC)
    return tuple(
        seal(
            title.title_id,
            data_key,
            key,
            SealedKey(
                kid=key.kid,
                label=key.label,
                nonce="",
                sealed="",
                generation=current[key.label].generation + 1 if key.label in current else 1,
                origin=delivery.origin,
                made_at=now,
            ),
        )
        for key in delivery.keys
    )


def _fitting(
    known: SealedTitle, fresh: Iterable[ContentKey], signals: Iterable[DrmSystemSignal]
) -> tuple[DrmSystemSignal, ...]:
    """Signals of keys that are kept, where they are not kept already."""
    kids = {key.kid for key in known.keys} | {key.kid for key in fresh}
    return tuple(signal for signal in signals if signal.kid in kids and signal not in known.signals)


def _current(title: SealedTitle) -> dict[str, SealedKey]:
    """The key of the highest generation of each label."""
    return {key.label: key for key in sorted(title.keys, key=lambda key: key.generation)}


def _assignment(title: SealedTitle, labels: Iterable[str]) -> KeyAssignment:
    current = _current(title)
    return KeyAssignment(title_id=title.title_id, kids={label: current[label].kid for label in sorted(set(labels))})


def _object_key(title_id: str) -> str:
    return f"{_FOLDER}{title_id}.json"
