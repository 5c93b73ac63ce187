"""Titles that wait for a person, answered through Airflow's own interface, on the real stack."""

import contextlib
import re

import httpx
import psutil
import pytest
from playwright.sync_api import expect

from pipeline.airflow_api import AirflowApi
from telecine.registry.changes import ChangeLog
from telecine.registry.records import Stage
from tests.e2e.test_board_in_airflow import password, signed_in  # noqa: F401 - a fixture
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
        # at once: Airflow may take the process that goes on for a lost one then, and try the task again
        asked = client.get(f"{path}/-1/hitlDetails").json()
        given = {"why": "", "other_profile": ""} if task_id == "approve" else {"why": ""}
        done = client.patch(f"{path}/-1/hitlDetails", json={"chosen_options": [choice], "params_input": given | fields})
        assert done.status_code == 200, done.text
        return asked


def token(stack, user):
    wanted = {"username": user, "password": password(stack, user)}
    answer = httpx.post(f"{stack.settings.airflow_url}/auth/token", json=wanted, timeout=60)
    return answer.raise_for_status().json()["access_token"]


def gate(stack, title_id):
    """Where Airflow's interface has the question about a title's package."""
    run_id = stack.place.registry.title(title_id).run_id
    return f"/api/v2/dags/release_title/dagRuns/{run_id}/taskInstances/approve/-1"


def killed(stack, title):
    """Whether a process of this title was there to be killed; those of the executor have longer ones."""
    for process in stack.having(lambda process: " ".join(process.cmdline()).strip("\0 ") == title):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            return True
    return False


def waits(stack, title_id):
    record = stack.place.registry.title(title_id)
    assert not record.stage.ended, record.problem
    return record.stage == Stage.APPROVE and (record.problem or "").startswith("waits for a person: ")


def test_a_title_whose_profile_asks_waits_and_goes_live_when_a_person_approves(stack, make_clip):
    master = make_clip("asks.mp4", seconds=4, size="320x180", rate="24", noise=8)
    for title in ("yes", "no", "again", "lost"):
        stack.answer("submit", str(master), "--title", title, "--profile", "asking")
    wait_for(lambda: waits(stack, "yes"), 200, "the title waits for a person")
    asked = answer(stack, "yes", "approve", "Approve", why="looks fine")
    assert "VMAF" in asked["body"]
    assert "**below**" in asked["body"]
    assert re.search(r"\[HLS Authoring \d+\.\d+: ", asked["body"]), asked["body"]
    answer(stack, "yes", "approve_launch", "Approve")
    wait_for(lambda: stack.place.registry.title("yes").stage == Stage.LIVE, 90, "the title is live")
    changes = [c for c in ChangeLog(stack.place.registry).changes("yes") if c.action == "approve"]
    assert [(c.who, c.why) for c in changes] == [("admin", ""), ("admin", "looks fine")]


def test_a_viewer_gets_the_evidence_that_a_question_links_to(stack):
    wait_for(lambda: waits(stack, "no"), 100, "the title waits for a person")
    body = AirflowApi(stack.settings).get(f"{gate(stack, 'no')}/hitlDetails")["body"]
    links = re.findall(r"\]\(([^)]+)\)", body)
    assert len(links) == 4, body  # the evidence, the board, two pictures
    headers = {"Authorization": f"Bearer {token(stack, 'viewer')}"}
    for link in links:
        found = httpx.get(f"{stack.settings.airflow_url}{link}", headers=headers, timeout=60)
        assert found.status_code == 200, link
        assert found.content.startswith(b"\xff\xd8" if link.endswith(".jpg") else b"<!doctype html>"), link
        assert httpx.get(f"{stack.settings.airflow_url}{link}", timeout=60).status_code == 401


def test_a_release_manager_sees_the_pictures_in_the_question_and_opens_the_evidence(stack, signed_in):  # noqa: F811
    page = signed_in("manager")
    run_id = stack.place.registry.title("no").run_id
    page.goto(f"{stack.settings.airflow_url}/dags/release_title/runs/{run_id}/tasks/approve/required_actions")
    picture = page.get_by_role("img", name="source")
    expect(picture).to_be_visible()
    page.wait_for_function("picture => picture.naturalWidth > 0", arg=picture.element_handle())
    link = page.get_by_role("link", name="Evidence of this version")
    page.goto(f"{stack.settings.airflow_url}{link.get_attribute('href')}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("passes")
    shown = page.locator("img").first
    page.wait_for_function("picture => picture.naturalWidth > 0", arg=shown.element_handle())


def test_a_title_that_a_person_has_encoded_again_goes_live_with_the_other_profile(stack):
    wait_for(lambda: waits(stack, "again"), 100, "the title waits for a person")
    answer(stack, "again", "approve", "Re-encode with another profile", other_profile="plain", why="too soft")
    wait_for(lambda: stack.place.registry.title("again").stage == Stage.LIVE, 150, "the title is live")
    changes = {change.action: change for change in ChangeLog(stack.place.registry).changes("again")}
    assert set(changes) == {"submit", "re-encode"}
    found = changes["re-encode"]
    assert (found.who, found.why) == ("admin", "too soft")
    assert (found.before["profile"], found.after["profile"]) == ("asking", "plain")


def test_an_answer_is_not_asked_for_again_when_the_process_that_goes_on_with_it_is_killed(stack):
    wait_for(lambda: waits(stack, "lost"), 100, "the title waits for a person")
    airflow, task = AirflowApi(stack.settings), gate(stack, "lost").removesuffix("/-1")
    answer(stack, "lost", "approve", "Approve", why="sharp enough")
    going_on = airflow.get(task)["id"]
    wait_for(lambda: killed(stack, f"airflow worker -- {going_on}"), 60, "the process that goes on is killed")
    wait_for(lambda: airflow.get(task)["state"] == "success", 90, "the task ends with the answer it was given")
    assert airflow.get(task)["try_number"] > 1, "the process was not killed in time"
    approvals = [c for c in ChangeLog(stack.place.registry).changes("lost") if c.action == "approve"]
    assert [(c.who, c.why) for c in approvals] == [("admin", "sharp enough")]


def test_a_title_that_is_triggered_in_airflow_is_in_the_audit_with_its_user_once(stack):
    conf = {"master_uri": "file:///gone.mov", "title_id": "formed", "name": "formed"}
    headers = {"Authorization": f"Bearer {token(stack, 'manager')}"}
    body = {"dag_run_id": "formed__1", "logical_date": None, "conf": conf}
    path = f"{stack.settings.airflow_url}/api/v2/dags/release_title/dagRuns"
    httpx.post(path, json=body, headers=headers, timeout=60).raise_for_status()
    titles = stack.place.registry.titles
    wait_for(lambda: any(r.title_id == "formed" and r.stage.ended for r in titles()), 90, "the title ends")
    (change,) = ChangeLog(stack.place.registry).changes("formed")
    assert (change.action, change.who, change.after["run"]) == ("submit", "manager", "formed__1")


def test_a_title_that_a_person_rejects_ends_with_who_and_why(stack):
    wait_for(lambda: waits(stack, "no"), 100, "the title waits for a person")
    answer(stack, "no", "approve", "Reject", why="too soft")
    record = wait_for(lambda: (r := stack.place.registry.title("no")).stage.ended and r, 60, "the title ends")
    assert record.stage == Stage.REJECTED
    assert "admin" in record.problem
    assert "too soft" in record.problem
    events = {(n["event"], n["title_id"]) for n in stack.answer("notices")["notices"]}
    assert {("title.needs_approval", "no"), ("title.failed", "no"), ("title.live", "yes")} <= events
