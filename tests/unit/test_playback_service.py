import base64
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from structlog.testing import capture_logs

from playback.app import create_app
from playback.parts import Parts
from playback.sessions.service import PLAYBACK_TTL_S, SESSION_TTL_S
from playback.titles import ListedTitle
from playback.tokens import Tokens, user_token
from telecine.errors import MissingRequirement
from telecine.settings import Settings
from tests.unit.playback_fakes import (
    KIDS,
    NOW_S,
    OTHER_KIDS,
    TOKEN_KEY,
    MemoryTitles,
    content_key,
    parts,
    pointer,
    settings,
    user_bearer,
)

LICENSES = "/v1/licenses/clearkey"


@pytest.fixture
def standing() -> Parts:
    return parts()


@pytest.fixture
def client(standing):
    return TestClient(create_app(settings(), standing), raise_server_exceptions=False)


def opened(client: TestClient, title: str = "bunny", **who: Any) -> dict[str, Any]:
    answer = client.post("/v1/sessions", json={"title": title, "device": "tv"}, headers=user_bearer(**who))
    assert answer.status_code == 201, answer.text
    return answer.json()


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['playback_token']}"}


def b64(kid: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(kid)).rstrip(b"=").decode()


def wanting(*kids: str) -> bytes:
    return json.dumps({"kids": [b64(kid) for kid in kids], "type": "temporary"}).encode()


def assert_problem(answer, status: int, reason: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["status"], body["reason"]) == (status, reason)
    assert body["title"]
    assert body["detail"]
    assert body["type"] == f"urn:telecine:problem:{reason}"


def test_a_session_names_every_edge_in_order_and_everything_a_player_needs(client):
    answer = client.post("/v1/sessions", json={"title": "bunny", "device": "tv", "user": "ada"}, headers=user_bearer())
    session = answer.json()
    assert answer.headers["location"] == f"/v1/sessions/{session['session_id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert session["name"] == "Big Buck Bunny"
    base = "http://edge-a.localhost:8601/p/bunny/v0123456789abcdef"
    assert session["manifests"][0] == {
        "edge": "edge-a",
        "dash": f"{base}/manifest.mpd",
        "hls": f"{base}/master.m3u8",
    }
    assert [links["edge"] for links in session["manifests"]] == ["edge-a", "edge-b"]
    assert session["license_url"] == "http://localhost:8600/v1/licenses/clearkey"
    assert session["resume_position_s"] == 0
    claims = Tokens(TOKEN_KEY).read_playback(session["playback_token"], NOW_S)
    assert (claims.sub, claims.title, claims.sid) == ("ada", "bunny", session["session_id"])
    assert set(claims.kids) == set(KIDS.values())
    assert claims.exp == NOW_S + PLAYBACK_TTL_S


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "token-missing"),
        ({"Authorization": "Bearer not.a.token"}, "token-invalid"),
        (user_bearer(ttl_s=0), "token-expired"),
        ({"Authorization": "Basic YTpi"}, "token-missing"),
    ],
)
def test_a_session_needs_a_good_user_token(client, headers, reason):
    answer = client.post("/v1/sessions", json={"title": "bunny", "device": "tv"}, headers=headers)
    assert_problem(answer, 401, reason)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_user_token_signed_with_another_key_is_refused(client):
    foreign = user_token("ada", SecretStr("x" * 40), 10**9)
    answer = client.post(
        "/v1/sessions", json={"title": "bunny", "device": "tv"}, headers={"Authorization": f"Bearer {foreign}"}
    )
    assert_problem(answer, 401, "token-invalid")


def test_an_unsigned_token_is_refused(client):
    unsigned = jwt.encode({"sub": "ada", "aud": "telecine-user", "exp": int(NOW_S) + 60}, None, algorithm="none")
    answer = client.post(
        "/v1/sessions", json={"title": "bunny", "device": "tv"}, headers={"Authorization": f"Bearer {unsigned}"}
    )
    assert_problem(answer, 401, "token-invalid")


def test_a_playback_token_opens_no_session(client):
    answer = client.post("/v1/sessions", json={"title": "bunny", "device": "tv"}, headers=bearer(opened(client)))
    assert_problem(answer, 401, "token-foreign")


