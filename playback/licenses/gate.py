"""What every licence request passes, whatever the key system: token, session, limits, single use, audit."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal, TypeVar

from starlette.concurrency import run_in_threadpool

from playback.problems import Problem
from playback.quotas import LICENSE_WINDOW_S, Quotas, too_many
from playback.sessions.repository import SessionRepository
from playback.sessions.schemas import Session
from playback.tokens import PlaybackClaims, TokenRefused, Tokens
from telecine.errors import Unavailable
from telecine.log import get_logger
from telecine.protection import Kid
from telecine.registry.audit import LicenceAudit, LicenceRecord

__all__ = ["Attempt", "LicenseGate"]

Known = TypeVar("Known")
_log = get_logger("playback.licenses")


@dataclass(frozen=True, slots=True)
class LicenseGate:
    """Admits licence requests. Every answer is written to the audit; what cannot be written down is not granted."""

    sessions: SessionRepository
    tokens: Tokens
    audit: LicenceAudit
    clock: Callable[[], float]
    quotas: Quotas

    @asynccontextmanager
    async def attempt(self, system: str, token: str | None, asked: tuple[Kid, ...] = ()) -> AsyncIterator["Attempt"]:
        """One request of ``system`` by the bearer of ``token``; ``asked`` are the KIDs it names.

        Raises Problem: 403 with a reason code, 401 for a token used before, 429 over a limit. A refusal, raised here or
        in the block, is audited; a grant is by ``Attempt.grant``.
        """
        attempt = Attempt(self, system, asked)
        try:
            await attempt.enter(token)
            yield attempt
        except Problem as problem:
            await attempt.write_down("refused", problem.reason)
            raise
        except Unavailable:
            _log.warning("license.unavailable", system=system)
            raise


@dataclass(slots=True)
class Attempt:
    """One licence request under way. ``session`` and ``claims`` may be read inside the gate's block."""

    gate: LicenseGate
    system: str
    asked: tuple[Kid, ...]
    known_claims: PlaybackClaims | None = field(default=None, repr=False)
    known_session: Session | None = None

    @property
    def claims(self) -> PlaybackClaims:
        return _known(self.known_claims)

    @property
    def session(self) -> Session:
        return _known(self.known_session)

    async def enter(self, token: str | None) -> None:
        """Who asks: a good token of a running session within the limits of its user and device. Raises Problem."""
        try:
            claims = self.known_claims = self.gate.tokens.read_license(token, self.gate.clock())
        except TokenRefused as refusal:
            raise _refused(refusal.reason, str(refusal)) from refusal
        session = self.known_session = await self.gate.sessions.find(claims.sid)
        if session is None:
            raise _refused("session-ended", "This session has ended: open a new one.")
        if (session.user, session.title, session.version) != (claims.sub, claims.title, claims.version):
            raise _refused("session-foreign", "This token belongs to another session.")
        await self._count("user", session.user, self.gate.quotas.licenses_per_user)
        await self._count("device", f"{session.user}:{session.device_name}", self.gate.quotas.licenses_per_device)

    def allowed(self, kids: tuple[Kid, ...]) -> tuple[Kid, ...]:
        """Those of ``kids`` that the token grants. Raises Problem 403 when there is none."""
        granted = tuple(kid for kid in kids if kid in self.claims.kids)
        if granted:
            return granted
        if any(kid in self.session.protected for kid in kids):
            raise _refused("not-entitled", "This viewer's plan and device allow none of the requested renditions.")
        raise _refused("kid-foreign", "None of the requested key IDs belongs to the title of this session.")

    async def grant(self, kids: tuple[Kid, ...]) -> None:
        """Use the token up and write the grant down. Raises Problem 401 when the token was used before."""
        await self.use_token()
        await self.write_down("granted", "granted", kids)
        _log.info(
            "license.granted",
            system=self.system,
            title=self.claims.title,
            session=self.claims.sid,
            keys=len(kids),
            asked=len(self.asked),
        )

    async def use_token(self) -> None:
        """Raises Problem 401 unless this is the first use of the token (RFC 7519, 4.1.7: ``jti`` prevents replay)."""
        ttl_s = self.claims.exp - int(self.gate.clock()) + 1
        if not await self.gate.sessions.consume(self.claims.jti, ttl_s):
            detail = "This token was used before: ask the session for a new licence token."
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Problem(HTTPStatus.UNAUTHORIZED, "token-used", detail, headers=headers)

    async def write_down(
        self, outcome: Literal["granted", "refused"], reason: str, granted: tuple[Kid, ...] = ()
    ) -> None:
        """Append this answer to the audit. Raises Unavailable."""
        claims, session = self.known_claims, self.known_session
        labels = {} if session is None else session.kids
        record = LicenceRecord(
            at=datetime.fromtimestamp(self.gate.clock(), UTC),
            outcome=outcome,
            reason=reason,
            system=self.system,
            user=None if claims is None else claims.sub,
            session=None if claims is None else claims.sid,
            device=None if session is None else session.device_name,
            title=None if claims is None else claims.title,
            version=None if claims is None else claims.version,
            asked=self.asked,
            granted=granted,
            labels=tuple(sorted(label for label, kid in labels.items() if kid in granted)),
        )
        await run_in_threadpool(self.gate.audit.record, record)

    async def _count(self, kind: str, name: str, most: int) -> None:
        seen, left_s = await self.gate.sessions.count(f"licenses:{kind}:{name}", LICENSE_WINDOW_S)
        if seen > most:
            detail = f"This {kind} asked for more than {most} licences in {LICENSE_WINDOW_S} seconds: wait {left_s}."
            raise too_many("too-many-licenses", detail, left_s)


def _known(found: Known | None) -> Known:
    if found is None:
        message = "A licence attempt was read outside the gate's block."
        raise LookupError(message)
    return found


def _refused(reason: str, detail: str) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, reason, detail)
