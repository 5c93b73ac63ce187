"""Publishing: immutable, resumable, and one pointer that never lies."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from origin.pointer import go_live, read_pointer
from origin.publish import publish
from telecine.errors import PackageRejected, Unavailable
from telecine.protection import KeyAssignment
from telecine.publication import Inventory, InventoryEntry, Package
from telecine.storage.local import LocalStore
from telecine.storage.memory import MemoryStore

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FILES = {
    "video/480p/init.mp4": "init",
    "video/480p/1.m4s": "segment",
    "video/480p/index.m3u8": "playlist",
    "master.m3u8": "manifest",
    "manifest.mpd": "manifest",
}


class Recorder(MemoryStore):
    """Remembers the order of writes, and can fail at one."""

    def __init__(self) -> None:
        super().__init__()
        self.written = []
        self.fail_at = None

    def put_bytes(self, key, content, **conditions):
        if self.fail_at is not None and key.endswith(self.fail_at):
            self.fail_at = None
            raise Unavailable("the origin went away")
        self.written.append(key)
        return super().put_bytes(key, content, **conditions)


def put_package(work, version="v1", salt=b""):
    entries = []
    for path, role in FILES.items():
        content = path.encode() + salt
        work.put_bytes(f"packages/bunny/{version}/{path}", content, content_type="video/mp4")
        digest = hashlib.sha256(content).hexdigest()
        entries.append(
            InventoryEntry(path=path, size_bytes=len(content), sha256=digest, content_type="video/mp4", role=role)
        )
    return Package(
        title_id="bunny",
        version=version,
        prefix=f"packages/bunny/{version}/",
        inventory=Inventory(title_id="bunny", version=version, entries=tuple(entries)),
        dash_path="manifest.mpd",
        hls_path="master.m3u8",
        scheme="cbcs",
        keys=KeyAssignment(title_id="bunny", kids={"SD": "0" * 32}),
    )


@pytest.fixture
def work():
    return MemoryStore()


def test_media_first_then_playlists_then_manifests_then_the_inventory(work, tmp_path):
    origin = Recorder()
    publish(put_package(work), work, origin, tmp_path)
    roles = [FILES.get(key.removeprefix("p/bunny/v1/"), "inventory") for key in origin.written]
    assert sorted(roles[:2]) == ["init", "segment"]
    assert roles[2:] == ["playlist", "manifest", "manifest", "inventory"]


def test_an_interrupted_publication_goes_on_where_it_was(work, tmp_path):
    origin = Recorder()
    made = put_package(work)
    origin.fail_at = "index.m3u8"
    with pytest.raises(Unavailable):
        publish(made, work, origin, tmp_path)
    assert origin.head("p/bunny/v1/inventory.json") is None
    origin.written.clear()
    publish(made, work, origin, tmp_path)
    assert not [key for key in origin.written if key.endswith((".mp4", ".m4s"))]
    assert publish(made, work, origin, tmp_path) == publish(made, work, LocalStore(tmp_path / "other"), tmp_path)


def test_a_version_is_never_overwritten_with_another_content(work, tmp_path):
    origin = MemoryStore()
    publish(put_package(work), work, origin, tmp_path)
    with pytest.raises(PackageRejected, match="never overwritten"):
        publish(put_package(work, salt=b"!"), work, origin, tmp_path)


def test_an_object_that_is_not_what_the_inventory_says_is_not_published(work, tmp_path):
    origin = MemoryStore()
    made = put_package(work)
    work.put_bytes("packages/bunny/v1/video/480p/1.m4s", b"other bytes", content_type="video/mp4")
    with pytest.raises(PackageRejected, match=r"1\.m4s has 11 bytes"):
        publish(made, work, origin, tmp_path)
    assert origin.head("p/bunny/v1/inventory.json") is None


def test_nothing_is_live_before_the_pointer_is_flipped(work, tmp_path):
    origin = MemoryStore()
    publication = publish(put_package(work), work, origin, tmp_path)
    assert read_pointer("bunny", origin) is None
    pointer = go_live(publication, origin, now=NOW)
    assert read_pointer("bunny", origin) == pointer
    assert (pointer.seq, pointer.version, pointer.previous) == (1, "v1", None)


def test_going_live_twice_is_one_flip(work, tmp_path):
    origin = MemoryStore()
    publication = publish(put_package(work), work, origin, tmp_path)
    assert go_live(publication, origin, now=NOW) == go_live(publication, origin, now=datetime.now(UTC))


def test_racing_flips_count_each_once(work, tmp_path):
    origin = MemoryStore()
    publications = [publish(put_package(work, f"v{n}"), work, origin, tmp_path) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        flips = list(pool.map(lambda publication: go_live(publication, origin, now=NOW), publications))
    assert sorted(flip.seq for flip in flips) == list(range(1, 9))
    last = max(flips, key=lambda flip: flip.seq)
    assert read_pointer("bunny", origin) == last
    by_seq = {flip.seq: flip for flip in flips}
    assert all(by_seq[seq].previous == by_seq[seq - 1].version for seq in range(2, 9))