def test_claims_of_an_identity_provider_beside_ours_are_accepted(client):
    claims = {"sub": "ada", "aud": "telecine-user", "exp": int(NOW_S) + 60, "iat": 1, "iss": "https://id.example"}
    token = jwt.encode(claims, TOKEN_KEY.get_secret_value(), algorithm="HS256")
    answer = client.post(
        "/v1/sessions", json={"title": "bunny", "device": "tv"}, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 201


def test_the_user_of_the_body_must_be_the_user_of_the_token(client):
    body = {"title": "bunny", "device": "tv", "user": "grace"}
    assert_problem(client.post("/v1/sessions", json=body, headers=user_bearer()), 403, "user-foreign")


@pytest.mark.parametrize("title", ["making", "unknown"])
def test_a_title_that_is_not_live_has_no_session(client, title):
    answer = client.post("/v1/sessions", json={"title": title, "device": "tv"}, headers=user_bearer())
    assert_problem(answer, 404, "title-not-live")


def test_entitlements_of_the_token_limit_the_titles(client):
    headers = user_bearer(entitlements=("other",))
    refused = client.post("/v1/sessions", json={"title": "bunny", "device": "tv"}, headers=headers)
    assert_problem(refused, 403, "not-entitled")
    allowed = client.post("/v1/sessions", json={"title": "other", "device": "tv"}, headers=headers)
    assert allowed.status_code == 201


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"title":"Bad Title","device":"tv"}', b'{"title":"bunny"}', b'{"title":"bunny","x":1}']
)
def test_a_malformed_session_request_is_a_problem_document(client, body):
    headers = {**user_bearer(), "Content-Type": "application/json"}
    assert_problem(client.post("/v1/sessions", content=body, headers=headers), 400, "malformed-request")


def test_a_malformed_request_is_not_quoted_back(client):
    answer = client.post("/v1/sessions", json={"title": "bunny", "device": "tv", "token": "S3CRET"}, headers={})
    assert "S3CRET" not in answer.text


def test_a_licence_holds_the_keys_asked_for_in_eme_json(client):
    answer = client.post(LICENSES, content=wanting(KIDS["SD"], KIDS["AUDIO"]), headers=bearer(opened(client)))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    expected = [
        {"kty": "oct", "kid": b64(kid), "k": b64(content_key(kid).key.get_secret_value().hex())}
        for kid in (KIDS["SD"], KIDS["AUDIO"])
    ]
    assert answer.json() == {"keys": expected, "type": "temporary"}
    assert "=" not in answer.text


def test_a_licence_grants_the_authorised_subset(client):
    answer = client.post(LICENSES, content=wanting(OTHER_KIDS["SD"], KIDS["HD"]), headers=bearer(opened(client)))
    assert [key["kid"] for key in answer.json()["keys"]] == [b64(KIDS["HD"])]


def test_a_licence_is_given_whatever_content_type_the_player_sends(client):
    headers = {**bearer(opened(client)), "Content-Type": "application/octet-stream"}
    assert client.post(LICENSES, content=wanting(KIDS["HD"]), headers=headers).status_code == 200


def test_a_title_in_the_clear_has_sessions_but_no_licence(standing):
    """It has no label to be entitled to, and no key to be granted."""
    titles = MemoryTitles([ListedTitle("open", "Open", pointer("open", {}))])
    client = TestClient(create_app(settings(), replace(standing, titles=titles)), raise_server_exceptions=False)
    session = opened(client, "open", entitlement={"max_label": "SD"})
    assert session["labels"] == []
    refused = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(session))
    assert refused.status_code == 403


def test_a_licence_without_a_token_is_refused(client):
    assert_problem(client.post(LICENSES, content=wanting(KIDS["SD"])), 403, "token-missing")


def test_a_licence_with_a_user_token_is_refused(client):
    answer = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=user_bearer())
    assert_problem(answer, 403, "token-foreign")


def test_a_licence_with_another_titles_token_is_refused(client):
    answer = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(opened(client, "other")))
    assert_problem(answer, 403, "kid-foreign")


def test_a_licence_with_a_damaged_token_is_refused(client):
    token = opened(client)["playback_token"]
    headers = {"Authorization": f"Bearer {token[:-4]}AAAA"}
    assert_problem(client.post(LICENSES, content=wanting(KIDS["SD"]), headers=headers), 403, "token-invalid")


def test_a_licence_with_an_expired_token_is_refused(client, standing):
    session = opened(client)
    standing.clock.now_s += PLAYBACK_TTL_S
    answer = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(session))
    assert_problem(answer, 403, "token-expired")


def test_a_licence_of_an_ended_session_is_refused(client):
    session = opened(client)
    assert client.delete(f"/v1/sessions/{session['session_id']}", headers=bearer(session)).status_code == 204
    answer = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(session))
    assert_problem(answer, 403, "session-ended")


