"""Who gets which key: a running session, its own title's KIDs, the authorised subset (DASH-IF security guidelines)."""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool

from playback.keys import KeySource
from playback.licenses.gate import LicenseGate
from playback.problems import Problem
from telecine.errors import NotFound
from telecine.log import get_logger
from telecine.protection import ContentKey, Kid

__all__ = ["ClearKeyAsk", "LicenseService"]

_log = get_logger("playback.licenses")


@dataclass(frozen=True, slots=True)
class ClearKeyAsk:
    """A Clear Key request: the KIDs in the player's order, and whether the licence is to outlive the session."""

    kids: tuple[Kid, ...]
    persistent: bool = False


@dataclass(frozen=True, slots=True)
class LicenseService:
    """Clear Key licences over the gate and the key store."""

    keys: KeySource
    gate: LicenseGate

    async def grant(self, token: str | None, ask: ClearKeyAsk) -> tuple[ContentKey, ...]:
        """The keys of ``ask`` that the bearer may have; never empty. Raises Problem with a reason code."""
        async with self.gate.attempt("clearkey", token, asked=ask.kids) as attempt:
            allowed = attempt.allowed(ask.kids)
            if ask.persistent and not attempt.session.entitlement.offline:
                raise _refused("offline-not-allowed", "This viewer's plan allows no licence that is kept offline.")
            found = await run_in_threadpool(self._found, attempt.session.title, allowed)
            if not found:
                raise _refused("key-missing", "The key store holds none of the requested keys.")
            await attempt.grant(tuple(key.kid for key in found))
        return found

    def _found(self, title_id: str, kids: tuple[Kid, ...]) -> tuple[ContentKey, ...]:
        found = []
        for kid in kids:
            try:
                found.append(self.keys.key(title_id, kid))
            except NotFound:
                _log.error("license.key_missing", title=title_id, kid=kid)
        return tuple(found)


def _refused(reason: str, detail: str) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, reason, detail)
