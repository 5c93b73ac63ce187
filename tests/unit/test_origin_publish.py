"""Publishing and going live, on stores in memory and in a folder."""

import hashlib
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from origin.pointer import go_live, read_pointer
from origin.publish import publish
from telecine.errors import PackageRejected, PreconditionFailed, Unavailable
from telecine.protection import KeyAssignment
from telecine.publication import Inventory, InventoryEntry, Package
from telecine.storage.local import LocalStore
from telecine.storage.memory import MemoryStore

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONTENTS = {
    "manifest.mpd": ("manifest", b"<MPD/>"),
    "master.m3u8": ("manifest", b"#EXTM3U master"),
    "720p.m3u8": ("playlist", b"#EXTM3U"),
    "720p/init.mp4": ("init", b"init"),
    "720p/1.m4s": ("segment", b"first segment"),
    "720p/2.m4s": ("segment", b"second segment"),
}


class Witness(MemoryStore):
    """A store that remembers the order of writes, and can stop answering before one of them."""

    def __init__(self, silent_at=None) -> None:
        super().__init__()
        self.written = []
        self.lists = 0
        self.silent_at = silent_at

    def put_bytes(self, key, content, **conditions):
        if self.silent_at and key.endswith(self.silent_at):
            message = "S3 does not answer."
            raise Unavailable(message)
        stored = super().put_bytes(key, content, **conditions)
        self.written.append(key)
        return stored

    def list(self, prefix):
        self.lists += 1
        return super().list(prefix)


def packaged(store, version="v1", contents=None):
    entries = []
    for path, (role, content) in (contents or CONTENTS).items():
        store.put_bytes(f"packages/bunny/{version}/{path}", content, content_type="video/mp4")
        digest = hashlib.sha256(content).hexdigest()
        entry = {"path": path, "size_bytes": len(content), "sha256": digest, "content_type": "video/mp4", "role": role}
        entries.append(InventoryEntry.model_validate(entry))
    return Package(
        title_id="bunny",
        version=version,
        prefix=f"packages/bunny/{version}/",
        inventory=Inventory(title_id="bunny", version=version, entries=tuple(entries)),
        dash_path="manifest.mpd",
        hls_path="master.m3u8",
        scheme="cbcs",
        keys=KeyAssignment(title_id="bunny", kids={"HD": "a" * 32}),
    )


def published(tmp_path, origin, version="v1"):
    work = LocalStore(tmp_path / "work")
    return publish(packaged(work, version), work, origin, tmp_path / "scratch")


def test_every_object_is_on_the_origin_and_the_publication_names_them(tmp_path):
    origin = Witness()
    publication = published(tmp_path, origin)
    for path, (_, content) in CONTENTS.items():
        assert origin.get_bytes(f"p/bunny/v1/{path}")[0] == content
    inventory, _ = origin.get_bytes(publication.inventory_key)
    assert hashlib.sha256(inventory).hexdigest() == publication.inventory_sha256
    assert publication.objects == len(json.loads(inventory)["entries"]) == 6
    assert publication.size_bytes == sum(len(content) for _, content in CONTENTS.values())
    assert (publication.prefix, publication.dash_path) == ("p/bunny/v1/", "manifest.mpd")


def test_media_goes_before_playlists_before_manifests_before_the_inventory(tmp_path):
    origin = Witness()
    published(tmp_path, origin)
    kinds = [key.removeprefix("p/bunny/v1/") for key in origin.written]
    assert set(kinds[:3]) == {"720p/init.mp4", "720p/1.m4s", "720p/2.m4s"}
    assert kinds[3] == "720p.m3u8"
    assert set(kinds[4:6]) == {"manifest.mpd", "master.m3u8"}
    assert kinds[6:] == ["inventory.json"]


def test_a_second_run_writes_nothing_and_says_the_same(tmp_path):
    origin = Witness()
    first = published(tmp_path, origin)
    before, origin.lists = list(origin.written), 0
    assert published(tmp_path, origin) == first
    assert origin.written == before
    assert origin.lists == 1


def test_a_broken_run_is_taken_up_where_it_ended(tmp_path):
    origin = Witness(silent_at="manifest.mpd")
    with pytest.raises(Unavailable):
        published(tmp_path, origin)
    assert origin.head("p/bunny/v1/inventory.json") is None
    origin.silent_at, origin.written = None, []
    published(tmp_path, origin)
    assert "p/bunny/v1/manifest.mpd" in origin.written
    assert "p/bunny/v1/720p/1.m4s" not in origin.written


