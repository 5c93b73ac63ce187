"""Roll-back and retirement on real servers: SeaweedFS, Redis, two edges with agent and Caddy, the playback service."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import redis

from edge.client import held_by
from pipeline.retiring import retire_old
from pipeline.versions import refill, roll_back, versions
from telecine.errors import NotFound
from tests.contract.release_stand import ReleaseStand

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def stand(s3_server, module_redis_server, tmp_path_factory):
    made = ReleaseStand(tmp_path_factory.mktemp("release"), s3_server, module_redis_server)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def title():
    return f"bunny-{uuid.uuid4().hex[:8]}"


def back(stand, title, version=None):
    return roll_back(stand.place, title, version, who="cli:ada", why="out of step")


def test_edges_and_playback_answer_with_the_old_version_within_a_second(stand, title):
    first, second = stand.released(title), stand.released(title)
    assert stand.session_version(title) == second.version
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(stand.seconds_until_all_answer, title, first.version)
        began = time.monotonic()
        pointer = back(stand, title)
        flipped_s = time.monotonic() - began
        seconds = answered.result(timeout=20)
    assert (pointer.version, pointer.previous) == (first.version, second.version)
    assert flipped_s < 1
    assert set(seconds) == {"edge-a", "edge-b", "playback"}
    assert max(seconds.values()) < flipped_s + 1
    for edge in stand.place.settings.edges:
        assert held_by(edge, title, second.version, stand.place.settings.agent_token), "and forward again"


def test_a_version_that_an_edge_lost_goes_live_once_it_is_filled_again(stand, title):
    first, second = stand.released(title), stand.released(title)
    lost = next((stand.folder / "edge-b" / "www" / first.prefix).rglob("3.m4s"))
    lost.unlink()
    with pytest.raises(NotFound, match="not whole on edge edge-b"):
        back(stand, title)
    assert stand.session_version(title) == second.version
    receipts = refill(stand.place, title, first.version)
    assert [receipt.fetched_bytes > 0 for receipt in receipts] == [False, True]
    assert back(stand, title).version == first.version


def test_a_watched_version_stays_until_its_session_ends_and_then_leaves_everywhere(stand, title):
    first = stand.released(title)
    assert stand.session_version(title) == first.version
    stand.released(title)
    later = datetime.now(UTC) + timedelta(days=1)

    def outcome():
        return [(one.outcome, one.why) for one in retire_old(stand.place, now=later) if one.title_id == title]

    assert outcome() == [("spared", "a session plays it")]
    client = redis.Redis.from_url(stand.redis.url.get_secret_value())
    for key in client.scan_iter("telecine:session:*"):
        client.delete(key)  # as when it ends or falls silent
    assert outcome() == [("retired", "")]
    assert not list(stand.place.origin.list(first.prefix))
    for edge in stand.place.settings.edges:
        assert not (stand.folder / edge.name / "www" / first.prefix).exists()
        port = edge.base_url.rpartition(":")[2]
        answer = httpx.get(f"http://127.0.0.1:{port}/{first.prefix}480p/3.m4s", headers={"Host": edge.base_url[7:]})
        assert answer.status_code == 404
    assert [record.retired_at is None for record in versions(stand.place, title)] == [True, False]
    with pytest.raises(NotFound, match="retired"):
        back(stand, title)
