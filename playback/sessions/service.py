"""What a session may do, in the order a viewer does it: open, stay, resume, end."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool

from playback.problems import Problem
from playback.sessions.repository import SessionRepository
from playback.sessions.schemas import Heartbeat, ManifestLinks, OpenedSession, Session, SessionRequest
from playback.titles import TitleSource
from playback.tokens import PlaybackClaims, TokenRefused, Tokens, UserClaims, new_token_id
from telecine.publication import Edge, Pointer

__all__ = ["HEARTBEAT_INTERVAL_S", "PLAYBACK_TTL_S", "SESSION_TTL_S", "Clock", "SessionService"]

HEARTBEAT_INTERVAL_S = 15
SESSION_TTL_S = 15 * 60  # browsers let a hidden tab's timers run once a minute: several may be missed
PLAYBACK_TTL_S = 6 * 3600

Clock = Callable[[], float]
"""Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class SessionService:
    """Sessions over the registry (what is live), the tokens (who asks) and the session store."""

    titles: TitleSource
    sessions: SessionRepository
    tokens: Tokens
    edges: tuple[Edge, ...]
    clock: Clock

    def user(self, token: str | None) -> UserClaims:
        """The viewer behind a bearer token. Raises Problem 401 (RFC 6750, 3)."""
        try:
            return self.tokens.read_user(token, self.clock())
        except TokenRefused as refusal:
            raise _unauthorized(refusal) from refusal

    def player_of(self, session_id: str, token: str | None) -> PlaybackClaims:
        """The session's own player. Raises Problem 401, or 403 when the token is another session's."""
        try:
            claims = self.tokens.read_playback(token, self.clock())
        except TokenRefused as refusal:
            raise _unauthorized(refusal) from refusal
        if claims.sid != session_id:
            raise Problem(HTTPStatus.FORBIDDEN, "session-foreign", "This playback token belongs to another session.")
        return claims

    async def open(self, request: SessionRequest, viewer: UserClaims, license_url: str) -> OpenedSession:
        """A new session on the live version of a title. Raises Problem 403 or 404."""
        _admit(request, viewer)
        found = await run_in_threadpool(self.titles.title, request.title)
        if found is None or found.live is None:
            raise Problem(HTTPStatus.NOT_FOUND, "title-not-live", f"There is no live title '{request.title}'.")
        claims = self._claims(found.live, viewer)
        await self.sessions.add(_session(claims, request.device), SESSION_TTL_S)
        return OpenedSession(
            session_id=claims.sid,
            title=claims.title,
            name=found.name,
            version=claims.version,
            manifests=tuple(manifest_links(edge, found.live) for edge in self.edges),
            license_url=license_url,
            playback_token=self.tokens.sign_playback(claims),
            heartbeat_interval_s=HEARTBEAT_INTERVAL_S,
            resume_position_s=await self.sessions.position(viewer.sub, claims.title),
            expires_at=datetime.fromtimestamp(claims.exp, UTC),
        )

    async def heartbeat(self, player: PlaybackClaims, heartbeat: Heartbeat) -> None:
        """Keep the session and the viewer's position. Raises Problem 410 when the session has ended."""
        if not await self.sessions.keep(player.sid, SESSION_TTL_S):
            raise Problem(HTTPStatus.GONE, "session-ended", "This session has ended: open a new one.")
        position_s = 0.0 if heartbeat.state == "ended" else heartbeat.position_s
        await self.sessions.set_position(player.sub, player.title, position_s)

    def _claims(self, pointer: Pointer, viewer: UserClaims) -> PlaybackClaims:
        return PlaybackClaims(
            sub=viewer.sub,
            sid=secrets.token_urlsafe(16),
            title=pointer.title_id,
            version=pointer.version,
            kids=tuple(sorted(set(pointer.kids.values()))),
            exp=int(self.clock()) + PLAYBACK_TTL_S,
            jti=new_token_id(),
        )


def _admit(request: SessionRequest, viewer: UserClaims) -> None:
    if request.user is not None and request.user != viewer.sub:
        raise Problem(HTTPStatus.FORBIDDEN, "user-foreign", "The user of the request is not the user of the token.")
    if viewer.entitlements is not None and request.title not in viewer.entitlements:
        raise Problem(HTTPStatus.FORBIDDEN, "not-entitled", f"This viewer may not watch '{request.title}'.")


def _session(claims: PlaybackClaims, device: str) -> Session:
    return Session(session_id=claims.sid, user=claims.sub, device=device, title=claims.title, version=claims.version)


def manifest_links(edge: Edge, pointer: Pointer) -> ManifestLinks:
    """Where ``edge`` serves the version that ``pointer`` names."""
    base = f"{edge.base_url.rstrip('/')}/p/{pointer.title_id}/{pointer.version}"
    return ManifestLinks(edge=edge.name, dash=f"{base}/{pointer.dash_path}", hls=f"{base}/{pointer.hls_path}")


def _unauthorized(refusal: TokenRefused) -> Problem:
    error = "" if refusal.reason == "token-missing" else ' error="invalid_token"'
    headers = {"WWW-Authenticate": f"Bearer{error}"}
    return Problem(HTTPStatus.UNAUTHORIZED, refusal.reason, str(refusal), headers=headers)
