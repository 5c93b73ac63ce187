"""Fills and misses on stores in memory: what is proven, what is refused, what is left behind."""

import hashlib
import threading

import pytest

from edge.files import EdgeFiles
from edge.fill import Filler, FillOrder
from edge.metrics import EdgeMetrics
from edge.supply import Supply
from telecine.errors import MissingRequirement, NotFound, PackageRejected, Unavailable
from telecine.publication import Inventory, InventoryEntry
from telecine.storage.memory import MemoryStore

CONTENTS = {f"{index}.m4s": f"segment {index}".encode() for index in range(5)}


class Origin(MemoryStore):
    """Counts what is fetched, and can be made to hang or not to answer."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched = []
        self.answers = threading.Event()
        self.answers.set()
        self.silent = False

    def get_file(self, key, path):
        self.answers.wait(10)
        if self.silent:
            message = "S3 does not answer."
            raise Unavailable(message)
        stored = super().get_file(key, path)
        self.fetched.append(key)
        return stored


def published(origin, contents=CONTENTS):
    for path, content in contents.items():
        origin.put_bytes(f"p/bunny/v1/{path}", content, content_type="video/mp4")
    entries = tuple(
        InventoryEntry(
            path=path,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            content_type="video/mp4",
            role="segment",
        )
        for path, content in contents.items()
    )
    inventory = Inventory(title_id="bunny", version="v1", entries=entries).model_dump_json().encode()
    origin.put_bytes("p/bunny/v1/inventory.json", inventory, content_type="application/json")
    return FillOrder(title_id="bunny", version="v1", inventory_sha256=hashlib.sha256(inventory).hexdigest())


@pytest.fixture
def origin():
    return Origin()


@pytest.fixture
def files(tmp_path):
    made = EdgeFiles(tmp_path)
    yield made
    made.close()


@pytest.fixture
def filler(files, origin):
    return Filler("edge-a", files, origin, EdgeMetrics())


@pytest.fixture
def supply(files, origin, filler):
    return Supply(files, origin, filler.flights, EdgeMetrics())


def test_a_fill_brings_everything_and_proves_it(filler, origin, tmp_path):
    order = published(origin)
    fill = filler.ask(order, patience_s=10)
    assert fill.problem is None
    size = sum(len(content) for content in CONTENTS.values())
    assert (fill.receipt.objects, fill.receipt.size_bytes, fill.receipt.fetched_bytes) == (5, size, size)
    for path, content in CONTENTS.items():
        file = tmp_path / "www" / "p/bunny/v1" / path
        assert file.read_bytes() == content
        assert file.with_name(f"{path}.etag").read_text() == f'"{hashlib.sha256(content).hexdigest()}"'
    assert list((tmp_path / "incoming").iterdir()) == []


def test_who_asks_twice_joins_the_fill_under_way(filler, origin):
    order = published(origin)
    origin.answers.clear()
    first, second = filler.ask(order, patience_s=0.01), filler.ask(order, patience_s=0.01)
    assert first is second
    assert first.receipt is None
    assert first.progress.total == 5
    origin.answers.set()
    assert filler.ask(order, patience_s=10).receipt is not None
    assert sorted(origin.fetched) == sorted(f"p/bunny/v1/{path}" for path in CONTENTS)


def test_the_next_fill_reads_every_byte_again(filler, origin, tmp_path):
    order = published(origin)
    filler.ask(order, patience_s=10)
    (tmp_path / "www/p/bunny/v1/3.m4s").write_bytes(b"segmenT 3")
    origin.fetched.clear()
    receipt = filler.ask(order, patience_s=10).receipt
    assert origin.fetched == ["p/bunny/v1/3.m4s"]
    assert receipt.fetched_bytes == len(CONTENTS["3.m4s"])


def test_an_object_that_is_not_as_published_is_never_visible(filler, origin, tmp_path):
    order = published(origin)
    origin.put_bytes("p/bunny/v1/2.m4s", b"something", content_type="video/mp4")
    fill = filler.ask(order, patience_s=10)
    assert isinstance(fill.problem, Unavailable)
    assert fill.receipt is None
    assert not (tmp_path / "www/p/bunny/v1/2.m4s").exists()
    assert list((tmp_path / "incoming").iterdir()) == []


def test_another_inventory_is_refused(filler, origin):
    order = published(origin).model_copy(update={"inventory_sha256": "0" * 64})
    assert isinstance(filler.ask(order, patience_s=10).problem, PackageRejected)


@pytest.mark.parametrize("path", ["../../../up", "/etc/passwd", "a//b"])
def test_an_inventory_that_climbs_is_refused(filler, origin, tmp_path, path):
    bad = InventoryEntry(path=path, size_bytes=0, sha256="0" * 64, content_type="x", role="other")
    inventory = Inventory(title_id="bunny", version="v1", entries=(bad,)).model_dump_json().encode()
    origin.put_bytes("p/bunny/v1/inventory.json", inventory, content_type="application/json")
    order = FillOrder(title_id="bunny", version="v1", inventory_sha256=hashlib.sha256(inventory).hexdigest())
    assert isinstance(filler.ask(order, patience_s=10).problem, PackageRejected)


def test_a_fill_ends_when_its_agent_stops(filler, origin):
    order = published(origin)
    filler.stop()
    assert "stops" in str(filler.ask(order, patience_s=10).problem)


def test_one_agent_a_folder(files, tmp_path):
    with pytest.raises(MissingRequirement, match="Another fill agent"):
        EdgeFiles(tmp_path)
    files.close()
    EdgeFiles(tmp_path).close()


def test_what_a_crash_left_half_fetched_is_swept(files, tmp_path):
    files.close()
    (tmp_path / "incoming" / "x.part").write_bytes(b"half")
    EdgeFiles(tmp_path).close()
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_miss_is_fetched_once_and_kept(supply, origin):
    published(origin)
    for _ in range(3):
        assert supply.bring("p/bunny/v1/1.m4s").read_bytes() == b"segment 1"
    assert origin.fetched == ["p/bunny/v1/1.m4s"]


def test_a_miss_of_what_no_inventory_names_is_not_found(supply, origin):
    published(origin)
    origin.put_bytes("p/bunny/v1/secret", b"x", content_type="video/mp4")
    for key in ("p/bunny/v1/secret", "p/bunny/v2/1.m4s", "secret", "t/nobody/current.json"):
        with pytest.raises(NotFound):
            supply.bring(key)
    assert origin.fetched == []


def test_a_changed_pointer_is_brought_a_withdrawn_one_dropped(supply, origin, files):
    origin.put_bytes("t/bunny/current.json", b"1", content_type="application/json")
    path = supply.bring("t/bunny/current.json")
    origin.put_bytes("t/bunny/current.json", b"2", content_type="application/json")
    assert path.read_bytes() == b"1"
    supply.refresh(["t/bunny/current.json", "p/bunny/v1/1.m4s", "nonsense"])
    assert path.read_bytes() == b"2"
    origin.delete("t/bunny/current.json")
    supply.refresh_all()
    assert list(files.pointers()) == []


def test_a_pointer_has_no_sidecar_that_could_lag_behind_it(supply, origin):
    origin.put_bytes("t/bunny/current.json", b"1", content_type="application/json")
    path = supply.bring("t/bunny/current.json")
    assert [other.name for other in path.parent.iterdir()] == ["current.json"]


def test_a_silent_origin_leaves_the_pointer_and_is_told(supply, origin):
    origin.put_bytes("t/bunny/current.json", b"1", content_type="application/json")
    path = supply.bring("t/bunny/current.json")
    origin.silent = True
    with pytest.raises(Unavailable):
        supply.refresh_all()
    assert path.read_bytes() == b"1"
