"""Invalidations on a real Redis: told once, acknowledged, and never lost without a check of everything."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import stamina
from pydantic import SecretStr

from edge.invalidation import STREAM, Invalidations, publish_invalidation
from telecine.errors import Unavailable

pytestmark = pytest.mark.server


class Heard:
    """Remembers what an edge was told; fails as often as it is asked to."""

    def __init__(self, failures=0) -> None:
        self.keys, self.gaps, self.failures = [], 0, failures
        self.guard = threading.Lock()

    def on_keys(self, keys):
        with self.guard:
            if self.failures:
                self.failures -= 1
                message = "The origin does not answer."
                raise Unavailable(message)
            self.keys += keys

    def on_gap(self):
        self.gaps += 1


@pytest.fixture
def follow(module_redis_server, until):
    if module_redis_server.child is None:
        module_redis_server.start()
        module_redis_server.ready()
    redis.Redis.from_url(module_redis_server.url.get_secret_value()).flushall()
    followers = []

    def start(edge, heard):
        follower = Invalidations(module_redis_server.url, edge, heard.on_keys, heard.on_gap)
        followers.append(follower)
        follower.start()
        until(lambda: follower.connected)
        return follower

    yield start
    for follower in followers:
        follower.stop()


def pending(server, edge):
    return redis.Redis.from_url(server.url.get_secret_value()).xpending(STREAM, f"edge:{edge}")["pending"]


def test_every_edge_is_told_every_key_and_acknowledges(module_redis_server, follow, until):
    first, second = Heard(), Heard()
    follow("edge-a", first)
    follow("edge-b", second)
    publish_invalidation(module_redis_server.url, ["t/a/current.json", "t/b/current.json"])
    for heard in (first, second):
        until(lambda heard=heard: heard.keys, timeout_s=1)
        assert heard.keys == ["t/a/current.json", "t/b/current.json"]
        assert heard.gaps == 1
    until(lambda: pending(module_redis_server, "edge-a") == 0)


def test_a_message_that_could_not_be_followed_is_read_again(module_redis_server, follow, until):
    heard = Heard(failures=2)
    follow("edge-a", heard)
    publish_invalidation(module_redis_server.url, ["t/a/current.json"])
    until(lambda: heard.keys == ["t/a/current.json"], timeout_s=6)
    assert heard.gaps >= 2
    until(lambda: pending(module_redis_server, "edge-a") == 0)


def test_what_came_while_an_edge_was_away_is_read_when_it_is_back(module_redis_server, follow, until):
    follow("edge-a", Heard()).stop()
    for number in range(100):
        publish_invalidation(module_redis_server.url, [f"t/{number}/current.json"])
    heard = Heard()
    follow("edge-a", heard)
    until(lambda: len(heard.keys) == 100, timeout_s=3)
    assert set(heard.keys) == {f"t/{number}/current.json" for number in range(100)}


def test_a_lost_stream_is_a_gap(module_redis_server, follow, until):
    heard = Heard()
    follower = follow("edge-a", heard)
    redis.Redis.from_url(module_redis_server.url.get_secret_value()).flushall()
    until(lambda: heard.gaps == 2, timeout_s=4)
    until(lambda: follower.connected)
    publish_invalidation(module_redis_server.url, ["t/a/current.json"])
    until(lambda: heard.keys, timeout_s=1)
    assert heard.keys == ["t/a/current.json"]


def test_a_restart_of_redis_is_a_gap(module_redis_server, follow, until):
    heard = Heard()
    follower = follow("edge-a", heard)
    module_redis_server.kill()
    until(lambda: not follower.connected, timeout_s=4)
    module_redis_server.start()
    until(lambda: heard.gaps == 2, timeout_s=6)
    publish_invalidation(module_redis_server.url, ["t/a/current.json"])
    until(lambda: heard.keys, timeout_s=2)
    assert heard.keys == ["t/a/current.json"]


def test_a_publisher_outlasts_a_restart_of_redis(module_redis_server, follow, until):
    heard = Heard()
    follow("edge-a", heard)
    module_redis_server.kill()
    with ThreadPoolExecutor(1) as pool:
        published = pool.submit(publish_invalidation, module_redis_server.url, ["t/a/current.json"])
        time.sleep(1)
        assert not published.done()
        module_redis_server.start()
        published.result()
    until(lambda: heard.keys == ["t/a/current.json"] or heard.gaps == 2, timeout_s=6)


def test_an_absent_redis_is_unavailable_and_its_password_is_not_told(free_ports):
    (port,) = free_ports(1)
    with stamina.set_testing(True, attempts=2), pytest.raises(Unavailable, match="Redis") as refused:
        publish_invalidation(SecretStr(f"redis://:hunter2@127.0.0.1:{port}/0"), ["t/a/current.json"])
    assert "hunter2" not in str(refused.value)
