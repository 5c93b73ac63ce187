"""One suite for the session store, against the fake that unit tests use and against a real Redis."""

from collections.abc import Iterator

import anyio
import pytest
from pydantic import SecretStr
from redis import Redis

from playback.quotas import Quotas
from playback.sessions.repository import RedisSessions, SessionRepository
from playback.sessions.schemas import Session
from telecine.errors import Unavailable
from tests.e2e.playback_stand import free_port, redis_server
from tests.unit.playback_fakes import MemorySessions

SESSION = Session(session_id="s1", user="ada", device="tv", title="bunny", version="v1")


@pytest.fixture
def redis_url(tmp_path) -> Iterator[str]:
    with redis_server(tmp_path) as url:
        yield url


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.server)])
def make_store(request):
    if request.param == "memory":
        return MemorySessions
    url = request.getfixturevalue("redis_url")
    return lambda: RedisSessions(SecretStr(url))


def on(make_store, use) -> None:
    async def run() -> None:
        store: SessionRepository = make_store()
        try:
            await use(store)
        finally:
            await store.close()

    anyio.run(run)


def test_a_session_is_found_until_it_ends(make_store):
    async def use(store):
        assert await store.find("s1") is None
        await store.add(SESSION, 60)
        assert await store.find("s1") == SESSION
        await store.end("s1")
        await store.end("s1")
        assert await store.find("s1") is None

    on(make_store, use)


def test_only_a_known_session_can_be_kept(make_store):
    async def use(store):
        assert await store.keep("s1", 60) is False
        await store.add(SESSION, 60)
        assert await store.keep("s1", 60) is True

    on(make_store, use)


def test_a_position_belongs_to_one_user_and_title_and_the_last_one_counts(make_store):
    async def use(store):
        assert await store.position("ada", "bunny") == 0
        await store.set_position("ada", "bunny", 10.0)
        await store.set_position("ada", "bunny", 12.3456)
        await store.set_position("ada", "other", 99)
        assert await store.position("ada", "bunny") == 12.346
        assert await store.position("grace", "bunny") == 0

    on(make_store, use)


def test_an_absent_store_is_unavailable_and_its_password_is_not_told():
    async def run() -> None:
        store = RedisSessions(SecretStr(f"redis://:hunter2@127.0.0.1:{free_port()}/0"))
        with pytest.raises(Unavailable) as refused:
            await store.ping()
        assert "hunter2" not in str(refused.value)

    anyio.run(run)


@pytest.mark.server
def test_sessions_expire_in_redis_by_themselves(redis_url):
    async def run() -> None:
        store = RedisSessions(SecretStr(redis_url))
        await store.add(SESSION, 60)
        await store.set_position("ada", "bunny", 1)
        await store.close()

    anyio.run(run)
    client = Redis.from_url(redis_url)
    assert 0 < client.ttl("telecine:session:s1") <= 60
    assert client.ttl("telecine:position:bunny:ada") > 24 * 3600


@pytest.mark.server
def test_many_viewers_at_once_share_few_connections(redis_url):
    async def run() -> None:
        store = RedisSessions(SecretStr(redis_url))
        async with anyio.create_task_group() as group:
            for index in range(300):
                group.start_soon(store.add, SESSION.model_copy(update={"session_id": f"s{index}"}), 60)
        found = [await store.find(f"s{index}") for index in range(300)]
        assert all(found)
        await store.close()

    anyio.run(run)
    assert Redis.from_url(redis_url).info("stats")["total_connections_received"] <= 64 + 2


@pytest.mark.server
def test_a_restart_of_redis_costs_the_next_request_nothing(tmp_path):
    port = free_port()

    async def run() -> None:
        with redis_server(tmp_path, port) as url:
            store = RedisSessions(SecretStr(url))
            await store.add(SESSION, 60)
        with pytest.raises(Unavailable):
            await store.find("s1")
        with redis_server(tmp_path, port):
            assert await store.find("s1") is None
        with redis_server(tmp_path, port):  # a second restart, now with a connection left over in the pool
            assert await store.keep("s1", 60) is False
        await store.close()

    anyio.run(run)


def test_a_token_is_used_once_even_by_many_at_once(make_store):
    async def use(store):
        uses: list[bool] = []

        async def try_it() -> None:
            uses.append(await store.consume("t1", 60))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(try_it)
        assert sorted(uses) == [False] * 19 + [True]
        assert await store.consume("t2", 60) is True
        await store.release("t1")
        assert await store.consume("t1", 60) is True

    on(make_store, use)


def test_a_counter_says_how_many_and_when_its_window_ends(make_store):
    async def use(store):
        assert (await store.count("a", 60))[0] == 1
        seen, left_s = await store.count("a", 60)
        assert seen == 2
        assert 50 < left_s <= 60
        assert (await store.count("b", 60))[0] == 1

    on(make_store, use)


def test_only_as_many_sessions_as_allowed_are_let_in_even_at_once(make_store):
    quotas = Quotas(sessions_per_user=3, sessions_per_device=2)

    async def use(store):
        waits: dict[str, int] = {}

        async def enter(name: str, device: str) -> None:
            session = SESSION.model_copy(update={"session_id": name, "device_id": device})
            waits[name] = await store.admit(session, 60, quotas)

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(enter, f"s{number}", "tv-1")
        assert sum(wait == 0 for wait in waits.values()) == 2
        assert all(0 <= wait <= 60 for wait in waits.values())
        await enter("other", "tv-2")
        assert waits["other"] == 0
        await enter("more", "tv-3")
        assert 0 < waits["more"] <= 60
        await store.end("other")
        await enter("more", "tv-3")
        assert waits["more"] == 0
        assert (await store.find("more")).device_id == "tv-3"

    on(make_store, use)
