"""Licences for a proof as a player gets them: a session of the playback service, then a Clear Key licence request.

Of a live title the running service is asked. Before a version is live nobody may open a session on it, so the same
service runs inside this process over the same key store, and says of this one version that it is live.
"""

import asyncio
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from pydantic import SecretStr

from packagers.evidence.licence import ClearKeyLicences, LicenceRefused, web_licences
from playback.sessions.schemas import Session
from playback.titles import ListedTitle
from playback.tokens import user_token
from telecine.errors import Unavailable
from telecine.keystore import KeyStore
from telecine.protection import KeyAssignment
from telecine.publication import Pointer
from telecine.settings import Settings

__all__ = ["licences_of_live", "licences_of_version"]

_VERIFIER = "telecine-verify"
_TTL_S = 3600
_CREATED = 201
_TIMEOUT_S = 10.0
_BASE = "http://playback.invalid"


def licences_of_version(
    assignment: KeyAssignment, version: str, keys: KeyStore, settings: Settings
) -> ClearKeyLicences:
    """What the playback service would grant for this version, were it live; nothing of it is seen outside."""
    from playback.app import create_app  # noqa: PLC0415 - a web framework, which commands without a proof need not load
    from playback.parts import Parts  # noqa: PLC0415

    title = ListedTitle(assignment.title_id, assignment.title_id, _pointer(assignment, version))
    key = SecretStr(secrets.token_urlsafe(48))  # no token of it is worth anything elsewhere
    app = create_app(
        settings.model_copy(update={"token_key": key, "edges": ()}),
        Parts(titles=_OneTitle(title), keys=keys, sessions=_Sessions()),
    )

    async def ask(body: bytes) -> tuple[int, bytes]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=_BASE) as client:
            bearer = {"Authorization": f"Bearer {user_token(_VERIFIER, key, _TTL_S)}"}
            request = {"title": assignment.title_id, "device": _VERIFIER}
            opened = await client.post("/v1/sessions", json=request, headers=bearer)
            token, url = _opened(opened)
            licence_headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
            answer = await client.post(httpx.URL(url).path, content=body, headers=licence_headers)
            return answer.status_code, answer.content

    def post(body: bytes) -> tuple[int, bytes]:
        with ThreadPoolExecutor(1) as pool:  # the caller's thread may have a loop of its own
            return pool.submit(lambda: asyncio.run(ask(body))).result()

    return ClearKeyLicences(post)


def licences_of_live(title_id: str, settings: Settings) -> ClearKeyLicences:
    """What the running playback service grants a viewer of a live title. Raises LicenceRefused and Unavailable."""
    token = user_token(_VERIFIER, settings.token_key, _TTL_S)
    try:
        opened = httpx.post(
            f"{settings.playback_url}/v1/sessions",
            json={"title": title_id, "device": _VERIFIER},
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT_S,
        )
    except httpx.HTTPError as error:
        message = f"The playback service {settings.playback_url} did not answer: {type(error).__name__}."
        raise Unavailable(message) from None
    playback, url = _opened(opened)
    return web_licences(url, playback)


def _opened(answer: httpx.Response) -> tuple[SecretStr, str]:
    """Playback token and licence URL of an opened session."""
    if answer.status_code != _CREATED:
        message = f"The playback service opens no session for a proof: it answers {answer.status_code}."
        raise LicenceRefused(message)
    session = answer.json()
    return SecretStr(session["playback_token"]), session["license_url"]


def _pointer(assignment: KeyAssignment, version: str) -> Pointer:
    return Pointer(
        title_id=assignment.title_id,
        seq=1,
        version=version,
        dash_path="",
        hls_path="",
        kids=assignment.kids,
        live_at=datetime.now(UTC),
    )


@dataclass(frozen=True, slots=True)
class _OneTitle:
    only: ListedTitle

    def title(self, title_id: str) -> ListedTitle | None:
        return self.only if title_id == self.only.title_id else None

    def titles(self) -> Sequence[ListedTitle]:
        return (self.only,)


@dataclass(slots=True)
class _Sessions:
    """Sessions of one proof, gone with it."""

    kept: dict[str, Session] = field(default_factory=dict)

    async def add(self, session: Session, ttl_s: int) -> None:  # noqa: ARG002 - a proof is over before a session ends
        self.kept[session.session_id] = session

    async def find(self, session_id: str) -> Session | None:
        return self.kept.get(session_id)

    async def keep(self, session_id: str, ttl_s: int) -> bool:  # noqa: ARG002
        return session_id in self.kept

    async def end(self, session_id: str) -> None:
        self.kept.pop(session_id, None)

    async def set_position(self, user: str, title_id: str, position_s: float) -> None:
        """Nobody resumes a proof."""

    async def position(self, user: str, title_id: str) -> float:  # noqa: ARG002
        return 0.0

    async def ping(self) -> None:
        """It is in this process."""

    async def close(self) -> None:
        self.kept.clear()
