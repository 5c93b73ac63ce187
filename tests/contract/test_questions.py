"""Whether an answer to a question still counts, read from an Airflow that speaks its REST interface."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.questions import Question, answer_standing
from telecine.settings import Settings

RUN = "manual__2030-01-01T00:00:00+00:00"
QUESTION = Question(run_id=RUN, task_id="approve", subject="Film: soft", body="See.", options=("Approve", "Reject"))
AT = "2030-01-01T10:00:00.123456Z"


@pytest.fixture
def airflow():
    """Answers ``GET`` with what ``known`` has at the end of the path."""

    class Airflow(BaseHTTPRequestHandler):
        known = None

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(201, {"access_token": "t"})

        def do_GET(self):
            found = (self.known or {}).get(self.path)
            self.answer(404 if found is None else 200, found)

        def answer(self, status, content):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Airflow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Airflow.url = f"http://127.0.0.1:{server.server_port}"
    yield Airflow
    server.shutdown()
    server.server_close()


def standing(airflow, queued_at="2030-01-01T09:00:00Z", **detail):
    run = "/api/v2/dags/release_title/dagRuns/manual__2030-01-01T00%3A00%3A00%2B00%3A00"
    answered = {
        "subject": "Film: soft",
        "body": "See.",
        "responded_at": AT,
        "responded_by_user": {"id": "ann", "name": "ann"},
        "chosen_options": ["Re-encode with another profile"],
        "params_input": {"why": "too soft", "other_profile": "fine"},
    }
    detail_path = f"{run}/taskInstances/approve/-1/hitlDetails"
    airflow.known = {run: {"queued_at": queued_at}, detail_path: answered | detail}
    return answer_standing(Settings(airflow_url=airflow.url, airflow_password="p"), QUESTION)


def test_an_answer_that_was_given_to_this_question_counts(airflow):
    found = standing(airflow)
    assert (found.who, found.chosen, found.why) == ("ann", "Re-encode with another profile", "too soft")
    assert (found.profile, found.task) == ("fine", "approve")
    assert found.at.isoformat() == "2030-01-01T10:00:00.123456+00:00"


@pytest.mark.parametrize(
    "other",
    [{"body": "Another."}, {"subject": "Film: black"}, {"responded_at": None}, {"queued_at": "2030-01-01T10:00:01Z"}],
    ids=["of other evidence", "of another reason", "not given yet", "before a person cleared the run"],
)
def test_another_answer_does_not_count(airflow, other):
    assert standing(airflow, **other) is None


def test_a_task_that_never_asked_has_no_answer(airflow):
    airflow.known = {}
    assert answer_standing(Settings(airflow_url=airflow.url, airflow_password="p"), QUESTION) is None
    assert answer_standing(Settings(airflow_url=""), QUESTION) is None