def test_half_an_object_on_the_origin_is_copied_again(tmp_path):
    origin = Witness()
    origin.put_bytes("p/bunny/v1/720p/1.m4s", b"first", content_type="video/mp4")
    published(tmp_path, origin)
    assert origin.get_bytes("p/bunny/v1/720p/1.m4s")[0] == b"first segment"


@pytest.mark.parametrize("spoil", ["missing", "other bytes"])
def test_a_package_that_is_not_its_inventory_is_not_published(tmp_path, spoil):
    work, origin = LocalStore(tmp_path / "work"), MemoryStore()
    package = packaged(work)
    if spoil == "missing":
        work.delete("packages/bunny/v1/720p/1.m4s")
    else:
        work.put_bytes("packages/bunny/v1/720p/1.m4s", b"FIRST segment", content_type="video/mp4")
    with pytest.raises(PackageRejected, match=r"720p/1\.m4s"):
        publish(package, work, origin, tmp_path)
    assert origin.head("p/bunny/v1/inventory.json") is None
    assert origin.head("p/bunny/v1/manifest.mpd") is None


def test_a_version_is_never_overwritten(tmp_path):
    origin = MemoryStore()
    published(tmp_path, origin)
    work = LocalStore(tmp_path / "other")
    other = packaged(work, contents=CONTENTS | {"720p/3.m4s": ("segment", b"more")})
    with pytest.raises(PackageRejected, match="never overwritten"):
        publish(other, work, origin, tmp_path)


def test_no_object_may_take_the_name_of_the_inventory(tmp_path):
    work = LocalStore(tmp_path / "work")
    package = packaged(work, contents={"inventory.json": ("other", b"{}")})
    with pytest.raises(PackageRejected, match="inventory"):
        publish(package, work, MemoryStore(), tmp_path)


def test_nothing_is_live_before_the_first_flip(tmp_path):
    origin = MemoryStore()
    published(tmp_path, origin)
    assert read_pointer("bunny", origin) is None


def test_flips_count_and_remember_what_was_live(tmp_path):
    origin = MemoryStore()
    first = go_live(published(tmp_path, origin), origin, now=NOW)
    second = go_live(published(tmp_path, origin, "v2"), origin, now=NOW)
    assert (first.seq, first.version, first.previous, first.live_at) == (1, "v1", None, NOW)
    assert (second.seq, second.version, second.previous) == (2, "v2", "v1")
    assert second.kids == {"HD": "a" * 32}
    assert read_pointer("bunny", origin) == second


def test_going_live_again_changes_nothing(tmp_path):
    origin = Witness()
    publication = published(tmp_path, origin)
    first = go_live(publication, origin, now=NOW)
    before = list(origin.written)
    assert go_live(publication, origin, now=datetime(2027, 1, 1, tzinfo=UTC)) == first
    assert origin.written == before


class Race(MemoryStore):
    """Has the first two readers of a pointer read the same version before either may write."""

    def __init__(self) -> None:
        super().__init__()
        self.start, self.reads = threading.Barrier(2, timeout=10), itertools.count()

    def get_bytes(self, key):
        try:
            return super().get_bytes(key)
        finally:
            if key.startswith("t/") and next(self.reads) < 2:
                self.start.wait()


@pytest.mark.parametrize("live_before", [False, True])
def test_racing_flips_both_happen_one_after_the_other(tmp_path, live_before):
    origin, race = MemoryStore(), Race()
    publications = [published(tmp_path, origin, f"v{number}") for number in (1, 2, 3)]
    if live_before:
        race.reads = itertools.count(2)
        go_live(publications[0], race, now=NOW)
        race.reads = itertools.count()
    with ThreadPoolExecutor(2) as pool:
        flips = pool.map(lambda publication: go_live(publication, race, now=NOW), publications[1:])
        earlier, later = sorted(flips, key=lambda pointer: pointer.seq)
    assert (earlier.seq, later.seq) == ((2, 3) if live_before else (1, 2))
    assert earlier.previous == ("v1" if live_before else None)
    assert later.previous == earlier.version
    assert read_pointer("bunny", race) == later


class Forgetful(MemoryStore):
    """A service whose answer to the first conditional write is lost after the write was done."""

    lost = False

    def put_bytes(self, key, content, **conditions):
        stored = super().put_bytes(key, content, **conditions)
        if key.startswith("t/") and not self.lost:
            self.lost = True
            message = "exists already"  # what the retry of a write that was done is told
            raise PreconditionFailed(message)
        return stored


def test_a_flip_whose_answer_was_lost_is_not_done_twice(tmp_path):
    origin = Forgetful()
    pointer = go_live(published(tmp_path, origin), origin, now=NOW)
    assert pointer.seq == 1
    assert read_pointer("bunny", origin) == pointer
