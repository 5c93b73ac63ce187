import base64
import hashlib
import hmac
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.installation import Installation
from pipeline.notices import deliver, signature, tell, tell_late
from telecine.errors import TelecineError
from telecine.forecast import Forecasts, TitleForecast
from telecine.registry.notices import Outbox
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.title import Priority

SECRET = "whsec_" + base64.b64encode(b"sixteen bytes ok").decode()
NOW = datetime.now(UTC)


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent and answers with ``status``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got, self.status = [], 200
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


def place_with(tmp_path, url):
    registry = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    registry.migrate()
    settings = Settings(data_dir=tmp_path, webhook_url=url, webhook_secret=SECRET)
    return Installation(settings=settings, work=None, origin=None, keys=None, registry=registry, open_bucket=None)


def due_now(place):
    """Let the waiting for the next attempt be over."""
    outbox = Outbox(place.registry)
    for notice in outbox.notices():
        if notice.sent_at is None and notice.due_at is not None:
            outbox._set(notice.number, due_at=NOW - timedelta(seconds=1))


def test_a_notice_is_posted_once_and_its_signature_verifies(tmp_path, receiver):
    place = place_with(tmp_path, receiver.url)
    for _ in range(2):
        tell(place, "title.live", "bbb", "bbb 7", {"version": "v1"})
    assert (deliver(place), deliver(place)) == (1, 0)
    ((headers, body),) = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(b"sixteen bytes ok", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    told = json.loads(body)
    assert (told["type"], told["data"]) == ("title.live", {"title": "bbb", "version": "v1"})


def test_the_example_of_the_specification_gives_its_signature():
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"test": 2432232314}'
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [500, 302])
def test_a_receiver_that_refuses_is_asked_again_later_with_the_same_id(tmp_path, receiver, status):
    place = place_with(tmp_path, receiver.url)
    tell(place, "title.failed", "bbb", "run-1", {})
    receiver.status = status
    assert (deliver(place), deliver(place), len(receiver.got)) == (0, 0, 1)
    (waiting,) = Outbox(place.registry).notices()
    assert str(status) in waiting.problem
    assert waiting.due_at > NOW
    due_now(place)
    receiver.status = 204
    assert deliver(place) == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


def test_a_receiver_that_is_away_gets_everything_later(tmp_path, receiver):
    place = place_with(tmp_path, "http://127.0.0.1:9/hook")
    for number in range(3):
        tell(place, "title.live", f"t{number}", f"t{number} 1", {})
    assert deliver(place) == 0
    assert all("does not answer" in notice.problem for notice in Outbox(place.registry).notices())
    due_now(place)
    again = place_with(tmp_path, receiver.url)
    assert deliver(again) == 3


def test_a_receiver_that_is_gone_is_not_asked_again(tmp_path, receiver):
    place = place_with(tmp_path, receiver.url)
    receiver.status = 410
    tell(place, "title.live", "bbb", "bbb 1", {})
    deliver(place)
    (over,) = Outbox(place.registry).notices()
    assert (over.due_at, over.sent_at) == (None, None)


def test_several_who_deliver_at_once_post_each_notice_once(tmp_path, receiver):
    place = place_with(tmp_path, receiver.url)
    for number in range(12):
        tell(place, "title.live", f"t{number}", f"t{number} 1", {})
    with ThreadPoolExecutor(4) as pool:
        taken = sum(pool.map(deliver, [place] * 4))
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert (taken, len(ids), len(set(ids))) == (12, 12, 12)


def test_without_a_webhook_notices_wait_and_nothing_is_lost(tmp_path):
    place = place_with(tmp_path, "")
    tell(place, "title.live", "bbb", "bbb 1", {})
    assert deliver(place) == 0
    assert [notice.attempts for notice in Outbox(place.registry).notices()] == [0]


def test_a_broken_secret_is_said_without_showing_it():
    with pytest.raises(TelecineError, match="no base64") as caught:
        signature("whsec_!!!", "msg_1", 1, "{}")
    assert "!!!" not in str(caught.value)


def test_a_late_title_is_told_once_a_launch_time(tmp_path):
    place = place_with(tmp_path, "")

    def forecasts(launch_at, late_s):
        one = TitleForecast(
            title_id="bbb", priority=Priority.HIGH, launch_at=launch_at, p50=NOW, p90=NOW, work_s=1, remaining_s=1,
            jobs_left=1, basis="history", late_s=late_s,
        )  # fmt: skip
        return Forecasts(made_at=NOW, slots={"cpu": 1}, titles=(one,))

    tell_late(place, forecasts(NOW, 60.0))
    tell_late(place, forecasts(NOW, 90.0))
    tell_late(place, forecasts(NOW + timedelta(hours=1), None))
    assert len(Outbox(place.registry).notices()) == 1
    tell_late(place, forecasts(NOW + timedelta(hours=1), 5.0))
    assert [notice.event for notice in Outbox(place.registry).notices()] == ["title.late"] * 2
