"""When events are given up or never posted, and which titles are told of as late without a forecast."""

import base64
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from pipeline.notices import deliver, tell, tell_late
from telecine.errors import MissingRequirement
from telecine.forecast import Forecasts, TitleForecast
from telecine.registry.models import NoticeRow, TitleRow
from telecine.registry.notices import Outbox
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.title import SubmitRequest

KEY = b"a key of twenty-four byt"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@pytest.fixture
def receiver():
    """Answers with what is in ``answers``, then 204; keeps what it got."""
    got, answers = [], []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((dict(self.headers.items()), body))
            self.send_response(answers.pop(0) if answers else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/hook?token=s3cret", got=got, answers=answers)
    server.shutdown()
    server.server_close()


@pytest.fixture
def registry(tmp_path):
    found = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    found.migrate()
    return found


def place_of(registry, url, secret=SECRET):
    return SimpleNamespace(registry=registry, settings=Settings(webhook_url=url, webhook_secret=secret))


def change(registry, **values):
    with registry.transaction() as session:
        session.execute(update(NoticeRow).values(**values))


def test_after_three_days_an_event_is_given_up_with_a_sentence(registry):
    place = place_of(registry, "http://127.0.0.1:1/")
    tell(place, "title.live", "film", "one", {})
    change(registry, at=datetime.now(UTC) - timedelta(days=3, minutes=1))
    deliver(place)
    (over,) = Outbox(registry).notices()
    assert over.state == "given up"
    assert over.problem.startswith("given up: ")


def test_nothing_is_posted_unsigned(registry, receiver):
    place = place_of(registry, receiver.url, secret="")
    tell(place, "title.live", "film", "one", {})
    with pytest.raises(MissingRequirement, match="TELECINE_WEBHOOK_SECRET"):
        deliver(place)
    assert receiver.got == []


def forecasts(registry):
    """Each title under way alone in the queue: what it still needs is when it is ready."""
    now, found = datetime.now(UTC), []
    for record in registry.titles():
        ready = now + timedelta(seconds=record.remaining_s or 0)
        slack = (record.launch_at - ready).total_seconds()
        if not record.stage.ended:
            found.append(
                TitleForecast(
                    **record.model_dump(include={"title_id", "priority", "launch_at"}),
                    p50=ready,
                    p90=ready,
                    work_s=1,
                    remaining_s=1,
                    jobs_left=1,
                    basis="history",
                    late_s=-slack if slack < 0 else None,
                )
            )
    return Forecasts(made_at=now, slots={"cpu": 1}, titles=tuple(found))


def test_a_late_title_is_told_of_once_a_launch_time(registry):
    place = place_of(registry, "")
    now = datetime.now(UTC)
    launch_at = now + timedelta(hours=1)
    registry.submit(SubmitRequest(master_uri="file:///a.mov", title_id="film", name="Film", launch_at=launch_at), "run")

    def moved(**values):
        with registry.transaction() as session:
            session.execute(update(TitleRow).values(**values))
        return tell_late(place, forecasts(registry)), len(Outbox(registry).notices())

    assert moved(remaining_s=600) == (0, 0)
    assert moved(remaining_s=7200) == (1, 1)
    assert moved(remaining_s=7300) == (1, 1), "the same launch is told of once"
    assert moved(launch_at=now + timedelta(minutes=30)) == (1, 2), "another date is judged anew"
    assert moved(launch_at=now + timedelta(hours=9)) == (0, 2)
    assert moved(launch_at=now + timedelta(minutes=1), stage=Stage.LIVE) == (0, 2)