def test_a_licence_of_a_silent_session_is_refused(client, standing):
    session = opened(client)
    standing.clock.now_s += SESSION_TTL_S + 1
    answer = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(session))
    assert_problem(answer, 403, "session-ended")


def test_a_key_the_store_has_lost_is_left_out_and_refused_when_it_was_all(client, standing):
    session = opened(client)
    del standing.keys.keys["bunny", KIDS["SD"]]
    lost = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(session))
    both = client.post(LICENSES, content=wanting(KIDS["SD"], KIDS["HD"]), headers=bearer(session))
    assert [key["kid"] for key in both.json()["keys"]] == [b64(KIDS["HD"])]
    assert_problem(lost, 403, "key-missing")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"kids":[]}',
        b'{"kids":"YWJj"}',
        b'{"kids":[1]}',
        b'{"kids":["YWJj"]}',
        b'{"kids":["**********************"]}',
        json.dumps({"kids": [b64(KIDS["SD"])], "type": "persistent-usage-record"}).encode(),
        json.dumps({"kids": [b64(KIDS["SD"])] * 65}).encode(),
    ],
)
def test_a_malformed_licence_request_is_a_problem_document(client, body):
    answer = client.post(LICENSES, content=body, headers=bearer(opened(client)))
    assert_problem(answer, 400, "malformed-request")


def test_a_body_over_the_limit_is_refused_unread(client):
    assert_problem(client.post(LICENSES, content=b"x" * 70_000), 413, "too-large")


def test_a_body_of_unsaid_length_is_refused(client):
    assert_problem(client.post(LICENSES, content=iter([b"x"])), 411, "length-required")


def test_the_licence_endpoint_echoes_the_origin_with_credentials(client):
    asked = {"Origin": "https://player.example", "Access-Control-Request-Method": "POST"}
    allowed = client.options(LICENSES, headers={**asked, "Access-Control-Request-Headers": "authorization"})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://player.example"
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    refused = client.post(LICENSES, content=wanting(KIDS["SD"]), headers={"Origin": "https://player.example"})
    assert refused.status_code == 403
    assert refused.headers["access-control-allow-origin"] == "https://player.example"


def test_no_key_and_no_token_is_ever_logged(client, capsys, caplog):
    caplog.set_level("DEBUG")
    with capture_logs() as events:
        session = opened(client)
        client.post(LICENSES, content=wanting(*KIDS.values()), headers=bearer(session))
        client.post(LICENSES, content=b"junk", headers=bearer(session))
        client.post(LICENSES, content=wanting(OTHER_KIDS["SD"]), headers=bearer(session))
    logged = json.dumps(events, default=str) + capsys.readouterr().err + caplog.text
    assert "license.granted" in logged
    assert session["playback_token"] not in logged
    for kid in KIDS.values():
        raw = content_key(kid).key.get_secret_value()
        assert b64(raw.hex()) not in logged
        assert raw.hex() not in logged


def test_a_heartbeat_keeps_the_session_and_the_position_across_devices(client, standing):
    session = opened(client)
    for _ in range(4):
        standing.clock.now_s += SESSION_TTL_S - 1
        beat = {"position_s": 61.25, "state": "playing"}
        answer = client.post(f"/v1/sessions/{session['session_id']}/heartbeat", json=beat, headers=bearer(session))
        assert answer.status_code == 204, answer.text
    found = client.get("/v1/titles/bunny/position", headers=user_bearer())
    assert found.json() == {"title": "bunny", "position_s": 61.25}
    assert opened(client)["resume_position_s"] == 61.25
    assert opened(client, user="grace")["resume_position_s"] == 0


def test_a_title_watched_to_its_end_starts_over(client):
    session = opened(client)
    for state in ("playing", "ended"):
        beat = {"position_s": 600, "state": state}
        client.post(f"/v1/sessions/{session['session_id']}/heartbeat", json=beat, headers=bearer(session))
    assert opened(client)["resume_position_s"] == 0


