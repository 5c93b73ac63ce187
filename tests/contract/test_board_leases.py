"""The board looks at the queue every second: on one connection of its process, let go when the application ends."""

from dataclasses import replace

import pytest
import redis
from fastapi.testclient import TestClient

from board.app import create_app
from telecine.registry.queue import EncodeQueue, NewJob
from telecine.registry.records import Stage
from tests.unit.board_fakes import add, identify, installation
from tests.unit.forecast_jobs import video

pytestmark = pytest.mark.server
VIEWER = {"x-caller": "vera:viewer"}


@pytest.fixture
def place(tmp_path, module_redis_server):
    made = installation(tmp_path)
    add(made, "night-train", "Night Train", stage=Stage.ENCODE)
    body = video(frames=240).model_dump_json()
    jobs = [NewJob(digest=f"{n:064x}", queue="cpu", units=240, body=body) for n in range(3)]
    EncodeQueue(made.registry).enqueue("night-train", jobs, set())
    settings = made.settings.model_copy(update={"redis_url": module_redis_server.url})
    return replace(made, settings=settings)


def connections(server):
    client = redis.Redis.from_url(server.url.get_secret_value())
    found = client.info("stats")["total_connections_received"], client.info("clients")["connected_clients"]
    client.close()
    return found


def test_twenty_looks_take_one_connection_and_the_end_lets_it_go(place, module_redis_server):
    opened_before, _ = connections(module_redis_server)
    with TestClient(create_app(lambda: place, identify)) as client:
        for _ in range(20):
            answer = client.get("/api/v1/titles/night-train", headers=VIEWER)
            assert answer.json()["jobs_total"] == 3, answer.text
        opened, held = connections(module_redis_server)
    assert opened - opened_before == 2  # the board's, and that of this test's own question
    assert held == 2
    assert connections(module_redis_server)[1] == 1
