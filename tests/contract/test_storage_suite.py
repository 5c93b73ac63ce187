"""One suite for every object store: in memory, in a folder, and on a real S3 server."""

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from telecine.errors import NotFound, PreconditionFailed, TelecineError
from telecine.storage.local import LocalStore
from telecine.storage.memory import MemoryStore

TEXT = "text/plain"


@pytest.fixture(params=["memory", "local", pytest.param("s3", marks=pytest.mark.server)])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryStore()
    if request.param == "local":
        return LocalStore(tmp_path / "a store with spaces")
    return request.getfixturevalue("s3_server").store(f"suite-{uuid.uuid4().hex[:12]}")


def digest(content):
    return hashlib.sha256(content).hexdigest()


def outcome(call):
    try:
        return call()
    except PreconditionFailed:
        return None


def test_what_was_put_is_got_with_its_size_and_digest(store):
    put = store.put_bytes("a/b c/ü.txt", b"hello", content_type=TEXT)
    content, got = store.get_bytes("a/b c/ü.txt")
    assert content == b"hello"
    assert got == put == store.head("a/b c/ü.txt")
    assert (got.key, got.size_bytes, got.sha256) == ("a/b c/ü.txt", 5, digest(b"hello"))


def test_an_empty_object_is_an_object(store):
    store.put_bytes("empty", b"", content_type=TEXT)
    assert store.get_bytes("empty")[0] == b""
    assert store.head("empty").size_bytes == 0


@pytest.mark.parametrize("size", [0, 3 << 20, 70 << 20], ids=["empty", "3 MiB", "70 MiB, in parts"])
def test_a_file_survives_the_way_there_and_back(store, tmp_path, size):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(uuid.uuid4().bytes * (size // 16))
    put = store.put_file("file", source, content_type="video/mp4")
    got = store.get_file("file", target)
    assert target.read_bytes() == source.read_bytes()
    assert got.sha256 == put.sha256 == digest(source.read_bytes())
    assert got.size_bytes == size
    assert sorted(path.name for path in tmp_path.glob("target*")) == ["target"]


def test_a_file_that_is_not_what_was_said_is_not_stored(store, tmp_path):
    (tmp_path / "f").write_bytes(b"other")
    store.put_bytes("key", b"first", content_type=TEXT)
    with pytest.raises(PreconditionFailed, match="key"):
        store.put_file("key", tmp_path / "f", content_type=TEXT, sha256=digest(b"said"))
    assert store.get_bytes("key")[0] == b"first"


def test_a_put_replaces_the_object_and_its_version(store):
    first = store.put_bytes("key", b"one", content_type=TEXT)
    second = store.put_bytes("key", b"two!", content_type=TEXT)
    assert first.etag != second.etag
    assert store.get_bytes("key") == (b"two!", second)


def test_an_absent_key_is_not_found(store, tmp_path):
    assert store.head("nowhere") is None
    with pytest.raises(NotFound, match="nowhere"):
        store.get_bytes("nowhere")
    with pytest.raises(NotFound, match="nowhere"):
        store.get_file("nowhere", tmp_path / "target")
    assert list(tmp_path.glob("target*")) == []
    store.delete("nowhere")


def test_a_deleted_key_is_gone(store):
    store.put_bytes("key", b"x", content_type=TEXT)
    store.delete("key")
    assert store.head("key") is None
    assert list(store.list("")) == []


def test_a_list_is_in_key_order_and_knows_sizes(store):
    for key in ("p/b/2", "p/a/10", "p/a/1", "q/x", "p/ab"):
        store.put_bytes(key, key.encode(), content_type=TEXT)
    found = list(store.list("p/a"))
    assert [(item.key, item.size_bytes) for item in found] == [("p/a/1", 5), ("p/a/10", 6), ("p/ab", 4)]
    assert all(store.head(item.key).etag == item.etag for item in found)
    assert list(store.list("r/")) == []


def test_create_only_refuses_what_is_there(store):
    store.put_bytes("key", b"first", content_type=TEXT, if_none_match=True)
    with pytest.raises(PreconditionFailed, match="key"):
        store.put_bytes("key", b"second", content_type=TEXT, if_none_match=True)
    assert store.get_bytes("key")[0] == b"first"


def test_a_write_over_a_version_needs_that_version(store):
    first = store.put_bytes("key", b"1", content_type=TEXT)
    second = store.put_bytes("key", b"2", content_type=TEXT, if_match=first.etag)
    with pytest.raises(PreconditionFailed, match="key"):
        store.put_bytes("key", b"3", content_type=TEXT, if_match=first.etag)
    assert store.get_bytes("key") == (b"2", second)


def test_a_write_over_a_version_of_nothing_is_refused(store):
    with pytest.raises((PreconditionFailed, NotFound)):
        store.put_bytes("key", b"1", content_type=TEXT, if_match='"0123"')
    assert store.head("key") is None


def test_of_many_creators_exactly_one_wins(store):
    def create(index):
        return outcome(lambda: store.put_bytes("key", b"%d" % index, content_type=TEXT, if_none_match=True))

    with ThreadPoolExecutor(20) as pool:
        won = [stored for stored in pool.map(create, range(20)) if stored]
    assert len(won) == 1
    assert store.get_bytes("key")[1] == won[0]


def test_of_many_writers_over_one_version_exactly_one_wins(store):
    first = store.put_bytes("key", b"first", content_type=TEXT)

    def replace(index):
        return outcome(lambda: store.put_bytes("key", b"%d" % index, content_type=TEXT, if_match=first.etag))

    with ThreadPoolExecutor(20) as pool:
        won = [stored for stored in pool.map(replace, range(20)) if stored]
    assert len(won) == 1
    assert store.get_bytes("key")[1] == won[0]


def test_readers_see_whole_versions_only(store, tmp_path):
    versions = [bytes([index]) * 50_000 for index in range(8)]
    store.put_bytes("key", versions[0], content_type=TEXT)

    def read(_):
        return store.get_bytes("key")[0]

    def write(version):
        store.put_bytes("key", version, content_type=TEXT)

    with ThreadPoolExecutor(8) as pool:
        reads = pool.map(read, range(60))
        list(pool.map(write, versions))
        assert set(reads) <= set(versions)


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", ".", "a/./b", "a\0b"])
def test_a_key_that_climbs_is_refused(store, tmp_path, key):
    (tmp_path / "f").write_bytes(b"x")
    for call in (
        lambda: store.put_bytes(key, b"x", content_type=TEXT),
        lambda: store.put_file(key, tmp_path / "f", content_type=TEXT),
        lambda: store.get_bytes(key),
        lambda: store.get_file(key, tmp_path / "g"),
        lambda: store.head(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(TelecineError, match="key"):
            call()
