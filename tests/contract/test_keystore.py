"""What a key store promises, over a memory and a folder store."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretBytes

from telecine.errors import MissingRequirement, NotFound, TelecineError
from telecine.keystore import SealedKeyStore, load_or_create_master_key
from telecine.storage.local import LocalStore
from telecine.storage.memory import MemoryStore

MASTER = SecretBytes(b"m" * 32)


@pytest.fixture(params=["memory", "folder"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "key store")


@pytest.fixture
def keys(store):
    return SealedKeyStore(store, MASTER)


def test_a_label_keeps_its_key(keys):
    first = keys.assign("bunny", ["HD", "SD"])
    again = keys.assign("bunny", ["AUDIO", "HD", "SD"])
    assert {label: again.kids[label] for label in first.kids} == first.kids
    assert set(again.kids) == {"AUDIO", "HD", "SD"}


def test_every_title_and_label_has_a_key_of_its_own(keys):
    assignments = [keys.assign(title, ["HD", "SD"]) for title in ("one", "two")]
    made = [key for assignment in assignments for key in keys.keys(assignment)]
    assert len({key.kid for key in made}) == len({key.key.get_secret_value() for key in made}) == 4
    assert {len(key.key.get_secret_value()) for key in made} == {16}


def test_racing_assignments_agree(store):
    def assign(_):
        return SealedKeyStore(store, MASTER).assign("bunny", ["AUDIO", "HD", "SD"])

    with ThreadPoolExecutor(8) as pool:
        assert len({tuple(found.kids.items()) for found in pool.map(assign, range(16))}) == 1


def test_another_process_reads_the_same_key(store, keys):
    kid = keys.assign("bunny", ["HD"]).kids["HD"]
    assert SealedKeyStore(store, MASTER).key("bunny", kid) == keys.key("bunny", kid)


def test_keys_are_not_readable_at_rest(store, keys):
    for key in keys.keys(keys.assign("bunny", ["HD", "SD"])):
        content, _ = store.get_bytes("keys/bunny.json")
        assert key.key.get_secret_value().hex().encode() not in content
        assert key.key.get_secret_value() not in content


def test_another_master_key_opens_nothing(store, keys):
    kid = keys.assign("bunny", ["HD"]).kids["HD"]
    with pytest.raises(TelecineError, match="another master key"):
        SealedKeyStore(store, SecretBytes(b"x" * 32)).key("bunny", kid)


def test_a_sealed_key_cannot_be_moved_to_another_title(store, keys):
    kid = keys.assign("bunny", ["HD"]).kids["HD"]
    content, _ = store.get_bytes("keys/bunny.json")
    moved = content.replace(b'"bunny"', b'"other"')
    store.put_bytes("keys/other.json", moved, content_type="application/json")
    with pytest.raises(TelecineError, match="does not open"):
        keys.key("other", kid)


def test_an_unknown_key_is_not_found(keys):
    keys.assign("bunny", ["HD"])
    with pytest.raises(NotFound):
        keys.key("bunny", "0" * 32)


def test_keys_hide_in_every_text_form(keys):
    key = keys.keys(keys.assign("bunny", ["HD"]))[0]
    assert key.key.get_secret_value().hex() not in repr(key) + str(key) + key.model_dump_json()


def test_the_master_key_is_made_once_and_private(tmp_path):
    path = tmp_path / "secrets" / "master.key"
    with ThreadPoolExecutor(8) as pool:
        made = {key.get_secret_value() for key in pool.map(lambda _: load_or_create_master_key(path), range(16))}
    assert len(made) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["master.key"]


def test_a_master_key_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "master.key"
    load_or_create_master_key(path)
    path.chmod(0o644)
    with pytest.raises(MissingRequirement, match="chmod 600"):
        load_or_create_master_key(path)


def test_a_damaged_master_key_file_is_said(tmp_path):
    path = tmp_path / "master.key"
    path.touch(mode=0o600)
    path.write_text("not a key")
    with pytest.raises(MissingRequirement, match="64 hexadecimal digits"):
        load_or_create_master_key(path)
