import base64
import hashlib
import hmac
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from pipeline.installation import Installation
from pipeline.notices import deliver, give, signature, tell, tell_late, tell_of_run
from telecine.errors import TelecineError
from telecine.forecast import Forecasts, TitleForecast
from telecine.publication import Pointer
from telecine.registry.notices import Outbox
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.settings import NotifierSetting, Settings
from telecine.title import Priority, SubmitRequest

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


def place_with(tmp_path, url, **more):
    registry = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    registry.migrate()
    settings = Settings(data_dir=tmp_path, webhook_url=url, webhook_secret=SECRET, **more)
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


def late(launch_at, late_s):
    one = TitleForecast(
        title_id="bbb", priority=Priority.HIGH, launch_at=launch_at, p50=NOW, p90=NOW, work_s=1, remaining_s=1,
        jobs_left=1, basis="history", late_s=late_s,
    )  # fmt: skip
    return Forecasts(made_at=NOW, slots={"cpu": 1}, titles=(one,))


def told_of(place):
    return [notice.event for notice in Outbox(place.registry).notices()]


def submit(place, run_id, title_id="bbb"):
    place.registry.submit(SubmitRequest(master_uri="file:///m.mov", title_id=title_id, name="Bunny"), run_id)


def test_a_late_title_is_told_once_a_run_and_launch_time(tmp_path):
    place = place_with(tmp_path, "")
    submit(place, "run-1")
    for late_s in (60.0, 90.0):
        tell_late(place, late(NOW, late_s))
    tell_late(place, late(NOW + timedelta(hours=1), None))
    assert told_of(place) == ["title.late"]
    tell_late(place, late(NOW + timedelta(hours=1), 5.0))
    assert told_of(place) == ["title.late"] * 2, "a date that was moved is judged anew"
    submit(place, "run-2")
    for _ in range(2):
        tell_late(place, late(NOW, 60.0))
    assert told_of(place) == ["title.late"] * 3, "a new run for the same date is judged anew, once"
    assert Outbox(place.registry).notices()[0].facts["run"] == "run-2"


def test_two_long_runs_that_differ_at_their_ends_alone_are_told_of_both(tmp_path):
    place = place_with(tmp_path, "")
    for end in ("a", "a", "b"):
        tell(place, "title.failed", "bbb", "r" * 249 + end, {})
    assert told_of(place) == ["title.failed"] * 2


def test_what_became_of_a_run_is_told_as_the_registry_knows_it(tmp_path):
    place = place_with(tmp_path, "")
    events = ("title.failed", "title.live", "title.needs_approval")

    def told(reasons=()):
        for event in events * 2:
            tell_of_run(place, event, "run-1", reasons)
        return [(notice.event, notice.facts) for notice in Outbox(place.registry).notices()]

    assert told() == [], "there is no such run"
    submit(place, "run-1")
    place.registry.enter("bbb", Stage.ENCODE)
    assert told() == [], "it came to none of this yet"
    assert told(["soft"]) == [("title.needs_approval", {"reasons": ["soft"], "run": "run-1"})]
    live = Pointer(
        title_id="bbb", seq=3, version="v1", previous=None, dash_path="a", hls_path="b", kids={}, live_at=NOW
    )
    place.registry.set_live("bbb", live)
    assert told()[0] == ("title.live", {"version": "v1", "live_at": NOW.isoformat(), "run": "run-1"})
    place.registry.fail("bbb", Stage.FAILED, "no disk")
    assert told()[0] == ("title.failed", {"stage": "failed", "problem": "no disk", "run": "run-1"})
    submit(place, "run-2")
    assert len(told()) == 3, "another run took over"


SLACK = NotifierSetting(name="slack", notifier="somewhere.Slack", events=("title.live",))
MAIL = NotifierSetting(name="mail", notifier="somewhere.Mail")


def test_each_notifier_is_given_the_events_it_is_for_once_and_the_webhook_all(tmp_path, receiver):
    place = place_with(tmp_path, receiver.url, notifiers=(SLACK, MAIL))
    for _ in range(2):
        tell(place, "title.live", "bbb", "bbb 1", {"version": "v1"})
        tell(place, "title.late", "bbb", "bbb late", {})
    given = {"slack": [], "mail": []}
    for _ in range(2):
        for name, got in given.items():
            give(place, name, got.append)
    assert deliver(place) == 2
    assert [one["type"] for one in given["slack"]] == ["title.live"]
    assert [one["type"] for one in given["mail"]] == ["title.live", "title.late"]
    assert given["slack"][0]["data"] == {"title": "bbb", "version": "v1"}
    assert len(receiver.got) == 2


def test_a_notifier_that_fails_is_tried_again_and_holds_up_nobody(tmp_path, receiver):
    place = place_with(tmp_path, receiver.url, notifiers=(SLACK,))
    for number in range(3):
        tell(place, "title.live", "bbb", f"bbb {number}", {})
    tried = []

    def broken(notice):
        tried.append(notice)
        return "slack: no such channel"

    assert (give(place, "slack", broken), len(tried)) == (0, 1), "the others wait for the next round"
    assert deliver(place) == 3
    problems = {n.problem for n in Outbox(place.registry).notices() if n.receiver == "slack" and n.attempts}
    assert problems == {"slack: no such channel"}
    due_now(place)
    assert give(place, "slack", lambda _: None) == 3


def test_a_notifier_named_later_is_told_of_what_comes_then(tmp_path):
    tell(place_with(tmp_path, ""), "title.live", "bbb", "bbb 1", {})
    place = place_with(tmp_path, "", notifiers=(SLACK,))
    tell(place, "title.live", "bbb", "bbb 2", {})
    assert give(place, "slack", lambda _: None) == 1
    with pytest.raises(ValidationError, match="two notifiers"):
        Settings(notifiers=(SLACK, SLACK))
    with pytest.raises(ValidationError, match="webhook itself"):
        NotifierSetting(name="webhook", notifier="x")
    assert "hunter2" not in repr(Settings(notifiers=(SLACK.model_copy(update={"arguments": {"token": "hunter2"}}),)))
