"""SPEKE 2.0 over real HTTP, against a vendor that is written from the standard alone."""

import base64
import sys
from pathlib import Path
from uuid import UUID

import pytest
import stamina
from lxml import etree
from pydantic import SecretStr

from telecine.cpix.delivery import Recipient
from telecine.errors import KeysRefused, MissingRequirement, Unavailable
from telecine.keys.opening import open_key_store
from telecine.keys.speke import SpekeKeyStore
from telecine.keys.speke_client import SpekeClient, SpekeServer
from telecine.keystore import SealedKeyStore
from telecine.settings import Settings
from telecine.storage.memory import MemoryStore

sys.path.insert(0, str(Path(__file__).parent))
from key_certificates import identity
from speke_server import NS, running_vendor
from test_keystore import MASTER, speke_store

LABELS = ["AUDIO", "HD", "SD", "UHD", "UHD_HDR"]
SYSTEMS = {
    "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
    "9a04f079-9840-4286-ab92-e65be0885f95",
    "94ce86fb-07ff-4f43-adb8-93d2fa968ca2",
}


@pytest.fixture
def vendor():
    with running_vendor() as running:
        yield running


@pytest.fixture
def quick_retries():
    """Waits between attempts are shortened: by the library's own switch for tests."""
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


@pytest.mark.parametrize("encrypted", [True, False])
def test_the_keys_are_the_vendors(vendor, encrypted):
    keys = speke_store(MemoryStore(), vendor, encrypted=encrypted)
    assignment = keys.assign("bunny", LABELS)
    assert vendor.refusals == []
    for key in keys.keys(assignment):
        assert key.key.get_secret_value() == vendor.key_of("bunny", key.kid)
        assert key.iv.get_secret_value() == vendor.key_of("iv", str(UUID(key.kid)))
    assert {record.origin for record in keys.records("bunny")} == {"speke"}
    assert len(vendor.requests) == 1, "one request for all labels"


def test_keys_of_two_sets_are_asked_for_in_a_request_for_each_scheme(vendor):
    keys = speke_store(MemoryStore(), vendor)
    assignment = keys.assign("bunny", ["AUDIO", "AUDIO-cenc", "SD", "SD-cenc"])
    asked = {}
    for body in vendor.requests:
        root = etree.fromstring(body)
        (scheme,) = {key.get("commonEncryptionScheme") for key in root.iterfind(".//cpix:ContentKey", NS)}
        for rule in root.iterfind(".//cpix:ContentKeyUsageRule", NS):
            asked[rule.get("intendedTrackType"), scheme] = UUID(rule.get("kid")).hex
    kids = assignment.kids
    assert asked == {
        ("AUDIO", "cbcs"): kids["AUDIO"], ("AUDIO", "cenc"): kids["AUDIO-cenc"],
        ("SD", "cbcs"): kids["SD"], ("SD", "cenc"): kids["SD-cenc"],
    }  # fmt: skip
    for key in keys.keys(assignment):
        assert key.key.get_secret_value() == vendor.key_of("bunny", key.kid)
    assert {signal.kid for signal in keys.signals(assignment)} == set(kids.values())


def test_a_key_for_another_scheme_is_refused(vendor):
    def spoil(root):
        for key in root.iterfind(".//cpix:ContentKey", NS):
            key.set("commonEncryptionScheme", "cenc")

    vendor.spoil = spoil
    with pytest.raises(KeysRefused, match="another commonEncryptionScheme"):
        speke_store(MemoryStore(), vendor).assign("bunny", ["SD"])


def test_a_vendor_without_explicit_ivs_leaves_them_to_us(vendor):
    vendor.with_iv = False
    keys = speke_store(MemoryStore(), vendor)
    ivs = {key.iv.get_secret_value() for key in keys.keys(keys.assign("bunny", LABELS))}
    assert len(ivs) == len(LABELS)


