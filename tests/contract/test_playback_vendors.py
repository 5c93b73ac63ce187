"""Vendor licences through the service, against local counterparts over real HTTP. No vendor's own server was met."""

import base64
import json
import urllib.parse
import uuid

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from structlog.testing import capture_logs

from playback.app import create_app
from playback.entitlements import Entitlement
from playback.vendors.policy import POLICY_HEADER
from telecine.errors import MissingRequirement
from tests.contract.vendor_counterparts import SECRET, counterpart
from tests.e2e.playback_stand import free_port
from tests.unit.playback_fakes import KIDS, NOW_S, OTHER_KIDS, content_key, parts, settings, user_bearer
from tests.unit.test_playback_service import assert_problem, bearer

SYSTEMS = ("widevine", "playready", "fairplay")
CHALLENGE = b"\x08\x01\x12\xf0CHALLENGE-\x00\xff"


def soap(*kids: str) -> bytes:
    told = "".join(f"<KID>{base64.b64encode(uuid.UUID(hex=kid).bytes_le).decode()}</KID>" for kid in kids)
    return f'<?xml version="1.0"?><soap:Envelope><WRMHEADER>{told}</WRMHEADER></soap:Envelope>'.encode()


def installation(url: str, timeout_s: float = 1):
    named = {f"{system}_upstream": url for system in SYSTEMS}
    named |= {f"{system}_secret": SecretStr(SECRET) for system in SYSTEMS}
    return settings().model_copy(update={**named, "vendor_timeout_s": timeout_s})


@pytest.fixture
def standing():
    return parts()


@pytest.fixture
def vendor():
    with counterpart(NOW_S) as running:
        yield running


@pytest.fixture
def client(standing, vendor):
    with TestClient(create_app(installation(vendor.url), standing), raise_server_exceptions=False) as found:
        yield found


def opened(client, **entitlement):
    headers = user_bearer(entitlement=Entitlement(**entitlement))
    return client.post("/v1/sessions", json={"title": "bunny", "device": "tv"}, headers=headers).json()


def token_of(client, session):
    answer = client.post(f"/v1/sessions/{session['session_id']}/license-token", headers=bearer(session))
    return {"Authorization": f"Bearer {answer.json()['license_token']}"}


def ask(client, session, system, body=CHALLENGE, content_type="application/octet-stream"):
    headers = {**token_of(client, session), "Content-Type": content_type}
    return client.post(f"/v1/licenses/{system}", content=body, headers=headers)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_challenge_arrives_untouched_and_the_licence_comes_back_untouched(client, vendor, standing, system):
    session = opened(client)
    assert session["license_urls"][system] == f"http://localhost:8600/v1/licenses/{system}"
    answer = ask(client, session, system)
    assert answer.status_code == 200, answer.text
    assert vendor.challenges == [CHALLENGE]
    assert answer.content == vendor.license_of(CHALLENGE)
    assert answer.headers["cache-control"] == "no-store"
    assert "authorization" not in vendor.headers[0]
    assert vendor.policies[0]["session"] == session["session_id"]
    granted = standing.audit.written[-1]
    assert (granted.outcome, granted.system, set(granted.granted)) == ("granted", system, set(KIDS.values()))


def test_widevine_is_told_track_types_levels_outputs_and_durations(client, vendor):
    ask(client, opened(client, max_label="HD", hdcp="TYPE-0", expires_at=int(NOW_S) + 600), "widevine")
    policy = vendor.policies[0]
    assert policy["allowed_track_types"] == "SD_HD"
    specs = {base64.b64decode(spec["key_id"]).hex(): spec for spec in policy["content_key_specs"]}
    assert set(specs) == set(KIDS.values())
    assert specs[KIDS["HD"]]["security_level"] == 5
    assert specs[KIDS["HD"]]["required_output_protection"] == {"hdcp": "HDCP_V1"}
    assert specs[KIDS["SD"]]["security_level"] == 1
    assert specs[KIDS["SD"]]["required_output_protection"] == {"hdcp": "HDCP_NONE"}
    assert policy["policy_overrides"]["license_duration_seconds"] == 600
    assert policy["policy_overrides"]["can_persist"] is False


