"""What every key store promises: the local provider and SPEKE, each over a memory and a folder store."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretBytes, SecretStr

from telecine.cpix.delivery import Recipient
from telecine.errors import NotFound, TelecineError
from telecine.keys.speke import SpekeKeyStore
from telecine.keys.speke_client import SpekeClient, SpekeServer
from telecine.keystore import SealedKeyStore
from telecine.protection import KeyAssignment
from telecine.storage.local import LocalStore
from telecine.storage.memory import MemoryStore

sys.path.insert(0, str(Path(__file__).parent))
from key_certificates import identity
from speke_server import running_vendor

MASTER = SecretBytes(b"m" * 32)


def speke_store(store, vendor, master=MASTER, *, encrypted=True):
    us = identity()
    server = SpekeServer(
        url=vendor.url,
        authorization=SecretStr(vendor.authorization),
        recipient=Recipient(us.certificate) if encrypted else None,
        private_key=us.private_key if encrypted else None,
        timeout_s=5,
    )
    return SpekeKeyStore(SealedKeyStore(store, master), SpekeClient(server))


@pytest.fixture(params=["memory", "folder"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "key store")


@pytest.fixture(params=["local", "speke encrypted", "speke in clear"])
def opened(request, store):
    """Opens the provider's key store over ``store`` under a master key; each call is as another process."""
    with ExitStack() as stack:
        if request.param == "local":
            yield lambda master=MASTER: SealedKeyStore(store, master)
        else:
            vendor = stack.enter_context(running_vendor())
            yield lambda master=MASTER: speke_store(store, vendor, master, encrypted="encrypted" in request.param)


@pytest.fixture
def keys(opened):
    return opened()


def test_a_label_keeps_its_key(keys):
    first = keys.assign("bunny", ["HD", "SD"])
    again = keys.assign("bunny", ["AUDIO", "HD", "SD"])
    assert {label: again.kids[label] for label in first.kids} == first.kids
    assert set(again.kids) == {"AUDIO", "HD", "SD"}


def test_only_the_labels_that_were_asked_for_are_assigned(keys):
    keys.assign("bunny", ["AUDIO", "HD", "SD"])
    assert set(keys.assign("bunny", ["SD", "SD"]).kids) == {"SD"}


def test_every_title_and_label_has_a_key_of_its_own(keys):
    assignments = [keys.assign(title, ["HD", "SD"]) for title in ("one", "two")]
    made = [key for assignment in assignments for key in keys.keys(assignment)]
    assert len({key.kid for key in made}) == len({key.key.get_secret_value() for key in made}) == 4
    assert {len(key.key.get_secret_value()) for key in made} == {16}
    assert {len(key.iv.get_secret_value()) for key in made} == {16}


def test_a_label_of_a_second_set_has_a_key_of_its_own(keys):
    alone = keys.assign("bunny", ["AUDIO", "SD"])
    both = keys.assign("bunny", ["AUDIO", "AUDIO-cenc", "SD", "SD-cenc"])
    assert {label: both.kids[label] for label in ("AUDIO", "SD")} == alone.kids
    assert len(set(both.kids.values())) == 4
    assert {key.label for key in keys.keys(both)} == set(both.kids)
    after = keys.rekey("bunny")
    assert after.kids.keys() == both.kids.keys()
    assert not set(after.kids.values()) & set(both.kids.values())


def test_racing_assignments_agree(opened):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: opened().assign("bunny", ["AUDIO", "HD", "SD"]), range(12)))
    assert len({tuple(assignment.kids.items()) for assignment in found}) == 1
    assert len(opened().records("bunny")) == 3


def test_another_process_reads_the_same_key(opened, keys):
    kid = keys.assign("bunny", ["HD"]).kids["HD"]
    assert opened().key("bunny", kid) == keys.key("bunny", kid)