def test_a_heartbeat_of_an_ended_session_says_that_it_is_gone(client):
    session = opened(client)
    client.delete(f"/v1/sessions/{session['session_id']}?position_s=12.5", headers=bearer(session))
    beat = {"position_s": 99, "state": "playing"}
    answer = client.post(f"/v1/sessions/{session['session_id']}/heartbeat", json=beat, headers=bearer(session))
    assert_problem(answer, 410, "session-ended")
    assert opened(client)["resume_position_s"] == 12.5


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"position_s":-1,"state":"playing"}', b'{"position_s":NaN,"state":"playing"}', b"[1]"]
)
def test_a_malformed_heartbeat_is_a_problem_document(client, body):
    session = opened(client)
    answer = client.post(f"/v1/sessions/{session['session_id']}/heartbeat", content=body, headers=bearer(session))
    assert_problem(answer, 400, "malformed-request")


def test_one_session_cannot_touch_another(client):
    mine, theirs = opened(client), opened(client, user="grace")
    path = f"/v1/sessions/{theirs['session_id']}"
    beat = {"position_s": 1, "state": "playing"}
    assert_problem(client.post(f"{path}/heartbeat", json=beat, headers=bearer(mine)), 403, "session-foreign")
    assert_problem(client.delete(path, headers=bearer(mine)), 403, "session-foreign")
    assert_problem(client.delete(path, headers=user_bearer("grace")), 401, "token-foreign")


def test_ending_a_session_twice_is_fine(client):
    session = opened(client)
    for _ in range(2):
        assert client.delete(f"/v1/sessions/{session['session_id']}", headers=bearer(session)).status_code == 204


def test_a_position_needs_a_user_token(client):
    assert_problem(client.get("/v1/titles/bunny/position"), 401, "token-missing")


def test_everything_says_503_and_when_to_retry_while_redis_is_down(client, standing):
    session = opened(client)
    standing.sessions.down = True
    beat = {"position_s": 1, "state": "playing"}
    answers = [
        client.post("/v1/sessions", json={"title": "bunny", "device": "tv"}, headers=user_bearer()),
        client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(session)),
        client.post(f"/v1/sessions/{session['session_id']}/heartbeat", json=beat, headers=bearer(session)),
        client.delete(f"/v1/sessions/{session['session_id']}", headers=bearer(session)),
        client.get("/v1/titles/bunny/position", headers=user_bearer()),
    ]
    for answer in answers:
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert "Traceback" not in answer.text


def test_health_names_what_is_down(client, standing):
    assert client.get("/healthz").json() == {"status": "ok", "checks": {"redis": "ok", "registry": "ok"}}
    standing.sessions.down = True
    standing.titles.down = True
    answer = client.get("/healthz")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert "session store" in checks["redis"]
    assert "registry" in checks["registry"]
    assert "hunter2" not in answer.text


def test_a_fault_of_our_own_is_a_problem_without_a_stack_trace(client, standing):
    standing.titles.known = None
    answer = client.get("/v1/titles")
    assert_problem(answer, 500, "internal-error")
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", LICENSES, 405)])
def test_the_frameworks_own_refusals_are_problem_documents_too(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_metrics_count_sessions_and_licences_by_outcome(client):
    session = opened(client)
    client.post("/v1/sessions", json={"title": "making", "device": "tv"}, headers=user_bearer())
    client.post(LICENSES, content=wanting(*KIDS.values()), headers=bearer(session))
    client.post(LICENSES, content=wanting(KIDS["SD"]))
    text = client.get("/metrics").text
    assert 'telecine_playback_sessions_total{outcome="opened"} 1.0' in text
    assert 'telecine_playback_sessions_total{outcome="title-not-live"} 1.0' in text
    assert 'telecine_playback_licenses_total{outcome="granted"} 1.0' in text
    assert 'telecine_playback_licenses_total{outcome="token-missing"} 1.0' in text
    assert "telecine_playback_license_keys_total 3.0" in text
    latency = 'telecine_playback_request_seconds_count{endpoint="clearkey_license",status="200"} 1.0'
    assert latency in text
    assert session["session_id"] not in text


def test_live_titles_are_listed_and_the_unfinished_are_not(client):
    assert [title["title"] for title in client.get("/v1/titles").json()] == ["bunny", "other"]


def test_openapi_describes_every_operation(client):
    document = client.get("/openapi.json").json()
    for path in (LICENSES, "/v1/sessions", "/v1/sessions/{session_id}/heartbeat", "/healthz", "/metrics", "/v1/titles"):
        assert path in document["paths"]
    for operation in (op for methods in document["paths"].values() for op in methods.values()):
        assert operation["responses"]


def test_a_service_without_a_real_signing_key_does_not_start(standing):
    with pytest.raises(MissingRequirement, match="TELECINE_TOKEN_KEY"):
        create_app(Settings(token_key=SecretStr("short")), standing)