def test_a_request_says_what_speke_asks_for(vendor):
    keys = speke_store(MemoryStore(), vendor)
    keys.assign("bunny", LABELS)
    (body,), (headers,) = vendor.requests, vendor.headers
    assert headers["x-speke-version"] == "2.0"
    assert headers["authorization"] == vendor.authorization
    root = etree.fromstring(body)
    rules = {rule.get("intendedTrackType"): rule for rule in root.iterfind(".//cpix:ContentKeyUsageRule", NS)}
    assert set(rules) == set(LABELS)
    assert dict(rules["HD"][0].attrib) == {"minPixels": "589825", "maxPixels": "2073600"}
    assert etree.QName(rules["AUDIO"][0]).localname == "AudioFilter"
    asked = {(system.get("systemId"), system.get("kid")) for system in root.iterfind(".//cpix:DRMSystem", NS)}
    assert len(asked) == len(SYSTEMS) * len(LABELS)
    assert b"PlainValue" not in body


def test_what_drm_systems_want_signalled_is_kept_with_the_keys(vendor):
    store = MemoryStore()
    assignment = speke_store(store, vendor).assign("bunny", ["AUDIO", "SD"])
    signals = SealedKeyStore(store, MASTER).signals(assignment)
    assert {(signal.system_id, signal.kid) for signal in signals} == {
        (system, kid) for system in SYSTEMS for kid in assignment.kids.values()
    }
    for signal in signals:
        fairplay = signal.system_id.startswith("94ce86fb")
        assert signal.hls_signalling_media.startswith("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=")
        assert signal.hls_signalling_master.startswith("#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=")
        assert (f'URI="skd://{signal.kid}"' in signal.hls_signalling_media) == fairplay
        assert (signal.pssh is None) == (signal.content_protection_xml is None) == fairplay
        if signal.pssh:
            assert base64.b64decode(signal.pssh)[12:28] == UUID(signal.system_id).bytes


def test_licences_need_the_vendor_no_more():
    store = MemoryStore()
    with running_vendor() as vendor:
        assignment = speke_store(store, vendor).assign("bunny", ["AUDIO", "SD"])
    alone = speke_store(store, vendor)
    assert alone.assign("bunny", ["AUDIO", "SD"]) == assignment
    for key in alone.keys(assignment):
        assert key.key.get_secret_value() == vendor.key_of("bunny", key.kid)


def test_a_vendor_that_fails_for_a_while_is_asked_again(vendor, quick_retries):
    vendor.statuses = [500, 503, 429]
    keys = speke_store(MemoryStore(), vendor)
    assert keys.assign("bunny", ["SD"])
    assert len(vendor.requests) == 4
    assert len(set(vendor.requests)) == 1, "the same KIDs each time"


def test_a_vendor_that_goes_on_failing_is_unavailable(vendor, quick_retries):
    vendor.statuses = [503] * 9
    keys = speke_store(MemoryStore(), vendor)
    with pytest.raises(Unavailable, match=r"^The key provider http://127.0.0.1 answers 503.$"):
        keys.assign("bunny", ["SD"])
    assert len(vendor.requests) == 4


def test_a_vendor_that_is_gone_is_unavailable(quick_retries):
    with running_vendor() as vendor:
        pass
    keys = speke_store(MemoryStore(), vendor)
    with pytest.raises(Unavailable, match=r"^The key provider http://127.0.0.1 did not answer \(ConnectError\).$"):
        keys.assign("bunny", ["SD"])


def test_a_vendor_that_is_slow_is_given_up(vendor, quick_retries):
    vendor.delay_s = 5
    us = identity()
    server = SpekeServer(
        url=vendor.url, recipient=Recipient(us.certificate), private_key=us.private_key, timeout_s=0.05
    )
    keys = SpekeKeyStore(SealedKeyStore(MemoryStore(), MASTER), SpekeClient(server))
    with pytest.raises(Unavailable, match="ReadTimeout"):
        keys.assign("bunny", ["SD"])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
def test_a_refusal_is_one_sentence_and_asked_once(vendor, status):
    vendor.statuses = [status]
    keys = speke_store(MemoryStore(), vendor)
    with pytest.raises(KeysRefused) as refused:
        keys.assign("bunny", ["SD"])
    assert str(refused.value) == f"The key provider http://127.0.0.1 refuses the request with status {status}."
    assert len(vendor.requests) == 1


def no_key(root):
    data = root.find(".//cpix:ContentKey/cpix:Data", NS)
    data.getparent().remove(data)


def another_kid(root):
    for element in root.iterfind(".//*[@kid]"):
        element.set("kid", "00000000-0000-0000-0000-000000000001")


def another_title(root):
    root.set("contentId", "sintel")


