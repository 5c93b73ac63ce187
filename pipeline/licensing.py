"""Licences for a proof as a player gets them: a session of the playback service, then a Clear Key licence request.

Of a live title the running service is asked. Before a version is live nobody may open a session on it, so the same
service runs inside this process over the same key store, and says of this one version that it is live.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from pydantic import SecretStr

from packagers.evidence.licence import ClearKeyLicences, LicencesOfSets, LicenceSource
from playback.quotas import Quotas
from playback.sessions.schemas import Session
from playback.titles import ListedTitle
from playback.tokens import user_token
from telecine.drm import PackageScheme
from telecine.errors import Unavailable
from telecine.keystore import KeyStore
from telecine.protection import KeyAssignment
from telecine.publication import Pointer, ProtectedSet
from telecine.registry.audit import LicenceRecord
from telecine.settings import Settings

__all__ = ["licences_of_live", "licences_of_version"]

_VERIFIER = "telecine-verify"
_TTL_S = 3600
_CREATED = 201
_TIMEOUT_S = 10.0
_BASE = "http://playback.invalid"


def licences_of_version(
    assignment: KeyAssignment, version: str, keys: KeyStore, settings: Settings, further: tuple[ProtectedSet, ...] = ()
) -> LicenceSource:
    """What the playback service would grant for this version, were it live; nothing of it is seen outside."""
    from playback.app import create_app  # noqa: PLC0415 - a web framework, which commands without a proof need not load
    from playback.manifests.files import HttpFiles  # noqa: PLC0415
    from playback.parts import Parts  # noqa: PLC0415

    pointer = _pointer(assignment, version, further)
    title = ListedTitle(assignment.title_id, assignment.title_id, pointer)
    key = SecretStr(secrets.token_urlsafe(48))  # no token of it is worth anything elsewhere
    app = create_app(
        settings.model_copy(update={"token_key": key, "edges": ()}),
        Parts(titles=_OneTitle(title), keys=keys, sessions=_Sessions(), audit=_Audit(), files=HttpFiles()),
    )

    return _of_sets(pointer, key, lambda: httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=_BASE))


def licences_of_live(live: Pointer, settings: Settings) -> LicenceSource:
    """What the running playback service grants a viewer of a live title."""
    return _of_sets(
        live, settings.token_key, lambda: httpx.AsyncClient(base_url=settings.playback_url, timeout=_TIMEOUT_S)
    )


def _of_sets(pointer: Pointer, token_key: SecretStr, connect: Callable[[], httpx.AsyncClient]) -> LicenceSource:
    """The first set as a viewer without a wish gets it, any other as one whose device needs its scheme."""
    first, *further = pointer.sets
    if not further:
        return _as_viewer(pointer.title_id, token_key, connect)
    asked = [(first, None), *((found, found.scheme) for found in further)]
    return LicencesOfSets(
        tuple(
            (frozenset(found.kids.values()), _as_viewer(pointer.title_id, token_key, connect, scheme))
            for found, scheme in asked
        )
    )


def _as_viewer(
    title_id: str, token_key: SecretStr, connect: Callable[[], httpx.AsyncClient], scheme: PackageScheme | None = None
) -> ClearKeyLicences:
    """Each request in a session of its own, which ends with it: a proof takes no viewer's place."""

    async def ask(body: bytes) -> tuple[int, bytes]:
        async with connect() as client:
            user = f"{_VERIFIER}-{secrets.token_hex(4)}"  # so that no limit of a viewer counts two proofs together
            bearer = _bearer(user_token(user, token_key, _TTL_S))
            wanted = {"title": title_id, "device": _VERIFIER, "robustness": "hardware"}  # every label is to be proven
            if scheme is not None:
                wanted["scheme"] = scheme
            opened = await client.post("/v1/sessions", json=wanted, headers=bearer)
            if opened.status_code != _CREATED:
                return opened.status_code, opened.content
            session = opened.json()
            player = _bearer(session["playback_token"])
            try:
                answer = await client.post(session["license_url"], content=body, headers=player)
            finally:
                await client.delete(f"/v1/sessions/{session['session_id']}", headers=player)
            return answer.status_code, answer.content

    def post(body: bytes) -> tuple[int, bytes]:
        try:
            with ThreadPoolExecutor(1) as pool:  # the caller's thread may have a loop of its own
                return pool.submit(lambda: asyncio.run(ask(body))).result()
        except httpx.HTTPError as error:
            message = f"The playback service did not answer: {type(error).__name__}."
            raise Unavailable(message) from None  # the request holds a token

    return ClearKeyLicences(post)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _pointer(assignment: KeyAssignment, version: str, further: tuple[ProtectedSet, ...]) -> Pointer:
    return Pointer(
        title_id=assignment.title_id,
        seq=1,
        version=version,
        dash_path="",
        hls_path="",
        kids=assignment.kids,
        live_at=datetime.now(UTC),
        further=further,
    )


@dataclass(frozen=True, slots=True)
class _OneTitle:
    only: ListedTitle

    def title(self, title_id: str) -> ListedTitle | None:
        return self.only if title_id == self.only.title_id else None

    def titles(self) -> Sequence[ListedTitle]:
        return (self.only,)


class _Audit:
    """Licences that never leave this process are nobody's: none is written down."""

    def record(self, record: LicenceRecord) -> None:
        """Nothing was given to anyone."""


@dataclass(slots=True)
class _Sessions:
    """Sessions of one proof, gone with it."""

    kept: dict[str, Session] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    async def add(self, session: Session, ttl_s: int) -> None:  # noqa: ARG002 - a proof is over before a session ends
        self.kept[session.session_id] = session

    async def admit(self, session: Session, ttl_s: int, quotas: Quotas) -> int:  # noqa: ARG002
        await self.add(session, ttl_s)
        return 0

    async def consume(self, token_id: str, ttl_s: int) -> bool:  # noqa: ARG002
        first = token_id not in self.used
        self.used.add(token_id)
        return first

    async def release(self, token_id: str) -> None:
        self.used.discard(token_id)

    async def count(self, name: str, window_s: int) -> tuple[int, int]:  # noqa: ARG002 - a proof has no limits
        return 1, window_s

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
