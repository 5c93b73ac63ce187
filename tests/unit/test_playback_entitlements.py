"""Entitlements, robustness, licence tokens, limits and the audit, through the service's own HTTP surface."""

import json
import logging

import pytest
from fastapi.testclient import TestClient

from playback.app import create_app
from playback.entitlements import Entitlement, granted_kids
from playback.quiet import hide_queries_in_access_log
from playback.sessions.service import LICENSE_TOKEN_TTL_S
from playback.tokens import Tokens
from tests.unit.playback_fakes import KIDS, NOW_S, OTHER_KIDS, TOKEN_KEY, parts, settings, user_bearer
from tests.unit.test_playback_service import LICENSES, assert_problem, b64, bearer, wanting

ALL = {"AUDIO": "a", "SD": "b", "HD": "c", "UHD": "d", "UHD_HDR": "e", "NEW": "f"}


@pytest.fixture
def standing():
    return parts()


@pytest.fixture
def client(standing):
    return TestClient(create_app(settings(), standing), raise_server_exceptions=False)


def opened(client, entitlement=None, user="ada", **more):
    body = {"title": "bunny", "device": "tv", **more}
    return client.post("/v1/sessions", json=body, headers=user_bearer(user, entitlement=entitlement))


def license_bearer(client, session):
    path = f"/v1/sessions/{session['session_id']}/license-token"
    answer = client.post(path, headers=bearer(session))
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['license_token']}"}


@pytest.mark.parametrize(
    ("max_label", "robustness", "labels"),
    [
        ("UHD_HDR", "hardware", {"AUDIO", "SD", "HD", "UHD", "UHD_HDR", "NEW"}),
        ("UHD", "hardware", {"AUDIO", "SD", "HD", "UHD"}),
        ("HD", "hardware", {"AUDIO", "SD", "HD"}),
        ("SD", "hardware", {"AUDIO", "SD"}),
        ("UHD_HDR", "software", {"AUDIO", "SD"}),
    ],
)
def test_a_ceiling_and_software_robustness_limit_the_labels(max_label, robustness, labels):
    assert set(granted_kids(ALL, Entitlement(max_label=max_label), robustness)) == labels


@pytest.mark.parametrize(
    ("entitlement", "more"), [(Entitlement(max_label="SD"), {}), (None, {"robustness": "software"})]
)
def test_an_sd_session_gets_the_authorised_subset_and_403_when_there_is_none(client, entitlement, more):
    session = opened(client, entitlement, **more).json()
    assert session["labels"] == ["AUDIO", "SD"]
    granted = client.post(LICENSES, content=wanting(*KIDS.values()), headers=license_bearer(client, session))
    assert {key["kid"] for key in granted.json()["keys"]} == {b64(KIDS["AUDIO"]), b64(KIDS["SD"])}
    refused = client.post(LICENSES, content=wanting(KIDS["HD"]), headers=license_bearer(client, session))
    assert_problem(refused, 403, "not-entitled")


def test_an_installation_may_take_silent_devices_for_software(standing):
    careful = settings().model_copy(update={"unstated_robustness": "software"})
    client = TestClient(create_app(careful, standing))
    assert opened(client).json()["labels"] == ["AUDIO", "SD"]
    assert "HD" in opened(client, robustness="hardware").json()["labels"]


def test_an_entitlement_names_its_titles(client):
    assert_problem(opened(client, Entitlement(titles=("other",))), 403, "not-entitled")
    assert opened(client, Entitlement(titles=("bunny",))).status_code == 201


def test_an_entitlement_that_ends_ends_the_tokens(client, standing):
    session = opened(client, Entitlement(expires_at=int(NOW_S) + 60)).json()
    headers = license_bearer(client, session)
    standing.clock.now_s += 60
    assert_problem(client.post(LICENSES, content=wanting(KIDS["SD"]), headers=headers), 403, "token-expired")
    assert_problem(opened(client, Entitlement(expires_at=int(NOW_S) + 60)), 403, "entitlement-expired")


@pytest.mark.parametrize("offline", [True, False])
def test_a_persistent_licence_needs_an_entitlement_to_offline(client, offline):
    session = opened(client, Entitlement(offline=offline)).json()
    body = json.dumps({"kids": [b64(KIDS["SD"])], "type": "persistent-license"})
    answer = client.post(LICENSES, content=body, headers=bearer(session))
    if offline:
        assert answer.json()["type"] == "persistent-license"
    else:
        assert_problem(answer, 403, "offline-not-allowed")


def test_a_token_gives_one_licence_and_the_session_gives_more_tokens(client):
    session = opened(client).json()
    first = license_bearer(client, session)
    assert client.post(LICENSES, content=wanting(KIDS["SD"]), headers=first).status_code == 200
    replayed = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=first)
    assert_problem(replayed, 401, "token-used")
    assert "invalid_token" in replayed.headers["www-authenticate"]
    assert client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(session)).status_code == 200
    assert_problem(client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(session)), 401, "token-used")
    again = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=license_bearer(client, session))
    assert again.status_code == 200


def test_a_refused_request_does_not_use_a_token_up(client):
    session = opened(client).json()
    headers = license_bearer(client, session)
    assert_problem(client.post(LICENSES, content=wanting(OTHER_KIDS["SD"]), headers=headers), 403, "kid-foreign")
    assert client.post(LICENSES, content=wanting(KIDS["SD"]), headers=headers).status_code == 200


