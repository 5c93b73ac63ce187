"""CPIX documents: against the schema, through files, encrypted and in clear, and what is refused."""

import base64
import importlib.util
import json
import sys
from pathlib import Path

import pytest
from lxml import etree
from pydantic import SecretBytes

from telecine.cpix.delivery import Recipient, load_private_key, load_recipient
from telecine.cpix.document import Cpix, CpixKey, MalformedCpix, rule_of
from telecine.cpix.reading import read_cpix
from telecine.cpix.writing import key_request, write_cpix
from telecine.errors import MissingRequirement, NotFound, TelecineError
from telecine.keys.opening import open_sealed_keys
from telecine.process import Command, run
from telecine.protection import DrmSystemSignal
from telecine.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))
from key_certificates import identity

LABELS = ("AUDIO", "SD", "HD", "UHD", "UHD_HDR", "PREMIUM")
WIDEVINE = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
KIDS = {label: f"{number:x}" * 32 for number, label in enumerate(LABELS, 1)}
VALUES = {label: bytes([number]) * 15 + b"!" for number, label in enumerate(LABELS, 1)}


def signal(kid: str) -> DrmSystemSignal:
    body = b"pssh" + bytes(4) + bytes.fromhex(WIDEVINE.replace("-", "")) + bytes(4)
    return DrmSystemSignal(
        system_id=WIDEVINE,
        kid=kid,
        pssh=base64.b64encode((len(body) + 4).to_bytes(4, "big") + body).decode(),
        content_protection_xml='<pssh xmlns="urn:mpeg:cenc:2013">AAAA</pssh><x a="é"/>',
        hls_signalling_media="#EXT-X-KEY:METHOD=SAMPLE-AES",
        hls_signalling_master="#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES",
    )


DOCUMENT = Cpix(
    content_id="bunny",
    keys=tuple(
        CpixKey(KIDS[label], label, SecretBytes(VALUES[label]), SecretBytes(b"i" * 16), "cbcs")
        for label in sorted(LABELS)
    ),
    signals=tuple(signal(kid) for kid in sorted(KIDS.values())),
)


@pytest.fixture(scope="module")
def schema():
    """CPIX as DASH-IF's schema has it: of 2.2, with the attribute that 2.3 adds to ContentKey."""
    spec = importlib.util.find_spec("cpix")
    assert spec is not None, "run 'make install-dev'"
    assert spec.origin is not None
    path = Path(spec.origin).parent / "schema" / "cpix.xsd"
    tree = etree.parse(path)
    namespaces = {"xs": "http://www.w3.org/2001/XMLSchema"}
    (extension,) = tree.xpath("//xs:complexType[@name='ContentKeyType']//xs:extension", namespaces=namespaces)
    etree.SubElement(
        extension, f"{{{namespaces['xs']}}}attribute", name="commonEncryptionScheme", type="xs:string", use="optional"
    )
    return etree.XMLSchema(tree)


def us() -> Recipient:
    return Recipient(identity().certificate)


@pytest.mark.parametrize("recipient", [None, "us"])
def test_a_document_is_valid_against_the_schema(schema, recipient):
    schema.assertValid(etree.fromstring(write_cpix(DOCUMENT, us() if recipient else None)))


def test_a_request_is_valid_against_the_schema(schema):
    wanted = Cpix("bunny", tuple(CpixKey(KIDS[label], label, scheme="cenc") for label in LABELS))
    schema.assertValid(etree.fromstring(key_request(wanted, ("widevine", "playready", "fairplay"))))


def test_the_schema_test_can_fail(schema):
    content = write_cpix(DOCUMENT).replace(b"systemId=", b"system=")
    assert not schema.validate(etree.fromstring(content))


def test_a_document_in_clear_reads_as_it_was_written():
    assert read_cpix(write_cpix(DOCUMENT)) == DOCUMENT
    assert not read_cpix(write_cpix(DOCUMENT)).encrypted


def test_an_encrypted_document_reads_as_it_was_written():
    content = write_cpix(DOCUMENT, us())
    assert read_cpix(content, identity().private_key) == DOCUMENT
    assert read_cpix(content, identity().private_key).encrypted
    for value in VALUES.values():
        assert base64.b64encode(value) not in content


def test_two_encryptions_of_a_document_share_nothing_secret():
    one, two = (etree.fromstring(write_cpix(DOCUMENT, us())) for _ in range(2))
    values = [{element.text for element in root.iter("{*}CipherValue")} for root in (one, two)]
    assert len(values[0]) == len(LABELS) + 2
    assert not values[0] & values[1]


