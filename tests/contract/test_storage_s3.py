"""What only a real S3 server can show: who may come in, restarts, outages, copies on the service."""

import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import httpx
import pytest
from pydantic import SecretStr

from telecine.errors import NotFound, TelecineError, Unavailable
from telecine.settings import Settings
from telecine.storage.s3 import S3Store, s3_store

pytestmark = pytest.mark.server
TEXT = "text/plain"


def client_of(server):
    secret = server.secret_key.get_secret_value()
    keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": secret, "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=server.endpoint, **keys)


def test_a_bucket_is_made_once(s3_server):
    store = s3_server.store("made-once")
    store.ensure_bucket()
    store.put_bytes("key", b"x", content_type=TEXT)
    store.ensure_bucket()
    assert store.get_bytes("key")[0] == b"x"


def test_many_may_make_a_bucket_at_once(s3_server):
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: s3_server.store("made-by-many"), range(8)))
    stores[0].put_bytes("key", b"x", content_type=TEXT)
    assert all(store.head("key") for store in stores)


def test_settings_name_the_service(s3_server):
    settings = Settings(
        s3_endpoint=s3_server.endpoint, s3_access_key=s3_server.access_key, s3_secret_key=s3_server.secret_key
    )
    s3_store(settings, "by-settings").ensure_bucket()
    assert s3_store(settings, "by-settings").head("key") is None


def test_strangers_are_refused(s3_server):
    store = s3_server.store("private")
    store.put_bytes("p/key", b"x", content_type=TEXT)
    for url in (s3_server.endpoint, f"{s3_server.endpoint}/private", f"{s3_server.endpoint}/private/p/key"):
        assert httpx.get(url).status_code == 403
    assert httpx.put(f"{s3_server.endpoint}/private/p/other", content=b"x").status_code == 403
    assert httpx.delete(f"{s3_server.endpoint}/private/p/key").status_code == 403
    assert store.get_bytes("p/key")[0] == b"x"
    assert store.head("p/other") is None


def test_the_servers_other_doors_are_shut(s3_server):
    s3_server.store("doors").put_bytes("key", b"x", content_type=TEXT)
    filer = next(word.split("=")[1] for word in s3_server.argv if word.startswith("-filer.port="))
    found = httpx.get(f"http://127.0.0.1:{filer}/buckets/doors/key")
    assert found.status_code in {401, 403}
    assert httpx.post(f"http://127.0.0.1:{filer}/buckets/doors/key", files={"file": b"y"}).status_code in {401, 403}


def test_credentials_are_in_a_private_file_and_nowhere_else(s3_server):
    path = s3_server.folder / "s3.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = s3_server.secret_key.get_secret_value()
    assert secret not in " ".join(s3_server.argv)
    assert secret not in s3_server.said()


def test_a_wrong_secret_is_refused_at_once_and_not_told(s3_server):
    wrong = SecretStr("hunter2-hunter2-hunter2")
    store = S3Store(
        "private", endpoint=s3_server.endpoint, region="us-east-1", access_key=s3_server.access_key, secret_key=wrong
    )
    started = time.monotonic()
    with pytest.raises(TelecineError, match="refused") as refused:
        store.put_bytes("key", b"x", content_type=TEXT)
    assert not isinstance(refused.value, Unavailable)
    assert "hunter2" not in str(refused.value)
    assert time.monotonic() - started < 3


def test_content_type_and_digest_go_along_when_the_service_copies(s3_server, tmp_path):
    source, target = s3_server.store("copy-source"), s3_server.store("copy-target")
    (tmp_path / "f").write_bytes(b"segment")
    put = source.put_file("a/1.m4s", tmp_path / "f", content_type="video/iso.segment")
    target.copy_from(source, "a/1.m4s", "p/title one/1.m4s")
    assert target.get_bytes("p/title one/1.m4s")[1].sha256 == put.sha256
    answer = client_of(s3_server).head_object(Bucket="copy-target", Key="p/title one/1.m4s")
    assert answer["ContentType"] == "video/iso.segment"
    with pytest.raises(NotFound, match="absent"):
        target.copy_from(source, "absent", "p/absent")


def test_bytes_that_are_not_what_was_written_are_refused(s3_server, tmp_path):
    store = s3_server.store("damaged")
    client_of(s3_server).put_object(Bucket="damaged", Key="key", Body=b"other", Metadata={"sha256": "0" * 64})
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(store.get_bytes, "key"), pool.submit(store.get_file, "key", tmp_path / "f")]
        for call in calls:
            with pytest.raises(Unavailable, match="damaged"):
                call.result()
    assert list(tmp_path.iterdir()) == []


def test_an_object_of_others_without_a_digest_is_read(s3_server, tmp_path):
    store = s3_server.store("foreign")
    client_of(s3_server).put_object(Bucket="foreign", Key="master.mov", Body=b"master")
    assert store.get_file("master.mov", tmp_path / "f").sha256 is None
    assert (tmp_path / "f").read_bytes() == b"master"


def test_a_list_goes_on_after_a_thousand(s3_server):
    store = s3_server.store("long-list")
    client = client_of(s3_server)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: client.put_object(Bucket="long-list", Key=f"k/{n:05}", Body=b""), range(1005)))
    assert [item.key for item in store.list("k/")] == [f"k/{n:05}" for n in range(1005)]


def test_a_killed_server_costs_no_acknowledged_object_and_no_call(own_s3_server, tmp_path):
    """Objects are written all the time while the server is killed and comes back: every call succeeds in the end."""
    store = own_s3_server.store("restarts")
    (tmp_path / "large").write_bytes(b"0123456789abcdef" * (66 << 16))
    stop = threading.Event()

    def write(writer):
        written = []
        while not stop.is_set():
            key = f"{writer}/{len(written)}"
            if writer == 0:
                store.put_file(key, tmp_path / "large", content_type=TEXT)
            else:
                store.put_bytes(key, key.encode(), content_type=TEXT)
            written.append(key)
        return written

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, writer) for writer in range(4)]
        time.sleep(1)
        own_s3_server.kill()
        time.sleep(2)
        own_s3_server.start()
        own_s3_server.ready()
        time.sleep(1)
        stop.set()
        written = [key for writer in writers for key in writer.result()]
    assert len(written) > 8
    assert {item.key for item in store.list("")} >= set(written)
    for key in written:
        assert store.get_bytes(key)[1].size_bytes > 0


def test_an_outage_ends_in_one_sentence(own_s3_server):
    store = own_s3_server.store("outage", patience_s=3)
    own_s3_server.kill()
    started = time.monotonic()
    with pytest.raises(Unavailable, match="does not answer"):
        store.get_bytes("key")
    assert 2 < time.monotonic() - started < 12
