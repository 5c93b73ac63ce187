"""What a session may do, in the order a viewer does it: open, stay, resume, end."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool

from playback.entitlements import Robustness, granted_kids
from playback.problems import Problem
from playback.quotas import Quotas, too_many
from playback.sessions.repository import SessionRepository
from playback.sessions.schemas import (
    Heartbeat,
    LicenseToken,
    ManifestLinks,
    OpenedSession,
    Session,
    SessionManifests,
    SessionRequest,
)
from playback.titles import TitleSource
from playback.tokens import PlaybackClaims, TokenRefused, Tokens, UserClaims, new_token_id
from telecine.drm import CLEAR
from telecine.publication import Edge, Pointer, ProtectedSet

__all__ = [
    "HEARTBEAT_INTERVAL_S",
    "LICENSE_TOKEN_TTL_S",
    "PLAYBACK_TTL_S",
    "SESSION_TTL_S",
    "Clock",
    "ServiceLinks",
    "SessionRules",
    "SessionService",
]

HEARTBEAT_INTERVAL_S = 15
SESSION_TTL_S = 15 * 60  # browsers let a hidden tab's timers run once a minute: several may be missed
PLAYBACK_TTL_S = 6 * 3600
LICENSE_TOKEN_TTL_S = 120

Clock = Callable[[], float]
"""Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What an installation says about sessions."""

    quotas: Quotas = field(default_factory=Quotas)
    unstated_robustness: Robustness = "hardware"


@dataclass(frozen=True, slots=True)
class ServiceLinks:
    """Where this service answers, as the viewer reaches it: its base URL and the licence URL of each key system."""

    base: str
    licenses: dict[str, str]


@dataclass(frozen=True, slots=True)
class SessionService:
    """Sessions over the registry (what is live), the tokens (who asks) and the session store."""

    titles: TitleSource
    sessions: SessionRepository
    tokens: Tokens
    edges: tuple[Edge, ...]
    clock: Clock
    rules: SessionRules

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

    async def open(self, request: SessionRequest, viewer: UserClaims, links: ServiceLinks) -> OpenedSession:
        """A new session on the live version of a title, on the set of segments that the device can decrypt.

        Raises Problem 403, 404, 409 when there is no such set, or 429 when there are too many sessions.
        """
        _admit(request, viewer, self.clock())
        found = await run_in_threadpool(self.titles.title, request.title)
        if found is None or found.live is None:
            raise Problem(HTTPStatus.NOT_FOUND, "title-not-live", f"There is no live title '{request.title}'.")
        chosen = _set_for(request, found.live)
        session = self._session(request, found.live, chosen, viewer)
        claims = self._claims(session)
        if wait_s := await self.sessions.admit(session, SESSION_TTL_S, self.rules.quotas):
            detail = f"Too many sessions of this viewer run at once: end one, or wait {wait_s} seconds."
            raise too_many("too-many-sessions", detail, wait_s)
        here = f"{links.base}/v1/sessions/{claims.sid}"
        return OpenedSession(
            session_id=claims.sid,
            title=claims.title,
            name=found.name,
            version=claims.version,
            scheme=chosen.scheme,
            manifests=tuple(manifest_links(edge, found.live, chosen) for edge in self.edges),
            session_manifests=SessionManifests(dash=f"{here}/manifest.mpd", hls=f"{here}/master.m3u8"),
            labels=tuple(sorted(session.kids)),
            license_url=links.licenses["clearkey"],
            license_urls=links.licenses,
            license_token_url=f"{here}/license-token",
            playback_token=self.tokens.sign_playback(claims),
            heartbeat_interval_s=HEARTBEAT_INTERVAL_S,
            resume_position_s=await self.sessions.position(viewer.sub, claims.title),
            expires_at=datetime.fromtimestamp(claims.exp, UTC),
        )

    async def heartbeat(self, player: PlaybackClaims, heartbeat: Heartbeat) -> None:
        """Keep the session and the viewer's position. Raises Problem 410 when the session has ended."""
        if not await self.sessions.keep(player.sid, SESSION_TTL_S):
            raise _gone()
        position_s = 0.0 if heartbeat.state == "ended" else heartbeat.position_s
        await self.sessions.set_position(player.sub, player.title, position_s)

    async def running(self, player: PlaybackClaims) -> Session:
        """The session of a player. Raises Problem 410 when it has ended."""
        session = await self.sessions.find(player.sid)
        if session is None:
            raise _gone()
        return session

    async def license_token(self, player: PlaybackClaims) -> LicenseToken:
        """A token of one licence, for this session's title, version and KIDs. Raises Problem 410."""
        await self.running(player)
        exp = min(int(self.clock()) + LICENSE_TOKEN_TTL_S, player.exp)
        claims = player.model_copy(update={"exp": exp, "jti": new_token_id()})
        return LicenseToken(license_token=self.tokens.sign_license(claims), expires_at=datetime.fromtimestamp(exp, UTC))

    def _session(self, request: SessionRequest, pointer: Pointer, chosen: ProtectedSet, viewer: UserClaims) -> Session:
        robustness = request.robustness or self.rules.unstated_robustness
        kids = granted_kids(chosen.kids, viewer.entitlement, robustness)
        if chosen.kids and not kids:  # a title in the clear has none to grant
            detail = f"This viewer's plan allows no rendition of '{request.title}' on this device."
            raise Problem(HTTPStatus.FORBIDDEN, "not-entitled", detail)
        return Session(
            session_id=secrets.token_urlsafe(16),
            user=viewer.sub,
            device=request.device,
            title=pointer.title_id,
            version=pointer.version,
            device_id=request.device_id,
            dash_path=chosen.dash_path,
            hls_path=chosen.hls_path,
            robustness=robustness,
            kids=kids,
            protected=tuple(sorted({kid for one in pointer.sets for kid in one.kids.values()})),
            entitlement=viewer.entitlement,
        )

    def _claims(self, session: Session) -> PlaybackClaims:
        ends = session.entitlement.expires_at
        exp = int(self.clock()) + PLAYBACK_TTL_S
        return PlaybackClaims(
            sub=session.user,
            sid=session.session_id,
            title=session.title,
            version=session.version,
            kids=tuple(sorted(set(session.kids.values()))),
            exp=exp if ends is None else min(exp, ends),
            jti=new_token_id(),
        )