def test_an_encrypted_document_needs_the_right_private_key():
    content = write_cpix(DOCUMENT, us())
    with pytest.raises(MalformedCpix, match="opens only with the private key"):
        read_cpix(content)
    with pytest.raises(MalformedCpix, match="encrypted for another certificate"):
        read_cpix(content, identity("other").private_key)


def test_the_mac_key_is_read_under_the_name_some_writers_give_it():
    content = write_cpix(DOCUMENT, us()).replace(b"pskc:MACKey", b"cpix:Key")
    assert read_cpix(content, identity().private_key) == DOCUMENT


def test_every_byte_of_an_encrypted_key_is_protected():
    content = write_cpix(Cpix("bunny", DOCUMENT.keys[:1]), us())
    root = etree.fromstring(content)
    value = root.find(".//{*}ContentKey//{*}CipherValue")
    raw = base64.b64decode(value.text)
    for at in range(len(raw)):
        value.text = base64.b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]).decode()
        with pytest.raises(MalformedCpix, match="ValueMAC does not fit"):
            read_cpix(etree.tostring(root), identity().private_key)


SECRET = base64.b64encode(VALUES["AUDIO"])
KID = "11111111-1111-1111-1111-111111111111"
DTD = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text[:-9], "not well-formed XML"),
        (lambda text: text.replace(b"?>", b"?>" + DTD, 1), "has a document type"),
        (lambda text: text.replace(b'version="2.3"', b'version="3.0"'), "CPIX@version must be 2.x"),
        (lambda text: text.replace(b'contentId="bunny"', b""), "CPIX has no contentId"),
        (lambda text: text.replace(b"cpix:ContentKeyList", b"cpix:KeyList"), "an element KeyList"),
        (lambda text: text.replace(b"cpix:DRMSystem ", b"cpix:System ").replace(b"/cpix:DRMSystem>", b"/cpix:System>"),
         "DRMSystemList holds an element System"),
        (lambda text: text.replace(SECRET, SECRET[:-4] + b"????"), "PlainValue must be base64"),
        (lambda text: text.replace(SECRET, base64.b64encode(b"k" * 24)), "must have 16 bytes, but has 24"),
        (lambda text: text.replace(KID.encode(), b"1111"), "ContentKey.*@kid must be a UUID"),
        (lambda text: text.replace(b'kid="' + KID.encode(), b'kid="99999999-1111-1111-1111-111111111111', 1),
         "has no ContentKeyUsageRule"),
        (lambda text: text.replace(b'intendedTrackType="SD"', b'intendedTrackType="HD"'), "two keys have the intended"),
        (lambda text: text.replace(b'intendedTrackType="SD"', b'intendedTrackType="S D"'), "may hold letters"),
        (lambda text: text.replace(b'Scheme="cbcs"', b'Scheme="cens"'), "another scheme than cbcs or cenc"),
        (lambda text: text.replace(b'playlist="master"', b'playlist="media"'), "must be one for master"),
        (lambda text: text.replace(b'systemId="edef', b'systemId="0def'), "one whole pssh box of this system"),
        (lambda text: text.replace(b'explicitIV="a', b'explicitIV="'), "explicitIV of key"),
        (lambda text: text + b" " * (2 << 20), "are read at most"),
    ],
)  # fmt: skip
def test_a_broken_document_is_refused_in_one_sentence_without_keys(change, why):
    changed = change(write_cpix(DOCUMENT))
    assert changed != write_cpix(DOCUMENT)
    with pytest.raises(MalformedCpix, match=why) as refused:
        read_cpix(changed)
    assert "\n" not in str(refused.value)
    assert SECRET.decode()[:-4] not in str(refused.value)


def test_entities_are_not_resolved_and_nothing_is_fetched(tmp_path):
    (tmp_path / "secret").write_text("bunny")
    doctype = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
    content = write_cpix(DOCUMENT).replace(b"?>", f"?>{doctype}".encode(), 1)
    with pytest.raises(MalformedCpix, match="has a document type"):
        read_cpix(content.replace(SECRET, b"&e;"))


def test_labels_are_told_by_pixels_and_own_labels_by_name():
    assert rule_of("SD").attributes == (("maxPixels", "589824"),)
    assert ("minPixels", "589825") in rule_of("HD").attributes
    assert ("hdr", "true") in rule_of("UHD_HDR").attributes
    assert rule_of("PREMIUM").element == "LabelFilter"


def test_weak_and_ended_certificates_are_refused(tmp_path):
    weak, _ = identity("weak", bits=1024).write(tmp_path, "weak")
    ended, _ = identity("ended", days=-1).write(tmp_path, "ended")
    with pytest.raises(MissingRequirement, match="at least 2048 bits"):
        load_recipient(weak)
    with pytest.raises(MissingRequirement, match="ended on"):
        load_recipient(ended)
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(MissingRequirement, match="must hold a certificate"):
        load_recipient(tmp_path / "none.pem")
    with pytest.raises(MissingRequirement, match="no such file"):
        load_private_key(tmp_path / "none.key")


