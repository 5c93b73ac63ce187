"""A gate's task when Airflow runs it: it asks once, tells of it once, and finds an answer it was lost with."""

from types import SimpleNamespace

import pytest

from pipeline.gates import Review
from telecine.registry.changes import ChangeLog
from telecine.registry.notices import Outbox
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.settings import load_settings
from telecine.title import SubmitRequest
from tests.contract.test_questions import airflow  # noqa: F401 - a fixture

ASKED = Review(subject="Film: soft", body="See.", reasons=("soft",))
RUN = "/api/v2/dags/release_title/dagRuns/run-1"
ANSWERED = {
    "subject": "Film: soft",
    "body": "See.",
    "responded_at": "2030-01-01T10:00:00Z",
    "responded_by_user": {"id": "ann", "name": "ann"},
    "chosen_options": ["Approve"],
    "params_input": {"why": "fine", "other_profile": ""},
}


@pytest.fixture
def registry(dag_bag, tmp_path, monkeypatch, airflow):  # noqa: F811 - the fixture
    monkeypatch.setenv("TELECINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TELECINE_S3_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("TELECINE_AIRFLOW_URL", airflow.url)
    made = Registry(load_settings().registry_url)
    made.migrate()
    made.submit(SubmitRequest(master_uri="file:///m.mov", title_id="film", name="Film"), "run-1")
    return made


@pytest.fixture
def asked(monkeypatch):
    """What Airflow was asked to ask, with the connection to its supervisor left out."""
    from airflow.providers.standard.operators import hitl  # noqa: PLC0415 - Airflow's environment comes first

    kept = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **detail: kept.append(detail))
    return kept


def ran(try_number):
    """What the task gives, or the name of what it ended with otherwise."""
    from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput  # noqa: PLC0415
    from telecine_gates import PackageGate  # noqa: PLC0415

    class Asking(PackageGate):
        def review(self, _release):
            return ASKED

    gate = Asking(task_id="approve", given="package")
    instance = SimpleNamespace(id="ti", try_number=try_number, map_index=-1)
    params = {"master_uri": "file:///m.mov", "title_id": "film"}
    context = {"run_id": "run-1", "params": params, "ti": instance, "task_instance": instance, "task": gate}
    try:
        return gate.execute(context)
    except (AirflowFailException, TaskAwaitingInput) as ended:
        return type(ended).__name__


def answered(airflow, queued_at="2030-01-01T09:00:00Z", **answer):  # noqa: F811 - the fixture
    detail = f"{RUN}/taskInstances/approve/-1/hitlDetails"
    airflow.known = {RUN: {"queued_at": queued_at}, detail: ANSWERED | answer}


def test_it_asks_with_the_evidence_and_the_world_is_told_once(registry, asked):
    for _ in range(2):  # the task may be run again before it is answered
        assert ran(1) == "TaskAwaitingInput"
    assert (asked[0]["subject"], asked[0]["body"]) == ("Film: soft", "See.")
    assert registry.title("film").problem == "waits for a person: soft"
    (told,) = Outbox(registry).notices()
    assert (told.event, told.facts) == ("title.needs_approval", {"reasons": ["soft"], "run": "run-1"})


def test_an_answer_it_was_lost_with_is_not_asked_for_again(registry, asked, airflow):  # noqa: F811
    answered(airflow)
    assert [ran(2), ran(3)] == ["package", "package"]
    assert asked == []
    (change,) = ChangeLog(registry).changes("film")
    assert (change.action, change.who, change.why) == ("approve", "ann", "fine")


def test_a_rejection_it_was_lost_with_ends_the_title(registry, asked, airflow):  # noqa: F811
    answered(airflow, chosen_options=["Reject"])
    assert ran(2) == "AirflowFailException"
    assert registry.title("film").stage == Stage.REJECTED
    assert asked == []


def test_a_person_who_clears_the_task_is_asked_again(registry, asked, airflow):  # noqa: F811
    answered(airflow, queued_at="2030-01-01T11:00:00Z")
    assert ran(2) == "TaskAwaitingInput"
    assert len(asked) == 1