def _admit(request: SessionRequest, viewer: UserClaims, now_s: float) -> None:
    if request.user is not None and request.user != viewer.sub:
        raise Problem(HTTPStatus.FORBIDDEN, "user-foreign", "The user of the request is not the user of the token.")
    allowed = (viewer.entitlements, viewer.entitlement.titles)
    if any(titles is not None and request.title not in titles for titles in allowed):
        raise Problem(HTTPStatus.FORBIDDEN, "not-entitled", f"This viewer may not watch '{request.title}'.")
    ends = viewer.entitlement.expires_at
    if ends is not None and ends <= now_s:
        raise Problem(HTTPStatus.FORBIDDEN, "entitlement-expired", f"The right to watch '{request.title}' has expired.")


def _gone() -> Problem:
    return Problem(HTTPStatus.GONE, "session-ended", "This session has ended: open a new one.")


def _set_for(request: SessionRequest, pointer: Pointer) -> ProtectedSet:
    """The first set that the device can decrypt. Raises Problem 409."""
    first, scheme = pointer.sets[0], request.needed_scheme
    fitting = [found for found in pointer.sets if scheme in {None, found.scheme}]
    if fitting or first.scheme in {None, CLEAR}:
        return fitting[0] if fitting else first
    detail = f"'{request.title}' has no segments of scheme {scheme}, which is what this device decrypts."
    raise Problem(HTTPStatus.CONFLICT, "scheme-not-there", detail)


def manifest_links(edge: Edge, pointer: Pointer, found: ProtectedSet) -> ManifestLinks:
    """Where ``edge`` serves a set of the version that ``pointer`` names."""
    base = f"{edge.base_url.rstrip('/')}/p/{pointer.title_id}/{pointer.version}"
    return ManifestLinks(edge=edge.name, dash=f"{base}/{found.dash_path}", hls=f"{base}/{found.hls_path}")


def _unauthorized(refusal: TokenRefused) -> Problem:
    error = "" if refusal.reason == "token-missing" else ' error="invalid_token"'
    headers = {"WWW-Authenticate": f"Bearer{error}"}
    return Problem(HTTPStatus.UNAUTHORIZED, refusal.reason, str(refusal), headers=headers)