class Place:
    """A data folder and the command line over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = open_sealed_keys(Settings(_env_file=None, data_dir=folder))

    def telecine(self, *words: object) -> str:
        argv = (str(Path(sys.executable).with_name("telecine")), "keys", *map(str, words))
        return run(Command(argv, env={"TELECINE_DATA_DIR": str(self.folder)}, timeout_s=60)).stdout.decode()

    def current(self, title="bunny"):
        return self.keys.keys(self.keys.known(title, self.keys.labels(title)))


@pytest.mark.parametrize("encrypted", [False, True])
def test_keys_survive_export_import_and_export(tmp_path, encrypted):
    certificate, private = identity().write(tmp_path)
    one, two = Place(tmp_path / "one"), Place(tmp_path / "two")
    kept = (*LABELS, "AUDIO-cenc", "SD-cenc")
    one.keys.assign("bunny", kept)
    one.keys.rekey("bunny")
    first, second = tmp_path / "first.xml", tmp_path / "second.xml"
    to_us = ["--recipient", certificate] if encrypted else []
    opening = ["--private-key", private] if encrypted else []
    told = one.telecine("export", "bunny", "--to", first, *to_us)
    told += two.telecine("import", first, *opening)
    told += two.telecine("export", "bunny", "--to", second, *to_us)
    key = identity().private_key if encrypted else None
    assert read_cpix(first.read_bytes(), key) == read_cpix(second.read_bytes(), key)
    assert encrypted or first.read_bytes() == second.read_bytes()
    assert two.current() == one.current()
    assert {path.stat().st_mode & 0o777 for path in (first, second)} == {0o600}
    assert {record.origin for record in two.keys.records("bunny")} == {"imported"}
    told += two.telecine("import", first, *opening) + two.telecine("list", "bunny")
    assert len(two.keys.records("bunny")) == len(kept), "importing again changes nothing"
    told_of = {(key.label, key.scheme) for key in read_cpix(first.read_bytes(), key).keys}
    assert told_of >= {("SD", "cbcs"), ("SD", "cenc"), ("AUDIO", "cbcs"), ("AUDIO", "cenc"), ("HD", None)}
    assert len(told_of) == len(kept)
    for made in one.current():
        assert made.kid in told
        assert made.key.get_secret_value().hex() not in told


def test_an_import_makes_the_next_generation_of_its_labels(tmp_path):
    one, two = Place(tmp_path / "one"), Place(tmp_path / "two")
    one.keys.assign("bunny", ["SD"])
    before = two.keys.assign("bunny", ["SD", "HD"])
    one.telecine("export", "bunny", "--to", tmp_path / "keys.xml")
    two.telecine("import", tmp_path / "keys.xml")
    after = two.keys.assign("bunny", ["SD", "HD"])
    assert after.kids["HD"] == before.kids["HD"]
    assert after.kids["SD"] == one.current()[0].kid
    assert two.keys.key("bunny", before.kids["SD"])


def test_a_kid_never_changes_its_key(tmp_path):
    place = Place(tmp_path)
    place.keys.assign("bunny", ["SD"])
    file = tmp_path / "keys.xml"
    place.telecine("export", "bunny", "--to", file)
    (made,) = place.current()
    was = base64.b64encode(made.key.get_secret_value())
    file.write_bytes(file.read_bytes().replace(was, base64.b64encode(b"k" * 16)))
    with pytest.raises(TelecineError, match="a KID never changes its key"):
        place.telecine("import", file)


def test_rotate_and_rekey_from_the_command_line(tmp_path):
    place = Place(tmp_path)
    before = place.keys.assign("bunny", ["SD"])
    old = place.keys.keys(before)
    master = (tmp_path / "secrets" / "master.key").read_text()
    assert json.loads(place.telecine("rotate", "--json"))["rewrapped"] == 1
    assert (tmp_path / "secrets" / "master.key").read_text() != master
    after = json.loads(place.telecine("rekey", "bunny", "--json"))
    assert after["kids"] != before.kids
    listed = json.loads(place.telecine("list", "bunny", "--json"))
    assert [(record["generation"], record["current"]) for record in listed] == [(1, False), (2, True)]
    assert place.keys.keys(before) == old


def test_an_unknown_title_has_nothing_to_list(tmp_path):
    with pytest.raises(NotFound, match="no keys"):
        Place(tmp_path).keys.records("nobody")
