"""A live title whose keys were changed is not current any more: submitted again, it gets a new version."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretBytes

from pipeline.submission import is_rekeyed
from telecine.keystore import SealedKeyStore
from telecine.publication import Pointer, ProtectedSet
from telecine.registry.records import Stage, TitleRecord
from telecine.storage.memory import MemoryStore
from telecine.title import Priority

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(kids: dict[str, str] | None, further: tuple[ProtectedSet, ...] = ()) -> TitleRecord:
    live = None
    if kids is not None:
        live = Pointer(
            title_id="bunny", seq=1, version="v1", dash_path="m", hls_path="h", kids=kids, live_at=NOW, further=further
        )
    return TitleRecord(
        title_id="bunny", name="Bunny", profile="standard", priority=Priority.NORMAL, launch_at=None,
        master_uri="file:///bunny.mov", master_sha256=None, stage=Stage.LIVE, problem=None, run_id=None, live=live,
        live_sha256=None, live_profile=None, documents={}, created_at=NOW, updated_at=NOW,
    )  # fmt: skip


@pytest.fixture
def keys():
    return SealedKeyStore(MemoryStore(), SecretBytes(b"m" * 32))


def test_a_title_is_re_keyed_until_its_new_keys_are_live(keys):
    before = keys.assign("bunny", ["AUDIO", "SD"])
    assert not is_rekeyed(record(before.kids), keys.records("bunny"))
    after = keys.rekey("bunny")
    assert is_rekeyed(record(before.kids), keys.records("bunny"))
    assert not is_rekeyed(record(after.kids), keys.records("bunny"))


def test_new_keys_of_the_second_set_alone_make_a_title_re_keyed(keys):
    kids = keys.assign("bunny", ["SD", "SD-cenc"]).kids
    second = ProtectedSet(scheme="cenc", dash_path="m", hls_path="h", kids={"SD": kids["SD-cenc"]})
    assert not is_rekeyed(record({"SD": kids["SD"]}, (second,)), keys.records("bunny"))
    other = second.model_copy(update={"kids": {"SD": "f" * 32}})
    assert is_rekeyed(record({"SD": kids["SD"]}, (other,)), keys.records("bunny"))


def test_keys_of_labels_that_are_not_live_change_nothing(keys):
    live = keys.assign("bunny", ["SD"])
    keys.assign("bunny", ["UHD"])
    assert not is_rekeyed(record(live.kids), keys.records("bunny"))


def test_a_title_that_is_not_live_is_not_re_keyed(keys):
    keys.assign("bunny", ["SD"])
    assert not is_rekeyed(record(None), keys.records("bunny"))
