"""The base of every document that crosses a process border, and the digests that name what was made."""

import hashlib
import json
from datetime import datetime
from fractions import Fraction
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

__all__ = ["VARIES", "DigestForm", "Document", "ExactSeconds", "Sha256", "UtcTime", "digest_of"]


class Document(BaseModel):
    """An immutable, closed document: an unknown field is an error, never silently dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _exact(value: object) -> object:
    if isinstance(value, float):
        message = "media time must be exact: give a Fraction, an integer or a string such as '1001/24000'"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns ValueError, not TypeError, into a field error
    return Fraction(value) if isinstance(value, str | int) else value


ExactSeconds = Annotated[Fraction, BeforeValidator(_exact), PlainSerializer(str, return_type=str)]
"""Seconds of media time as an exact fraction; JSON form ``"1001/24000"``."""

Sha256 = str
"""Lower-case hexadecimal SHA-256, 64 characters."""

UtcTime = AwareDatetime
"""A date and time that carries its offset."""


def digest_of(*parts: object) -> Sha256:
    """SHA-256 over a canonical JSON form of ``parts`` (documents, strings, numbers, sequences of them).

    Equal content gives equal digests on every machine: keys are sorted and no whitespace is written.
    """
    return hashlib.sha256(_canonical(list(parts)).encode()).hexdigest()


VARIES = "\0varies\0"
"""Stands for a value in the parts of a ``DigestForm``."""


class DigestForm:
    """Digests of parts that differ in a few values only, thousands of them: each as ``digest_of`` would give it."""

    def __init__(self, *parts: object) -> None:
        first, *self._rest = _canonical(list(parts)).split(json.dumps(VARIES))
        self._begun = hashlib.sha256(first.encode())

    def of(self, *values: object) -> Sha256:
        """The digest with ``values`` in place of each ``VARIES``, in order."""
        digest = self._begun.copy()
        for value, between in zip(values, self._rest, strict=True):
            digest.update(f"{_canonical(value)}{between}".encode())
        return digest.hexdigest()


def _canonical(part: object) -> str:
    return json.dumps(_plain(part), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _plain(part: object) -> object:
    match part:
        case BaseModel():
            return part.model_dump(mode="json")
        case Fraction() | datetime():
            return str(part)
        case dict():
            return {str(key): _plain(value) for key, value in part.items()}
        case list() | tuple():
            return [_plain(item) for item in part]
        case _:
            return part
