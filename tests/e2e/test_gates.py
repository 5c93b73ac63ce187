"""Titles that wait for a person, answered through Airflow's own interface, on the real stack."""

import time

import httpx
import pytest

from telecine.registry.changes import ChangeLog
from telecine.registry.records import Stage
from tests.e2e.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def answer(stack, title_id, task_id, choice, **fields):
    settings = stack.settings
    run_id = stack.place.registry.title(title_id).run_id
    credentials = {"username": settings.airflow_user, "password": settings.airflow_password.get_secret_value()}
    with httpx.Client(base_url=settings.airflow_url, timeout=20) as client:
        token = client.post("/auth/token", json=credentials).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        path = f"/api/v2/dags/release_title/dagRuns/{run_id}/taskInstances/{task_id}"
        wait_for(lambda: client.get(path).json()["state"] == "awaiting_input", 90, f"{task_id} of {title_id} waits")
        # no person answers before the scheduler has seen the end of the process that asked; Airflow takes the process
        # that goes on for a lost one then, tries the task again, and it asks again
        time.sleep(3)
        asked = client.get(f"{path}/-1/hitlDetails").json()
        given = {"why": "", "other_profile": ""} if task_id == "approve" else {"why": ""}
        done = client.patch(f"{path}/-1/hitlDetails", json={"chosen_options": [choice], "params_input": given | fields})
        assert done.status_code == 200, done.text
        return asked


def waits(stack, title_id):
    record = stack.place.registry.title(title_id)
    assert not record.stage.ended, record.problem
    return record.stage == Stage.APPROVE and (record.problem or "").startswith("waits for a person: ")


def test_a_title_whose_profile_asks_waits_and_goes_live_when_a_person_approves(stack, make_clip):
    master = make_clip("asks.mp4", seconds=4, size="320x180", rate="24", noise=8)
    for title in ("yes", "no"):
        stack.answer("submit", str(master), "--title", title, "--profile", "asking")
    wait_for(lambda: waits(stack, "yes"), 200, "the title waits for a person")
    asked = answer(stack, "yes", "approve", "Approve", why="looks fine")
    assert "VMAF" in asked["body"]
    assert "**below**" in asked["body"]
    answer(stack, "yes", "approve_launch", "Approve")
    wait_for(lambda: stack.place.registry.title("yes").stage == Stage.LIVE, 90, "the title is live")
    changes = [c for c in ChangeLog(stack.place.registry).changes("yes") if c.action == "approve"]
    assert [(c.who, c.why) for c in changes] == [("admin", ""), ("admin", "looks fine")]


def test_a_title_that_a_person_rejects_ends_with_who_and_why(stack):
    wait_for(lambda: waits(stack, "no"), 100, "the title waits for a person")
    answer(stack, "no", "approve", "Reject", why="too soft")
    record = wait_for(lambda: (r := stack.place.registry.title("no")).stage.ended and r, 60, "the title ends")
    assert record.stage == Stage.REJECTED
    assert "admin" in record.problem
    assert "too soft" in record.problem
    events = {(n["event"], n["title_id"]) for n in stack.answer("notices")["notices"]}
    assert {("title.needs_approval", "no"), ("title.failed", "no"), ("title.live", "yes")} <= events
