"""What an edge serves, by its key; and one worker a key."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge.content_types import content_type
from edge.flights import Flights
from edge.keys import ObjectKey, parse_object_key, pointer_title
from telecine.errors import NotFound


def test_an_object_key_is_title_version_and_path():
    key = "p/big-buck-bunny/v0123456789abcdef/video/720p/1.m4s"
    assert parse_object_key(key) == ObjectKey("big-buck-bunny", "v0123456789abcdef", "video/720p/1.m4s")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "p",
        "p/t",
        "p/t/v1",
        "p/t/v1/",
        "p//v1/x",
        "P/t/v1/x",
        "p/../v1/x",
        "p/t/../x/y",
        "p/T/v1/x",
        "q/t/v1/x",
        "t/t/current.json",
    ],
)
def test_other_keys_are_nothing_an_edge_serves(key):
    with pytest.raises(NotFound):
        parse_object_key(key)


def test_a_pointer_key_names_its_title():
    assert pointer_title("t/bunny/current.json") == "bunny"


@pytest.mark.parametrize(
    "key", ["t/current.json", "t/a/b/current.json", "t/../current.json", "t/a/current.json\n", "t/a/x"]
)
def test_other_keys_are_no_pointer(key):
    assert pointer_title(key) is None


def test_segments_and_manifests_have_their_types():
    assert content_type("a/1.m4s") == "video/iso.segment"
    assert content_type("a/manifest.mpd") == "application/dash+xml"
    assert content_type("a/readme") is None


def test_one_worker_a_key_and_no_lock_is_left():
    flights, busy, most = Flights(), [], []
    guard = threading.Lock()

    def work(_):
        with flights.over("key"):
            with guard:
                busy.append(1)
                most.append(len(busy))
            time.sleep(0.005)
            with guard:
                busy.pop()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    assert max(most) == 1
    assert flights._users == {}


def test_other_keys_do_not_wait():
    flights, entered = Flights(), threading.Event()

    def other():
        with flights.over("other"):
            entered.set()

    with flights.over("key"):
        threading.Thread(target=other, daemon=True).start()
        assert entered.wait(5)


def test_work_that_fails_frees_its_key():
    flights = Flights()
    with pytest.raises(ValueError, match="broken"), flights.over("key"):
        raise ValueError("broken")
    assert flights._users == {}
