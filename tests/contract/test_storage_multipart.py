"""Objects put together from parts that others write by signed addresses, against a real S3 server."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from telecine.errors import NotFound
from telecine.storage.multipart import StoredPart

pytestmark = pytest.mark.server
MIB = 1 << 20
KEY = "masters/0123456789abcdef/Ein Film + é.mov"


@pytest.fixture
def store(s3_server):
    return s3_server.store("multipart")


def put(store, key, multipart_id, number, content):
    url = store.presign_part(key, multipart_id, number, expires_s=60)
    return httpx.put(url, content=content)


def test_parts_in_any_order_become_one_object(store):
    opened = store.create_multipart(KEY, content_type="video/quicktime")
    assert put(store, KEY, opened, 2, b"b" * 7).status_code == 200
    assert put(store, KEY, opened, 1, b"a" * 5 * MIB).status_code == 200
    parts = store.list_parts(KEY, opened)
    assert [(part.number, part.size_bytes) for part in parts] == [(1, 5 * MIB), (2, 7)]
    assert store.complete_multipart(KEY, opened, parts).size_bytes == 5 * MIB + 7
    assert b"".join(store.blocks(KEY)) == b"a" * 5 * MIB + b"b" * 7


def test_a_part_sent_again_replaces_the_first(store):
    opened = store.create_multipart("again", content_type="a/b")
    put(store, "again", opened, 1, b"wrong")
    put(store, "again", opened, 1, b"right!")
    store.complete_multipart("again", opened, store.list_parts("again", opened))
    assert store.get_bytes("again")[0] == b"right!"


def test_nothing_is_at_the_key_before_it_is_completed_or_after_it_was_aborted(store):
    opened = store.create_multipart("aborted", content_type="a/b")
    put(store, "aborted", opened, 1, b"x")
    assert store.head("aborted") is None
    store.abort_multipart("aborted", opened)
    store.abort_multipart("aborted", opened)
    assert store.head("aborted") is None
    with pytest.raises(NotFound):
        store.list_parts("aborted", opened)
    with pytest.raises(NotFound):
        store.complete_multipart("aborted", opened, [StoredPart(number=1, size_bytes=1, etag='"0"')])


def test_parts_beyond_a_thousand_are_listed(store):
    opened = store.create_multipart("many", content_type="a/b")
    with httpx.Client() as client:
        for number in range(1, 1004):
            url = store.presign_part("many", opened, number, expires_s=60)
            assert client.put(url, content=b"x").status_code == 200
    assert [part.number for part in store.list_parts("many", opened)] == list(range(1, 1004))
    store.abort_multipart("many", opened)


def test_an_address_is_good_for_its_own_part_alone_and_not_for_ever(store):
    opened = store.create_multipart("signed", content_type="a/b")
    url = store.presign_part("signed", opened, 1, expires_s=1)
    assert httpx.put(url.replace("partNumber=1", "partNumber=2"), content=b"x").status_code == 403
    assert httpx.put(url.replace("/signed", "/other"), content=b"x").status_code == 403
    assert httpx.get(url).status_code == 403
    time.sleep(2.1)
    assert httpx.put(url, content=b"x").status_code == 403
    assert store.list_parts("signed", opened) == ()
    store.abort_multipart("signed", opened)


def test_a_page_may_put_a_part_and_read_its_etag(store):
    store.allow_pages()
    store.allow_pages()
    opened = store.create_multipart("page", content_type="a/b")
    url = store.presign_part("page", opened, 1, expires_s=60)
    origin = {"Origin": "https://airflow.example"}
    asked = httpx.options(url, headers={**origin, "Access-Control-Request-Method": "PUT"})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] in {"*", origin["Origin"]}
    done = httpx.put(url, content=b"x", headers=origin)
    assert "etag" in done.headers["access-control-expose-headers"].lower()
    assert done.headers["etag"]
    store.abort_multipart("page", opened)


def test_blocks_bear_a_restart_of_the_service(own_s3_server):
    store = own_s3_server.store("blocks")
    content = bytes(range(256)) * (20 * MIB // 256)
    opened = store.create_multipart("big", content_type="a/b")
    put(store, "big", opened, 1, content)
    store.complete_multipart("big", opened, store.list_parts("big", opened))
    blocks = store.blocks("big")
    first = next(blocks)
    own_s3_server.kill()
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(lambda: b"".join(blocks))
        time.sleep(1)
        own_s3_server.start()
        assert first + rest.result() == content