def test_keys_come_in_label_order(keys):
    assignment = keys.assign("bunny", ["SD", "AUDIO", "HD"])
    assert [key.label for key in keys.keys(assignment)] == ["AUDIO", "HD", "SD"]
    assert [key.kid for key in keys.keys(assignment)] == [assignment.kids[label] for label in ("AUDIO", "HD", "SD")]


def test_a_re_keyed_title_has_new_keys_and_keeps_the_old_ones(keys):
    before = keys.assign("bunny", ["HD", "SD"])
    old = keys.keys(before)
    after = keys.rekey("bunny")
    assert set(after.kids) == set(before.kids)
    assert not set(after.kids.values()) & set(before.kids.values())
    assert keys.assign("bunny", ["HD", "SD"]) == after
    assert keys.keys(before) == old
    assert not {key.key for key in keys.keys(after)} & {key.key for key in old}


def test_generations_are_recorded(keys):
    keys.assign("bunny", ["SD"])
    keys.rekey("bunny")
    keys.assign("bunny", ["HD", "SD"])
    told = [(record.label, record.generation, record.current) for record in keys.records("bunny")]
    assert told == [("HD", 1, True), ("SD", 1, False), ("SD", 2, True)]
    assert all(record.made_at is not None for record in keys.records("bunny"))


def test_a_title_without_keys_cannot_be_re_keyed(keys):
    with pytest.raises(NotFound, match="Title bunny has no keys"):
        keys.rekey("bunny")
    with pytest.raises(NotFound, match="Title bunny has no keys"):
        keys.records("bunny")


def test_signals_are_of_the_assigned_keys_alone(keys):
    assignment = keys.assign("bunny", ["HD", "SD"])
    only = KeyAssignment(title_id="bunny", kids={"SD": assignment.kids["SD"]})
    assert {signal.kid for signal in keys.signals(only)} <= {assignment.kids["SD"]}
    assert len(keys.signals(assignment)) == 2 * len(keys.signals(only))


def test_keys_are_not_readable_at_rest(store, keys):
    for key in keys.keys(keys.assign("bunny", ["HD", "SD"])):
        content, _ = store.get_bytes("keys/bunny.json")
        assert key.key.get_secret_value().hex().encode() not in content
        assert key.key.get_secret_value() not in content


def test_another_master_key_opens_nothing(opened, keys):
    kid = keys.assign("bunny", ["HD"]).kids["HD"]
    with pytest.raises(TelecineError, match="another master key"):
        opened(SecretBytes(b"x" * 32)).key("bunny", kid)


def test_a_sealed_key_cannot_be_moved_to_another_title(store, keys):
    kid = keys.assign("bunny", ["HD"]).kids["HD"]
    content, _ = store.get_bytes("keys/bunny.json")
    moved = content.replace(b'"bunny"', b'"other"')
    store.put_bytes("keys/other.json", moved, content_type="application/json")
    with pytest.raises(TelecineError, match="does not open"):
        keys.key("other", kid)


def test_a_sealed_key_cannot_be_given_another_label_or_generation(store, keys):
    kid = keys.assign("bunny", ["HD"]).kids["HD"]
    content, _ = store.get_bytes("keys/bunny.json")
    for was, becomes in ((b'"label":"HD"', b'"label":"SD"'), (b'"generation":1', b'"generation":2')):
        assert was in content
        store.put_bytes("keys/bunny.json", content.replace(was, becomes), content_type="application/json")
        with pytest.raises(TelecineError, match=f"Key {kid} of title bunny does not open"):
            keys.key("bunny", kid)


def test_an_unknown_key_is_not_found(keys):
    keys.assign("bunny", ["HD"])
    with pytest.raises(NotFound, match="no key with id"):
        keys.key("bunny", "0" * 32)


def test_a_key_hides_itself(keys):
    (key,) = keys.keys(keys.assign("bunny", ["HD"]))
    assert key.key.get_secret_value().hex() not in repr(key) + str(key) + key.model_dump_json()
    assert "*" in repr(key)