def changed_mac(root):
    mac = root.find(".//pskc:ValueMAC", NS)
    mac.text = base64.b64encode(bytes(64)).decode()


def no_mac(root):
    mac = root.find(".//pskc:ValueMAC", NS)
    mac.getparent().remove(mac)


def foreign_pssh(root):
    root.find(".//cpix:PSSH", NS).text = base64.b64encode(bytes(40)).decode()


def in_clear(root):
    secret = root.find(".//cpix:ContentKey/cpix:Data/pskc:Secret", NS)
    for child in list(secret):
        secret.remove(child)
    etree.SubElement(secret, f"{{{NS['pskc']}}}PlainValue").text = base64.b64encode(b"k" * 16).decode()


def short_key(root):
    in_clear(root)
    root.find(".//pskc:PlainValue", NS).text = base64.b64encode(b"k" * 15).decode()


def no_cpix(root):
    root.tag = "html"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (no_key, "a key has no value"),
        (another_kid, "are not the 1 that were asked for"),
        (another_title, "contentId must be bunny"),
        (changed_mac, "its ValueMAC does not fit"),
        (no_mac, "must have one pskc:ValueMAC, but has 0"),
        (foreign_pssh, "must be one whole pssh box of this system"),
        (in_clear, "its keys are in clear"),
        (short_key, "must have 16 bytes, but has 15"),
        (no_cpix, "the root must be CPIX"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused_and_nothing_is_sealed(vendor, spoil, why):
    vendor.spoil = spoil
    store = MemoryStore()
    with pytest.raises(KeysRefused, match=why) as refused:
        speke_store(store, vendor).assign("bunny", ["SD"])
    said = str(refused.value)
    assert said.startswith("The key provider http://127.0.0.1 answers what ")
    assert "\n" not in said
    assert "secret-path" not in said
    assert list(store.list("keys/")) == []


def test_keys_encrypted_for_somebody_else_are_refused(vendor):
    us, other = identity(), identity("other")

    def spoil(root):
        certificate = root.find(".//ds:X509Certificate", NS)
        certificate.text = base64.b64encode(Recipient(other.certificate).der).decode()

    vendor.spoil = spoil
    server = SpekeServer(
        url=vendor.url,
        authorization=SecretStr(vendor.authorization),
        recipient=Recipient(us.certificate),
        private_key=us.private_key,
    )
    with pytest.raises(KeysRefused, match="encrypted for another certificate"):
        SpekeKeyStore(SealedKeyStore(MemoryStore(), MASTER), SpekeClient(server)).assign("bunny", ["SD"])


def settings(tmp_path, vendor, **more) -> Settings:
    given = {"speke_url": vendor.url, "speke_authorization": SecretStr(vendor.authorization), **more}
    return Settings(_env_file=None, data_dir=tmp_path, key_provider="speke", **given)


def test_the_settings_choose_the_provider(tmp_path, vendor):
    certificate, key = identity().write(tmp_path)
    chosen = settings(tmp_path, vendor, speke_certificate_file=certificate, speke_private_key_file=key)
    keys = open_key_store(chosen)
    (made,) = keys.keys(keys.assign("bunny", ["SD"]))
    assert made.key.get_secret_value() == vendor.key_of("bunny", made.kid)
    assert vendor.authorization not in repr(chosen)


@pytest.mark.parametrize("url", ["", "http://vendor.example/speke", "ftp://127.0.0.1/", "vendor.example"])
def test_keys_never_travel_in_the_open(tmp_path, vendor, url):
    with pytest.raises(MissingRequirement, match="must begin with https://"):
        open_key_store(settings(tmp_path, vendor, speke_url=url))


def test_a_certificate_without_its_key_is_refused(tmp_path, vendor):
    certificate, key = identity().write(tmp_path)
    _, foreign = identity("other").write(tmp_path, "other")
    with pytest.raises(MissingRequirement, match="one of the two is not set"):
        open_key_store(settings(tmp_path, vendor, speke_certificate_file=certificate))
    with pytest.raises(MissingRequirement, match="is not that of the certificate"):
        open_key_store(settings(tmp_path, vendor, speke_certificate_file=certificate, speke_private_key_file=foreign))
    key.chmod(0o644)
    with pytest.raises(MissingRequirement, match="chmod 600"):
        open_key_store(settings(tmp_path, vendor, speke_certificate_file=certificate, speke_private_key_file=key))
