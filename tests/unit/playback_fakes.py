"""What the playback service stands on, in memory. The contract suite holds MemorySessions to what Redis does."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import SecretBytes, SecretStr

from playback.entitlements import Entitlement
from playback.parts import Parts
from playback.quotas import Quotas
from playback.sessions.schemas import Session
from playback.titles import ListedTitle
from playback.tokens import Tokens, UserClaims
from telecine.errors import NotFound, Unavailable
from telecine.protection import ContentKey
from telecine.publication import Edge, Pointer, ProtectedSet
from telecine.registry.audit import LicenceRecord
from telecine.settings import Settings

TOKEN_KEY = SecretStr("k" * 40)
NOW_S = 1_800_000_000.0
KIDS = {"AUDIO": "a" * 32, "SD": "b" * 32, "HD": "c" * 32}
OTHER_KIDS = {"SD": "d" * 32}
EDGES = (
    Edge(name="edge-a", base_url="http://edge-a.localhost:8601", agent_url="http://127.0.0.1:8611"),
    Edge(name="edge-b", base_url="http://edge-b.localhost:8602", agent_url="http://127.0.0.1:8612"),
)


CENC_KIDS = {"AUDIO": "1" * 32, "SD": "2" * 32, "HD": "3" * 32}


def pointer_of_both(title_id: str) -> Pointer:
    """As ``pointer``, with a second set of segments under keys of its own."""
    second = ProtectedSet(
        scheme="cenc", folder="cenc/", dash_path="cenc/manifest.mpd", hls_path="cenc/master.m3u8", kids=CENC_KIDS
    )
    return pointer(title_id).model_copy(update={"scheme": "cbcs", "further": (second,)})


def pointer(title_id: str, kids: dict[str, str] = KIDS) -> Pointer:
    return Pointer(
        title_id=title_id,
        seq=1,
        version="v0123456789abcdef",
        dash_path="manifest.mpd",
        hls_path="master.m3u8",
        kids=kids,
        live_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def content_key(kid: str) -> ContentKey:
    return ContentKey(kid=kid, label="SD", key=SecretBytes(bytes.fromhex(kid)[::-1]), iv=SecretBytes(bytes(16)))


@dataclass
class MemoryClock:
    now_s: float = NOW_S

    def __call__(self) -> float:
        return self.now_s


@dataclass
class MemoryTitles:
    known: list[ListedTitle]
    down: bool = False

    def title(self, title_id: str) -> ListedTitle | None:
        return next((t for t in self.titles() if t.title_id == title_id), None)

    def titles(self) -> list[ListedTitle]:
        if self.down:
            raise Unavailable("The title registry does not answer: password=hunter2")
        return self.known


@dataclass
class MemoryKeys:
    keys: dict[tuple[str, str], ContentKey]

    def key(self, title_id: str, kid: str) -> ContentKey:
        try:
            return self.keys[title_id, kid]
        except KeyError:
            raise NotFound(f"no key {kid} of {title_id}") from None


@dataclass
class MemorySessions:
    clock: MemoryClock = field(default_factory=MemoryClock)
    kept: dict[str, tuple[Session, float]] = field(default_factory=dict)
    positions: dict[tuple[str, str], float] = field(default_factory=dict)
    used: dict[str, float] = field(default_factory=dict)
    counts: dict[str, tuple[int, float]] = field(default_factory=dict)
    down: bool = False

    async def add(self, session: Session, ttl_s: int) -> None:
        self._answer()
        self.kept[session.session_id] = (session, self.clock() + ttl_s)

    async def admit(self, session: Session, ttl_s: int, quotas: Quotas) -> int:
        self._answer()
        running = [
            (one, until) for one, until in self.kept.values() if until > self.clock() and one.user == session.user
        ]
        for limit, found in (
            (quotas.sessions_per_user, running),
            (quotas.sessions_per_device, [r for r in running if r[0].device_name == session.device_name]),
        ):
            if len(found) >= limit:
                return max(1, int(min(until for _, until in found) - self.clock()))
        await self.add(session, ttl_s)
        return 0

    async def consume(self, token_id: str, ttl_s: int) -> bool:
        self._answer()
        if self.used.get(token_id, 0.0) > self.clock():
            return False
        self.used[token_id] = self.clock() + ttl_s
        return True

    async def release(self, token_id: str) -> None:
        self._answer()
        self.used.pop(token_id, None)

    async def count(self, name: str, window_s: int) -> tuple[int, int]:
        self._answer()
        seen, until_s = self.counts.get(name, (0, 0.0))
        if until_s <= self.clock():
            seen, until_s = 0, self.clock() + window_s
        self.counts[name] = (seen + 1, until_s)
        return seen + 1, int(until_s - self.clock())

    async def find(self, session_id: str) -> Session | None:
        self._answer()
        session, until_s = self.kept.get(session_id, (None, 0.0))
        return session if until_s > self.clock() else None

    async def keep(self, session_id: str, ttl_s: int) -> bool:
        session = await self.find(session_id)
        if session is not None:
            await self.add(session, ttl_s)
        return session is not None

    async def end(self, session_id: str) -> None:
        self._answer()
        self.kept.pop(session_id, None)

    async def set_position(self, user: str, title_id: str, position_s: float) -> None:
        self._answer()
        self.positions[user, title_id] = round(position_s, 3)

    async def position(self, user: str, title_id: str) -> float:
        self._answer()
        return self.positions.get((user, title_id), 0.0)

    async def ping(self) -> None:
        self._answer()

    async def close(self) -> None:
        self.down = True

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("The session store does not answer: ConnectionError.")


@dataclass
class MemoryAudit:
    written: list[LicenceRecord] = field(default_factory=list)
    down: bool = False

    def record(self, record: LicenceRecord) -> None:
        if self.down:
            raise Unavailable("The title registry does not answer: locked")
        self.written.append(record)


@dataclass
class MemoryFiles:
    files: dict[str, bytes] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    async def read(self, address: str) -> bytes:
        self.reads.append(address)
        if address not in self.files:
            raise Unavailable(f"{address} does not answer")
        return self.files[address]

    async def close(self) -> None:
        self.files.clear()


def parts() -> Parts:
    clock = MemoryClock()
    titles = [
        ListedTitle("bunny", "Big Buck Bunny", pointer("bunny")),
        ListedTitle("other", "Another", pointer("other", OTHER_KIDS)),
        ListedTitle("making", "Not yet", None),
    ]
    keys = {("bunny", kid): content_key(kid) for kid in KIDS.values()}
    keys |= {("other", kid): content_key(kid) for kid in OTHER_KIDS.values()}
    return Parts(
        titles=MemoryTitles(titles),
        keys=MemoryKeys(keys),
        sessions=MemorySessions(clock),
        audit=MemoryAudit(),
        files=MemoryFiles(),
        clock=clock,
    )


def settings() -> Settings:
    return Settings(token_key=TOKEN_KEY, edges=EDGES, playback_url="http://localhost:8600")


def user_bearer(
    user: str = "ada",
    ttl_s: int = 3600,
    entitlements: tuple[str, ...] | None = None,
    entitlement: Entitlement | None = None,
) -> dict[str, str]:
    claims = UserClaims(
        sub=user, exp=int(NOW_S) + ttl_s, entitlements=entitlements, entitlement=entitlement or Entitlement()
    )
    return {"Authorization": f"Bearer {Tokens(TOKEN_KEY).sign_user(claims)}"}
