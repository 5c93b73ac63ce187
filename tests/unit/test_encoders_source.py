"""Masters by their bytes."""

import os
import time
from pathlib import Path

import pytest

from encoders.naming import file_name, shown
from encoders.scratch import private_folder
from encoders.source import master_path, register_master
from telecine.errors import SourceRejected
from telecine.storage.memory import MemoryStore


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "my film #1.mov"
    path.write_bytes(b"frames" * 1000)
    return path


def test_a_path_and_its_file_address_are_the_same_master(film, tmp_path):
    master = register_master(str(film), tmp_path / "work")
    assert register_master(film.as_uri(), tmp_path / "work") == master
    assert master.size_bytes == 6000
    assert master_path(master, tmp_path / "work") == film


def bytes_read():
    """What this process has read so far, from wherever."""
    facts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(facts["rchar"])


def test_an_unchanged_file_is_not_read_again(tmp_path):
    path = tmp_path / "large.mov"
    path.write_bytes(os.urandom(4_000_000))
    first = register_master(str(path), tmp_path / "work")
    before = bytes_read()
    assert register_master(str(path), tmp_path / "work") == first
    assert bytes_read() - before < 1_000_000


def test_a_changed_file_is_hashed_again_and_no_longer_the_registered_master(film, tmp_path):
    work = tmp_path / "work"
    master = register_master(str(film), work)
    film.write_bytes(b"FRAMES" * 1000)
    assert register_master(str(film), work).sha256 != master.sha256
    with pytest.raises(SourceRejected, match="changed since it was registered"):
        master_path(master, work)
    film.write_bytes(b"short")
    with pytest.raises(SourceRejected, match="changed since it was registered"):
        master_path(master, work)
    film.unlink()
    with pytest.raises(SourceRejected, match="does not exist"):
        master_path(master, work)


def test_masters_in_a_bucket_are_fetched_once(tmp_path):
    store, opened, work = MemoryStore(), [], tmp_path / "work"
    store.put_bytes("in/a film.mxf", b"frames", content_type="application/mxf")

    def open_bucket(name):
        opened.append(name)
        return store

    master = register_master("s3://masters/in/a%20film.mxf", work, open_bucket)
    path = master_path(master, work, open_bucket)
    assert path.read_bytes() == b"frames"
    assert path.suffix == ".mxf"
    assert opened == ["masters"]
    store.put_bytes("in/a film.mxf", b"others", content_type="application/mxf")
    assert master_path(master, work, open_bucket) == path
    assert register_master("s3://masters/in/a%20film.mxf", work, open_bucket).sha256 != master.sha256


@pytest.mark.parametrize(
    ("uri", "cause"),
    [
        ("s3://masters/gone.mxf", "does not exist: check the bucket and the key"),
        ("s3://masters", "s3://bucket/key was expected"),
        ("gopher://host/x", "unsupported scheme 'gopher'"),
    ],
)
def test_addresses_without_bytes_are_refused(uri, cause, tmp_path):
    with pytest.raises(SourceRejected, match=cause):
        register_master(uri, tmp_path, lambda _: MemoryStore())


def test_a_bucket_needs_an_object_store(tmp_path):
    with pytest.raises(SourceRejected, match="TELECINE_S3_ENDPOINT"):
        register_master("s3://masters/a.mxf", tmp_path)


def test_devices_are_no_masters(tmp_path):
    with pytest.raises(SourceRejected, match="not a regular file"):
        register_master("/dev/zero", tmp_path)


def test_credentials_in_addresses_are_not_shown():
    uri = "https://user:pass@host:8443/a/b%20c.mov?X-Signature=secret#x"
    assert shown(uri) == "https://host:8443/a/b%20c.mov"
    assert file_name(uri) == "b c.mov"


def test_scratch_of_a_killed_process_is_removed_by_the_next_one_and_of_a_living_one_kept(tmp_path):
    old = time.time() - 3600
    abandoned = tmp_path / "encode-abandoned"
    abandoned.mkdir()
    (abandoned / "half.mp4").touch()
    os.utime(abandoned, (old, old))
    with private_folder(tmp_path) as mine:
        os.utime(mine, (old, old))
        with private_folder(tmp_path) as other:
            assert mine.is_dir()
            assert other != mine
        assert not abandoned.exists()
    assert list(tmp_path.iterdir()) == []
