"""The interface of the release board: every endpoint, every role, and who is refused how."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from board.app import create_app
from board.gather import Gathering
from board.same_origin import OWN_HEADER
from board.service import Desk
from playback.tokens import Tokens
from telecine.errors import Unavailable
from tests.unit.board_fakes import Pipeline, add, identify, installation, pointer

WHY = {"why": "the premiere moved"}
RANKS = {"nobody": 0, "viewer": 1, "ops": 2, "manager": 3}
ENDPOINTS = [
    ("GET", "/", "viewer", None),
    ("GET", "/api/v1/openapi.json", "viewer", None),
    ("GET", "/api/v1/me", "viewer", None),
    ("GET", "/api/v1/titles", "viewer", None),
    ("GET", "/api/v1/titles/night-train", "viewer", None),
    ("GET", "/api/v1/forecast", "viewer", None),
    ("POST", "/api/v1/titles/night-train/what-if", "viewer", {"priority": "critical"}),
    ("GET", "/api/v1/titles/night-train/versions", "viewer", None),
    ("GET", "/api/v1/titles/night-train/audit", "viewer", None),
    ("GET", "/api/v1/audit", "viewer", None),
    ("POST", "/api/v1/titles", "ops", {"master_uri": "file:///m.mov", "title_id": "new"}),
    ("POST", "/api/v1/plan", "ops", {"master_uri": "file:///m.mov"}),
    ("POST", "/api/v1/titles/night-train/cancel", "ops", WHY),
    ("POST", "/api/v1/titles/broken/retry", "ops", WHY),
    ("PATCH", "/api/v1/titles/night-train/order", "manager", {"priority": "critical", **WHY}),
    ("POST", "/api/v1/titles/night-train/hold", "manager", WHY),
    ("POST", "/api/v1/titles/night-train/resume", "manager", WHY),
    ("POST", "/api/v1/titles/harbour/rollback", "manager", WHY),
    (
        "POST",
        "/api/v1/titles/night-train/decision",
        "manager",
        {"run_id": "night-train__2030-01-01T00-00-00-000000", "task_id": "source_qc", "options": ["Approve"], **WHY},
    ),
]


@pytest.fixture
def place(tmp_path):
    found = installation(tmp_path)
    add(found, "night-train", "Night Train", stage="encode")
    add(found, "snow", "Snow Country", priority="high")
    add(found, "broken", "Broken Reel", stage="failed", problem="encode: out of attempts")
    add(found, "harbour", "Harbour Lights")
    found.registry.set_live("harbour", pointer("harbour", "v1"))
    found.registry.set_live("harbour", pointer("harbour", "v2", 2, "v1"))
    return found


@pytest.fixture
def pipeline(place):
    made = Pipeline()
    made.kept["harbour"] = ["v2", "v1"]
    made.ask(place, "night-train")
    return made


@pytest.fixture(scope="module")
def app():
    """Made once, since describing its routes takes a while; each test gives it a place of its own."""
    return create_app(lambda: None, identify)


@pytest.fixture
def client(app, place, pipeline):
    return at(app, place, pipeline.operations())


def at(app, place, operations):
    app.state.board_desk = lambda: Desk(place, operations, Gathering(place, operations))
    return TestClient(app, base_url="http://board.test")


def headers(role):
    return {} if role == "nobody" else {"x-caller": f"kim:{role}", "authorization": "Bearer kims-token"}


@pytest.mark.parametrize("role", RANKS)
@pytest.mark.parametrize(("method", "path", "needed", "body"), ENDPOINTS, ids=lambda v: v if isinstance(v, str) else "")
def test_each_role_may_do_what_it_may_and_nothing_else(client, method, path, needed, body, role):
    answer = client.request(method, path, json=body, headers=headers(role))
    if RANKS[role] >= RANKS[needed]:
        assert answer.is_success, answer.text
        return
    assert answer.status_code == (401 if role == "nobody" else 403)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].endswith(".")


def test_every_endpoint_is_in_the_table_of_roles(client):
    described = client.get("/api/v1/openapi.json", headers=headers("viewer")).json()["paths"]
    found = {(verb.upper(), path) for path, verbs in described.items() for verb in verbs}
    named = {(m, p.replace("night-train", "{title_id}").replace("broken", "{title_id}")) for m, p, *_ in ENDPOINTS}
    named = {(m, p.replace("harbour", "{title_id}")) for m, p in named}
    uploads = {(m, p) for m, p in found if p.startswith("/api/v1/uploads")}
    streams = {
        ("GET", "/api/v1/events"),
        *(("GET", f"/api/v1/titles/{{title_id}}/{what}") for what in ("poster", "play")),
    }
    assert found - uploads - streams == named - {("GET", "/"), ("GET", "/api/v1/openapi.json")}


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/titles/harbour/poster", "/api/v1/titles/harbour/play"])
def test_streams_and_pictures_are_for_the_signed_in_too(client, path):
    assert client.get(path).status_code == 401


def test_a_title_shows_what_the_board_needs(client):
    found = client.get("/api/v1/titles/night-train", headers=headers("viewer")).json()
    assert found["progress"] == pytest.approx(4100 / 9600)
    assert (found["jobs_done"], found["jobs_total"]) == (16, 40)
    assert found["p50"] < found["p90"]
    assert found["questions"][0]["subject"] == "Black from 0:05 to 0:09"
    assert found["links"]["run"] == "/dags/release_title/runs/night-train__2030-01-01T00-00-00-000000"
    assert found["links"]["log"].endswith("/tasks/encode")
    live = client.get("/api/v1/titles/harbour", headers=headers("viewer")).json()
    assert (live["edges_filled"], live["edges"], live["live_version"]) == (2, 2, "v2")
    assert live["links"]["player"] == "http://localhost:8700/player/harbour"


def test_play_leads_to_the_player_with_a_token_of_the_caller_for_this_title_alone(app, place, pipeline):
    key = SecretStr("k" * 40)
    signing = replace(place, settings=place.settings.model_copy(update={"token_key": key}))
    client = at(app, signing, pipeline.operations())
    answer = client.get("/api/v1/titles/harbour/play", headers=headers("viewer"), follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["cache-control"] == "no-store"
    page, _, token = answer.headers["location"].partition("#token=")
    assert page == "http://localhost:8700/player/harbour"
    claims = Tokens(key).read_user(token, time.time())
    assert (claims.sub, claims.entitlement.titles) == ("kim", ("harbour",))
    early = client.get("/api/v1/titles/snow/play", headers=headers("viewer"), follow_redirects=False)
    assert (early.status_code, early.json()["reason"]) == (404, "not-live")


def test_play_says_what_is_missing_where_no_token_can_be_signed(client):
    answer = client.get("/api/v1/titles/harbour/play", headers=headers("viewer"), follow_redirects=False)
    assert answer.status_code == 503
    assert "TELECINE_TOKEN_KEY" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("stage=failed", {"broken"}),
        ("priority=high", {"snow"}),
        ("q=Country", {"snow"}),
        ("q=NIGHT-t", {"night-train"}),
        ("q=nothing", set()),
    ],
)
def test_titles_are_filtered_and_searched(client, query, expected):
    found = client.get(f"/api/v1/titles?{query}", headers=headers("viewer")).json()
    assert {title["title_id"] for title in found["titles"]} == expected


def test_a_new_order_is_in_the_registry_and_the_audit_with_who_and_why(client, place):
    launch = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    body = {"priority": "critical", "launch_at": launch, **WHY}
    answer = client.patch("/api/v1/titles/night-train/order", json=body, headers=headers("manager"))
    assert answer.json()["priority"] == "critical"
    assert place.registry.title("night-train").launch_at.isoformat() == launch
    (entry,) = client.get("/api/v1/titles/night-train/audit", headers=headers("viewer")).json()
    assert (entry["who"], entry["why"], entry["action"]) == ("kim", "the premiere moved", "prioritise")
    assert entry["before"]["priority"] == "normal"
    assert entry["after"]["priority"] == "critical"


def test_a_launch_time_can_be_taken_away_and_what_is_not_given_stays(client, place):
    launch = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    for wish in ({"priority": "high", "launch_at": launch}, {"launch_at": None}):
        answer = client.patch("/api/v1/titles/night-train/order", json={**wish, **WHY}, headers=headers("manager"))
        assert answer.is_success, answer.text
    record = place.registry.title("night-train")
    assert (record.priority, record.launch_at) == ("high", None)


def test_hold_and_resume_are_told_apart_in_the_audit(client, place):
    client.post("/api/v1/titles/night-train/hold", json=WHY, headers=headers("manager"))
    assert place.registry.title("night-train").held
    client.post("/api/v1/titles/night-train/resume", json=WHY, headers=headers("manager"))
    assert not place.registry.title("night-train").held
    entries = client.get("/api/v1/titles/night-train/audit", headers=headers("viewer")).json()
    assert [entry["action"] for entry in entries] == ["resume", "hold"]


def test_what_if_names_the_titles_that_move_and_changes_nothing(client, place):
    wish = {"priority": "critical"}
    found = client.post("/api/v1/titles/night-train/what-if", json=wish, headers=headers("viewer")).json()
    moved = {one["title_id"]: one["by_s"] for one in found["moved"]}
    assert moved["night-train"] < 0 < moved["snow"]
    assert place.registry.title("night-train").priority == "normal"


@pytest.mark.parametrize(("action", "title"), [("cancel", "night-train"), ("retry", "broken")])
def test_what_ops_do_is_done_by_the_pipeline_and_audited(client, pipeline, action, title):
    answer = client.post(f"/api/v1/titles/{title}/{action}", json=WHY, headers=headers("ops"))
    assert answer.is_success
    assert (action, title) in pipeline.done
    (entry,) = client.get(f"/api/v1/titles/{title}/audit", headers=headers("viewer")).json()
    assert (entry["action"], entry["who"]) == (action, "kim")


def test_a_submitted_title_is_audited(client, pipeline):
    body = {"master_uri": "file:///new.mov", "title_id": "new-one"}
    answer = client.post("/api/v1/titles", json=body, headers=headers("ops"))
    assert answer.status_code == 201
    assert pipeline.done == [("submit", "file:///new.mov")]
    (entry,) = client.get("/api/v1/audit", headers=headers("viewer")).json()
    assert (entry["title_id"], entry["action"]) == ("new-one", "submit")


def test_rolling_back_gives_the_version_before(client, place, pipeline):
    answer = client.post("/api/v1/titles/harbour/rollback", json=WHY, headers=headers("manager"))
    assert answer.json()["version"] == "v1"
    assert pipeline.done == [("roll_back", "harbour", "v1", "kim", "the premiere moved")]
    versions = client.get("/api/v1/titles/harbour/versions", headers=headers("viewer")).json()
    assert {v["version"]: v["live"] for v in versions} == {"v2": False, "v1": True}
    assert "keys" not in versions[0]


def decision(**changes):
    run = "night-train__2030-01-01T00-00-00-000000"
    return {"run_id": run, "task_id": "source_qc", "options": ["Reject"], **WHY, **changes}


def test_a_decision_is_told_to_airflow_as_the_caller(client, pipeline):
    answer = client.post("/api/v1/titles/night-train/decision", json=decision(), headers=headers("manager"))
    assert answer.is_success, answer.text
    assert pipeline.done == [("answer", "kims-token", "source_qc", ("Reject",), {"why": "the premiere moved"})]
    (entry,) = client.get("/api/v1/titles/night-train/audit", headers=headers("viewer")).json()
    assert (entry["action"], entry["why"]) == ("reject", "Reject: the premiere moved")


@pytest.mark.parametrize(
    ("changes", "status"), [({"task_id": "other"}, 404), ({"run_id": "old"}, 404), ({"options": ["Perhaps"]}, 422)]
)
def test_a_decision_nobody_asked_for_is_refused(client, pipeline, changes, status):
    answer = client.post("/api/v1/titles/night-train/decision", json=decision(**changes), headers=headers("manager"))
    assert answer.status_code == status
    assert pipeline.done == []


@pytest.mark.parametrize(
    ("method", "path", "body"), [(m, p, b) for m, p, _, b in ENDPOINTS if "/titles/" in p], ids=str
)
def test_an_unknown_title_is_not_found(client, method, path, body):
    unknown = "/".join([*path.split("/")[:4], "nope", *path.split("/")[5:]])
    answer = client.request(method, unknown, json=body, headers=headers("manager"))
    assert answer.status_code == 404
    assert "nope" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"priority": "huge", **WHY}, "priority"),
        ({"launch_at": "2031-01-01T00:00:00", **WHY}, "timezone"),
        ({"launch_at": "2001-01-01T00:00:00Z", **WHY}, "over"),
        ({"priority": "high"}, "why"),
        ({"priority": "high", "why": "  "}, "why"),
        (WHY, "expected"),
        ({"priority": "high", "speed": 9, **WHY}, "speed"),
        ([], "dict"),
    ],
)
def test_bad_input_is_one_sentence(client, body, said):
    answer = client.patch("/api/v1/titles/night-train/order", json=body, headers=headers("manager"))
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_title_that_ended_is_not_reordered(client):
    body = {"priority": "high", **WHY}
    answer = client.patch("/api/v1/titles/broken/order", json=body, headers=headers("manager"))
    assert answer.status_code == 422
    assert "broken is failed" in answer.json()["detail"]


COOKIE = {"cookie": "caller=kim:manager"}
OWN = {**COOKIE, OWN_HEADER: "board"}


@pytest.mark.parametrize(
    "sent",
    [
        COOKIE,
        {**OWN, "sec-fetch-site": "cross-site"},
        {**OWN, "sec-fetch-site": "same-site"},
        {**OWN, "sec-fetch-site": "none"},
        {**OWN, "origin": "http://evil.test"},
        {**OWN, "origin": "null"},
        {**OWN, "authorization": "Basic abc", "origin": "http://evil.test"},
    ],
)
def test_another_sites_page_changes_nothing_with_the_callers_cookie(client, place, sent):
    answer = client.patch("/api/v1/titles/night-train/order", json={"priority": "high", **WHY}, headers=sent)
    assert answer.status_code == 403
    assert answer.json()["reason"] == "cross-site"
    assert place.registry.title("night-train").priority == "normal"


@pytest.mark.parametrize(
    "sent", [OWN, {**OWN, "sec-fetch-site": "same-origin"}, {**OWN, "origin": "http://board.test"}]
)
def test_the_boards_own_page_changes_with_the_cookie(client, place, sent):
    answer = client.patch("/api/v1/titles/night-train/order", json={"priority": "high", **WHY}, headers=sent)
    assert answer.is_success, answer.text
    assert place.registry.title("night-train").priority == "high"


def test_the_page_runs_own_scripts_only(client):
    answer = client.get("/", headers=headers("viewer"))
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in answer.text
    assert " on" + "click=" not in answer.text
    for name in ("board.js", "board_api.js", "board.css", "board.svg"):
        assert client.get(f"/assets/{name}").is_success, name
    for name in ("board.html", "..%2Faccess.py", "package.json"):
        assert client.get(f"/assets/{name}").status_code == 404, name


def test_what_does_not_answer_is_said_and_the_rest_is_shown(app, place, pipeline):
    def silent(place):
        message = "The forecast does not answer."
        raise Unavailable(message)

    client = at(app, place, replace(pipeline.operations(), forecast=silent))
    found = client.get("/api/v1/titles", headers=headers("viewer")).json()
    assert len(found["titles"]) == 4
    assert found["troubles"] == ["The forecast does not answer."]
    assert client.get("/api/v1/forecast", headers=headers("viewer")).status_code == 503