def test_an_sd_entitlement_holds_back_the_other_keys_from_every_vendor(client, vendor):
    session = opened(client, max_label="SD")
    for system in SYSTEMS:
        ask(client, session, system)
    widevine, playready, fairplay = vendor.policies
    assert widevine["allowed_track_types"] == "SD_ONLY"
    assert len(widevine["content_key_specs"]) == len(playready["Licenses"]) == len(fairplay["keys"]) == 2
    assert KIDS["HD"] not in json.dumps(vendor.policies).replace("-", "")


def test_a_widevine_service_certificate_is_no_grant_and_uses_no_token(client, vendor, standing):
    headers = {**token_of(client, opened(client)), "Content-Type": "application/octet-stream"}
    asked = client.post("/v1/licenses/widevine", content=b"\x08\x04", headers=headers)
    assert asked.content == b"SERVICE-CERTIFICATE"
    assert standing.audit.written == []
    assert client.post("/v1/licenses/widevine", content=CHALLENGE, headers=headers).status_code == 200
    assert_problem(client.post("/v1/licenses/widevine", content=CHALLENGE, headers=headers), 401, "token-used")


def test_playready_is_asked_in_soap_and_told_levels_of_outputs(client, vendor, standing):
    session = opened(client, hdcp="TYPE-1", offline=True, expires_at=int(NOW_S) + 7200)
    body = soap(KIDS["SD"], KIDS["HD"], OTHER_KIDS["SD"])
    assert ask(client, session, "playready", body, "text/xml; charset=utf-8").status_code == 200
    assert vendor.challenges == [body]
    assert vendor.headers[0]["soapaction"].endswith('/protocols/AcquireLicense"')
    assert vendor.headers[0]["content-type"].startswith("text/xml")
    policy = vendor.policies[0]
    licenses = {uuid.UUID(one["KeyId"]).hex: one for one in policy["Licenses"]}
    assert set(licenses) == {KIDS["SD"], KIDS["HD"]}
    assert licenses[KIDS["HD"]]["MinimumSecurityLevel"] == 3000
    assert licenses[KIDS["HD"]]["OutputProtection"] == {"UncompressedDigitalVideo": 300, "HdcpType": 1}
    assert licenses[KIDS["SD"]]["MinimumSecurityLevel"] == 2000
    assert (policy["Persistent"], policy["ExpirationAfterSeconds"]) == (True, 7200)
    assert set(standing.audit.written[-1].asked) == {KIDS["SD"], KIDS["HD"], OTHER_KIDS["SD"]}
    assert set(standing.audit.written[-1].granted) == {KIDS["SD"], KIDS["HD"]}


def test_a_challenge_that_names_no_granted_kid_never_reaches_the_vendor(client, vendor):
    session = opened(client, max_label="SD")
    assert_problem(ask(client, session, "playready", soap(KIDS["HD"]), "text/xml"), 403, "not-entitled")
    form = urllib.parse.urlencode({"kid": KIDS["HD"], "spc": "AAAA"}).encode()
    refused = ask(client, session, "fairplay", form, "application/x-www-form-urlencoded")
    assert_problem(refused, 403, "not-entitled")
    assert vendor.challenges == []


@pytest.mark.parametrize("offline", [True, False])
def test_fairplay_takes_forms_and_is_told_lease_or_rental(client, vendor, offline):
    session = opened(client, offline=offline, hdcp="TYPE-1", expires_at=int(NOW_S) + 900)
    form = urllib.parse.urlencode({"assetId": f"skd://{KIDS['HD']}", "spc": base64.b64encode(CHALLENGE)}).encode()
    assert ask(client, session, "fairplay", form, "application/x-www-form-urlencoded").status_code == 200
    assert vendor.challenges == [form]
    assert vendor.headers[0]["content-type"] == "application/x-www-form-urlencoded"
    policy = vendor.policies[0]
    assert policy["keys"] == [{"key_id": KIDS["HD"], "label": "HD", "hdcp": "TYPE-1"}]
    assert policy["persistent"] is offline
    assert policy["rental_duration_s" if offline else "lease_duration_s"] == 900


