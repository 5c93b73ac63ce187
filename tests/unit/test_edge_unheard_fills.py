"""A fill whose end nobody heard: what the next one who asks is told."""

import hashlib
import time

import pytest

from edge.files import EdgeFiles
from edge.fill import Filler, FillOrder
from edge.metrics import EdgeMetrics
from telecine.errors import NotFound
from telecine.publication import Inventory, InventoryEntry
from telecine.storage.memory import MemoryStore

CONTENT = b"one segment"
SEGMENT = "p/bunny/v1/1.m4s"
NEWS_S = 0.2


def published(origin) -> FillOrder:
    origin.put_bytes(SEGMENT, CONTENT, content_type="video/mp4")
    digest = hashlib.sha256(CONTENT).hexdigest()
    entry = InventoryEntry(
        path="1.m4s", size_bytes=len(CONTENT), sha256=digest, content_type="video/mp4", role="segment"
    )
    inventory = Inventory(title_id="bunny", version="v1", entries=(entry,)).model_dump_json().encode()
    origin.put_bytes("p/bunny/v1/inventory.json", inventory, content_type="application/json")
    return FillOrder(title_id="bunny", version="v1", inventory_sha256=hashlib.sha256(inventory).hexdigest())


@pytest.fixture
def files(tmp_path):
    made = EdgeFiles(tmp_path)
    yield made
    made.close()


def unheard(filler, order):
    """The fill's end, seen without being told of it as an asker would be."""
    fill = filler.ask(order, patience_s=0)
    assert fill.ended.wait(10)
    return fill


def asked_by_one_who_left(files, origin, order, news_s):
    filler = Filler("edge-a", files, origin, EdgeMetrics(), news_s=news_s)
    origin.pause_s = 0.05  # the first asker leaves before the end
    first = unheard(filler, order)
    origin.pause_s = 0
    return filler, first


class SlowStore(MemoryStore):
    pause_s = 0.0

    def get_bytes(self, key):
        time.sleep(self.pause_s)
        return super().get_bytes(key)


def test_an_old_proof_is_not_passed_off_as_a_new_one(files):
    origin = SlowStore()
    order = published(origin)
    filler, first = asked_by_one_who_left(files, origin, order, NEWS_S)
    files.path(SEGMENT).write_bytes(b"rot")
    time.sleep(NEWS_S * 1.5)
    second = filler.ask(order, patience_s=10)
    assert second is not first
    assert second.receipt.fetched_bytes == len(CONTENT)
    assert files.path(SEGMENT).read_bytes() == CONTENT


def test_an_old_failure_does_not_fail_a_new_order(files):
    origin = SlowStore()
    order = published(origin)
    inventory, _ = origin.get_bytes("p/bunny/v1/inventory.json")
    origin.delete("p/bunny/v1/inventory.json")
    filler, first = asked_by_one_who_left(files, origin, order, NEWS_S)
    assert isinstance(first.problem, NotFound)
    origin.put_bytes("p/bunny/v1/inventory.json", inventory, content_type="application/json")
    time.sleep(NEWS_S * 1.5)
    assert filler.ask(order, patience_s=10).receipt is not None


def test_a_client_that_comes_back_soon_is_told_the_end_it_waited_for(files):
    origin = SlowStore()
    order = published(origin)
    filler, first = asked_by_one_who_left(files, origin, order, news_s=60)
    assert filler.ask(order, patience_s=10) is first