def test_a_licence_token_is_short_and_good_for_licences_alone(client, standing):
    session = opened(client).json()
    headers = license_bearer(client, session)
    path = f"/v1/sessions/{session['session_id']}"
    assert_problem(client.delete(path, headers=headers), 401, "token-foreign")
    assert_problem(client.post(f"{path}/license-token", headers=headers), 401, "token-foreign")
    standing.clock.now_s += LICENSE_TOKEN_TTL_S
    assert_problem(client.post(LICENSES, content=wanting(KIDS["SD"]), headers=headers), 403, "token-expired")


def test_a_licence_token_of_an_ended_session_is_not_made(client):
    session = opened(client).json()
    path = f"/v1/sessions/{session['session_id']}"
    client.delete(path, headers=bearer(session))
    assert_problem(client.post(f"{path}/license-token", headers=bearer(session)), 410, "session-ended")


def test_a_token_is_bound_to_its_sessions_version_and_kids(client, standing):
    session = opened(client).json()
    tokens = Tokens(TOKEN_KEY)
    claims = tokens.read_playback(session["playback_token"], NOW_S)
    other = claims.model_copy(update={"version": "vffffffffffffffff", "jti": "1"})
    headers = {"Authorization": f"Bearer {tokens.sign_license(other)}"}
    assert_problem(client.post(LICENSES, content=wanting(KIDS["SD"]), headers=headers), 403, "session-foreign")
    fewer = claims.model_copy(update={"kids": (KIDS["SD"],), "jti": "2"})
    headers = {"Authorization": f"Bearer {tokens.sign_license(fewer)}"}
    answer = client.post(LICENSES, content=wanting(*KIDS.values()), headers=headers)
    assert [key["kid"] for key in answer.json()["keys"]] == [b64(KIDS["SD"])]


def test_sessions_at_once_are_limited_by_user_and_device(standing):
    few = settings().model_copy(update={"sessions_per_user": 3, "sessions_per_device": 2})
    client = TestClient(create_app(few, standing))
    first = opened(client, device_id="tv-1").json()
    assert opened(client, device_id="tv-1").status_code == 201
    refused = opened(client, device_id="tv-1")
    assert_problem(refused, 429, "too-many-sessions")
    assert int(refused.headers["retry-after"]) > 0
    assert opened(client, device_id="tv-2").status_code == 201
    assert_problem(opened(client, device_id="tv-3"), 429, "too-many-sessions")
    assert opened(client, user="grace", device_id="tv-1").status_code == 201
    client.delete(f"/v1/sessions/{first['session_id']}", headers=bearer(first))
    assert opened(client, device_id="tv-3").status_code == 201


@pytest.mark.parametrize("limit", ["licenses_per_user", "licenses_per_device"])
def test_licences_a_minute_are_limited(standing, limit):
    client = TestClient(create_app(settings().model_copy(update={limit: 2}), standing))
    session = opened(client).json()
    for _ in range(2):
        answer = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=license_bearer(client, session))
        assert answer.status_code == 200
    headers = license_bearer(client, session)
    refused = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=headers)
    assert_problem(refused, 429, "too-many-licenses")
    standing.clock.now_s += int(refused.headers["retry-after"])
    assert client.post(LICENSES, content=wanting(KIDS["SD"]), headers=headers).status_code == 200


def test_every_grant_and_refusal_is_audited_without_a_key(client, standing):
    session = opened(client, Entitlement(max_label="SD"), device_id="tv-1").json()
    client.post(LICENSES, content=wanting(*KIDS.values()), headers=license_bearer(client, session))
    client.post(LICENSES, content=wanting(KIDS["HD"]), headers=license_bearer(client, session))
    client.post(LICENSES, content=wanting(KIDS["SD"]))
    granted, refused, unknown = standing.audit.written
    assert (granted.outcome, granted.user, granted.device, granted.title) == ("granted", "ada", "tv-1", "bunny")
    assert (granted.session, granted.version) == (session["session_id"], session["version"])
    assert set(granted.asked) == set(KIDS.values())
    assert set(granted.granted) == {KIDS["AUDIO"], KIDS["SD"]}
    assert granted.labels == ("AUDIO", "SD")
    assert granted.system == "clearkey"
    assert (refused.outcome, refused.reason, refused.granted) == ("refused", "not-entitled", ())
    assert refused.asked == (KIDS["HD"],)
    assert (unknown.reason, unknown.user) == ("token-missing", None)
    written = "".join(record.model_dump_json() for record in standing.audit.written)
    for kid in KIDS.values():
        assert bytes.fromhex(kid)[::-1].hex() not in written.replace(kid, "")


def test_what_cannot_be_written_down_is_not_granted(client, standing):
    session = opened(client).json()
    standing.audit.down = True
    answer = client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(session))
    assert_problem(answer, 503, "unavailable")
    assert "keys" not in answer.json()


def test_the_access_log_holds_no_token_of_a_query(caplog):
    hide_queries_in_access_log()
    access = logging.getLogger("uvicorn.access")
    with caplog.at_level("INFO", "uvicorn.access"):
        access.info('%s - "%s %s HTTP/%s" %d', "1.2.3.4", "GET", "/v1/sessions/s/master.m3u8?token=S3CRET", "1.1", 200)
    assert "master.m3u8" in caplog.text
    assert "S3CRET" not in caplog.text