def test_the_fairplay_certificate_is_given_to_anyone_as_it_is(standing, tmp_path):
    path = tmp_path / "fairplay.cer"
    path.write_bytes(b"\x30\x82DER")
    with_one = TestClient(create_app(settings().model_copy(update={"fairplay_certificate": path}), standing))
    assert with_one.get("/v1/licenses/fairplay/certificate").content == b"\x30\x82DER"
    without = TestClient(create_app(settings(), standing))
    assert_problem(without.get("/v1/licenses/fairplay/certificate"), 404, "system-not-configured")


@pytest.mark.parametrize(
    ("behaviour", "status", "reason"),
    [
        ("refuses", 403, "vendor-refused"),
        ("fails", 502, "vendor-failed"),
        ("is-empty", 502, "vendor-failed"),
        ("hangs-up", 502, "vendor-failed"),
        ("is-silent", 504, "vendor-timeout"),
    ],
)
def test_a_vendors_failure_is_a_problem_that_quotes_nothing(client, vendor, standing, behaviour, status, reason):
    vendor.behaviour = behaviour
    headers = {**token_of(client, opened(client)), "Content-Type": "application/octet-stream"}
    answer = client.post("/v1/licenses/widevine", content=CHALLENGE, headers=headers)
    assert_problem(answer, status, reason)
    assert "SECRET-OF-THE-VENDOR" not in answer.text
    assert len(vendor.challenges) == 1
    assert standing.audit.written[-1].reason == reason
    vendor.behaviour = "grants"
    again = client.post("/v1/licenses/widevine", content=CHALLENGE, headers=headers)
    assert again.status_code == 200, "a token whose licence never came may be used again"


def test_a_vendor_that_cannot_be_reached_is_said_so_with_a_time_to_wait(standing):
    with TestClient(create_app(installation(f"http://127.0.0.1:{free_port()}/"), standing)) as client:
        answer = ask(client, opened(client), "widevine")
    assert_problem(answer, 503, "vendor-unreachable")
    assert int(answer.headers["retry-after"]) > 0


def test_a_vendor_needs_a_good_token_a_challenge_and_its_content_type(client, vendor):
    session = opened(client)
    assert_problem(client.post("/v1/licenses/widevine", content=CHALLENGE), 403, "token-missing")
    assert_problem(ask(client, session, "widevine", b""), 400, "malformed-request")
    assert_problem(ask(client, session, "widevine", b"{}", "application/json"), 415, "wrong-content-type")
    assert_problem(ask(client, session, "nagra"), 404, "system-not-configured")
    assert vendor.challenges == []


def test_neither_challenge_nor_licence_nor_statement_is_ever_logged(client, vendor, capsys, caplog):
    caplog.set_level("DEBUG")
    with capture_logs() as events:
        session = opened(client)
        for system in SYSTEMS:
            ask(client, session, system)
        vendor.behaviour = "fails"
        ask(client, session, "widevine")
    logged = json.dumps(events, default=str) + capsys.readouterr().err + caplog.text
    assert "license.refused" in logged
    assert "CHALLENGE" not in logged
    assert "LICENCE" not in logged
    assert SECRET not in logged
    assert all(headers[POLICY_HEADER.lower()] not in logged for headers in vendor.headers)
    assert all(content_key(kid).key.get_secret_value().hex() not in logged for kid in KIDS.values())


def test_a_vendor_without_a_secret_to_sign_with_does_not_start(standing):
    half = settings().model_copy(update={"widevine_upstream": "https://license.example"})
    with pytest.raises(MissingRequirement, match="TELECINE_WIDEVINE_SECRET"):
        create_app(half, standing)
