"""What a store in a folder promises beyond the suite: crashes, other processes, damage."""

import multiprocessing
import shutil

import pytest

from telecine.errors import PreconditionFailed, TelecineError, Unavailable
from telecine.storage.local import LocalStore


def create(root, index, results):
    try:
        LocalStore(root).put_bytes("key", b"%d" % index, content_type="text/plain", if_none_match=True)
    except PreconditionFailed:
        results.put(None)
    else:
        results.put(index)


def test_of_many_processes_exactly_one_creates(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    writers = [context.Process(target=create, args=(tmp_path, index, results)) for index in range(8)]
    for writer in writers:
        writer.start()
    won = [index for index in (results.get(timeout=30) for _ in writers) if index is not None]
    for writer in writers:
        writer.join()
    assert len(won) == 1
    assert LocalStore(tmp_path).get_bytes("key")[0] == b"%d" % won[0]


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    store = LocalStore(tmp_path / "store")
    with pytest.raises(FileNotFoundError):
        store.put_file("key", tmp_path / "absent", content_type="text/plain")
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_reading_makes_no_folder(tmp_path):
    store = LocalStore(tmp_path / "store")
    assert store.head("key") is None
    assert list(store.list("")) == []
    assert not (tmp_path / "store").exists()


def test_a_lost_description_is_made_again_of_the_bytes(tmp_path):
    store = LocalStore(tmp_path)
    put = store.put_bytes("a/key", b"content", content_type="text/plain")
    shutil.rmtree(tmp_path / "meta")
    assert store.head("a/key") == put
    assert store.get_bytes("a/key") == (b"content", put)


def test_damage_on_disk_is_found_when_read(tmp_path):
    store = LocalStore(tmp_path / "store")
    store.put_bytes("key", b"content", content_type="text/plain")
    (tmp_path / "store" / "objects" / "key").write_bytes(b"damaged")
    with pytest.raises(Unavailable, match="damaged"):
        store.get_bytes("key")
    with pytest.raises(Unavailable, match="damaged"):
        store.get_file("key", tmp_path / "target")
    assert list(tmp_path.glob("target*")) == []


def test_a_list_does_not_leave_the_folder(tmp_path):
    (tmp_path / "secret").write_text("x")
    with pytest.raises(TelecineError, match="key"):
        list(LocalStore(tmp_path / "store").list("../"))
