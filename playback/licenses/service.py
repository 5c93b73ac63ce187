"""Who gets which key: a running session, its own title's KIDs, the authorised subset (DASH-IF security guidelines)."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool

from playback.keys import KeySource
from playback.problems import Problem
from playback.sessions.repository import SessionRepository
from playback.tokens import PlaybackClaims, TokenRefused, Tokens
from telecine.errors import NotFound
from telecine.log import get_logger
from telecine.protection import ContentKey, Kid

__all__ = ["LicenseService"]

_log = get_logger("playback.licenses")


@dataclass(frozen=True, slots=True)
class LicenseService:
    """Licences over the tokens, the session store and the key store."""

    keys: KeySource
    sessions: SessionRepository
    tokens: Tokens
    clock: Callable[[], float]

    async def grant(self, token: str | None, wanted: tuple[Kid, ...]) -> tuple[ContentKey, ...]:
        """The keys of ``wanted`` that the bearer may have; never empty. Raises Problem 403 with a reason code."""
        claims = await self._player(token)
        allowed = tuple(kid for kid in wanted if kid in claims.kids)
        if not allowed:
            raise _refused("kid-foreign", "None of the requested key IDs belongs to the title of this session.")
        found = await run_in_threadpool(self._found, claims.title, allowed)
        if not found:
            raise _refused("key-missing", "The key store holds none of the requested keys.")
        _log.info("license.granted", title=claims.title, session=claims.sid, keys=len(found), asked=len(wanted))
        return found

    async def _player(self, token: str | None) -> PlaybackClaims:
        try:
            claims = self.tokens.read_playback(token, self.clock())
        except TokenRefused as refusal:
            raise _refused(refusal.reason, str(refusal)) from refusal
        session = await self.sessions.find(claims.sid)
        if session is None:
            raise _refused("session-ended", "This session has ended: open a new one.")
        if (session.title, session.version) != (claims.title, claims.version):
            raise _refused("session-foreign", "This playback token belongs to another session.")
        return claims

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
