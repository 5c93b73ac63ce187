"""A dropped master becomes a title exactly once: real registry, real folder, a made-up submission."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.drop_rules import CLAIM_S
from pipeline.installation import Installation
from pipeline.release import Submitted
from pipeline.watching import scan_drops
from telecine.errors import SourceRejected, Unavailable
from telecine.registry.drops import BEING_STARTED, Drops
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.memory import MemoryStore

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


class Line:
    """The pipeline behind the scan: remembers what was submitted."""

    def __init__(self) -> None:
        self.submitted: list[dict] = []
        self.fails_with: Exception | None = None
        self._lock = threading.Lock()

    def __call__(self, _, params) -> Submitted:
        if self.fails_with is not None:
            raise self.fails_with
        with self._lock:
            self.submitted.append(dict(params))
        name = str(params.get("title_id") or params["name"]).lower().replace(" ", "-")
        return Submitted(title_id=name, run_id="run")


class Watched:
    def __init__(self, tmp_path) -> None:
        self.folder = tmp_path / "drop"
        self.folder.mkdir()
        self.registry = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
        self.registry.migrate()
        self.bucket = MemoryStore()
        self.now = NOW
        self.line = Line()
        settings = Settings(data_dir=tmp_path / "data", watch_dir=self.folder)
        self.place = self.installed(settings)

    def installed(self, settings):
        return Installation(
            settings=settings,
            work=MemoryStore(),
            keys=SimpleNamespace(),
            open_bucket=lambda _: self.bucket,
            origin=MemoryStore(),
            registry=self.registry,
        )

    def drop(self, name, content, age_s=3600):
        path = self.folder / name
        path.write_bytes(content)
        written = (self.now - timedelta(seconds=age_s)).timestamp()
        os.utime(path, (written, written))
        return path

    def scan(self, after_s=0):
        self.now += timedelta(seconds=after_s)
        return scan_drops(self.place, self.line, lambda: self.now).results

    def drops(self):
        return Drops(self.registry)


@pytest.fixture
def watched(tmp_path):
    return Watched(tmp_path)


def outcomes(results):
    return [one.outcome for one in results]


def test_a_dropped_master_is_started_when_it_was_seen_unchanged_twice(watched):
    watched.drop("My_Film.mov", b"film")
    assert outcomes(watched.scan()) == ["waits"]
    assert outcomes(watched.scan(after_s=60)) == ["started"]
    assert watched.line.submitted[0]["name"] == "My Film"
    assert watched.line.submitted[0]["master_uri"] == (watched.folder / "My_Film.mov").as_uri()


def test_however_often_it_is_scanned_there_is_one_title(watched):
    watched.drop("film.mov", b"film")
    for _ in range(6):
        last = watched.scan(after_s=60)
    assert outcomes(last) == ["known"]
    assert last[0].title_id == "film"
    assert len(watched.line.submitted) == 1


def test_eight_scanners_at_once_start_one_title_for_each_master(watched):
    for number in range(4):
        watched.drop(f"film{number}.mov", f"film {number}".encode())
    watched.scan()
    watched.now += timedelta(seconds=60)
    start = threading.Barrier(8)

    def scan(_):
        start.wait()
        return watched.scan()

    with ThreadPoolExecutor(8) as pool:
        scans = list(pool.map(scan, range(8)))
    assert sorted(one["name"] for one in watched.line.submitted) == [f"film{number}" for number in range(4)]
    assert [outcome for results in scans for outcome in outcomes(results)].count("started") == 4


def test_the_same_master_under_two_names_makes_one_title(watched):
    watched.drop("film.mov", b"film")
    watched.drop("film copy.mov", b"film")
    watched.scan()
    watched.scan(after_s=60)
    watched.scan(after_s=60)
    assert len(watched.line.submitted) == 1
    assert {one.title_id for one in watched.scan()} == {"film-copy"}


def test_a_master_dropped_again_makes_no_second_title(watched):
    path = watched.drop("film.mov", b"film")
    watched.scan()
    watched.scan(after_s=60)
    path.unlink()
    watched.scan(after_s=60)
    watched.drop("film.mov", b"film", age_s=10)
    watched.scan(after_s=60)
    assert outcomes(watched.scan(after_s=60)) == ["known"]
    assert len(watched.line.submitted) == 1


def test_other_bytes_under_the_same_name_are_another_master(watched):
    watched.drop("film.mov", b"film")
    watched.scan()
    watched.scan(after_s=60)
    watched.drop("film.mov", b"film, director's cut")
    watched.scan(after_s=60)
    assert outcomes(watched.scan(after_s=60)) == ["started"]


def test_a_file_that_grows_between_scans_waits(watched):
    content = b"half"
    for _ in range(4):
        watched.drop("film.mov", content)
        assert outcomes(watched.scan(after_s=60)) == ["waits"]
        content += b" more"
    assert outcomes(watched.scan(after_s=60)) == ["started"]
    assert len(watched.drops().listed()) == 2  # the file and its bytes; its half-written forms are forgotten


def test_a_file_written_to_a_moment_ago_waits(watched):
    watched.drop("film.mov", b"film", age_s=0)
    watched.scan()
    watched.now += timedelta(seconds=60)
    written = watched.now.timestamp() - 2
    before = watched.scan()
    os.utime(watched.folder / "film.mov", (written, written))
    assert outcomes(before) == ["started"]
    watched.drop("other.mov", b"other", age_s=2)
    watched.scan()
    assert "started" not in outcomes(watched.scan(after_s=2))


def test_part_files_hidden_files_and_other_files_are_no_masters(watched):
    for name in ("film.mov.part", ".film.mov", "notes.txt", "stem.wav", "empty.mov"):
        watched.drop(name, b"" if name == "empty.mov" else b"x")
    (watched.folder / "folder.mov").mkdir()
    assert watched.scan() == ()


def test_the_sidecar_says_what_title_it_is(watched):
    watched.drop("film.mov", b"film")
    watched.drop(
        "film.title.yaml",
        b"title_id: the-film\nname: The Film\nprofile: proxy\npriority: high\nlaunch_at: 2027-04-01T20:00:00+02:00\n"
        b"texts: [{uri: film.de.srt, language: de}, 'film.en.srt:en:sdh']\n",
    )
    watched.scan()
    watched.scan(after_s=60)
    (found,) = watched.line.submitted
    assert (found["title_id"], found["name"], found["profile"], found["priority"]) == (
        "the-film",
        "The Film",
        "proxy",
        "high",
    )
    assert found["texts"] == [
        {"uri": f"{watched.folder.as_uri()}/film.de.srt", "language": "de"},
        f"{watched.folder.as_uri()}/film.en.srt:en:sdh",
    ]


@pytest.mark.parametrize(
    ("sidecar", "said"),
    [
        (b"profil: proxy\n", "film.title.yaml has the unknown field profil; known are: chapters, launch_at"),
        (b"master_uri: file:///etc/passwd\n", "unknown field master_uri"),
        (b"priority: urgent\n", "priority"),
        (b"launch_at: tomorrow\n", "launch_at"),
        (b"title_id: No Such Id\n", "title_id"),
        (b"just words", "fields were expected"),
        (b"a: [", "not valid YAML"),
        (b"\xff\xfe", "not valid YAML"),
        (b"texts: ['/etc/passwd:en']\n", "a file beside the master was expected"),
        (b"texts: ['../other.srt:en']\n", "a file beside the master was expected"),
        (b"texts: [{uri: 'file:///etc/passwd', language: en}]\n", "a file beside the master was expected"),
        (b"texts: 5\n", "a list was expected"),
    ],
)
def test_a_bad_sidecar_is_told_in_one_sentence_and_kept_with_the_drop(watched, sidecar, said):
    watched.drop("film.mov", b"film")
    watched.drop("film.title.yaml", sidecar)
    watched.scan()
    (refused,) = watched.scan(after_s=60)
    assert refused.outcome == "refused"
    assert said in refused.problem
    (again,) = watched.scan(after_s=60)
    assert (again.outcome, again.problem) == ("known", refused.problem)
    assert watched.line.submitted == []
    watched.drop("film.title.yaml", b"profile: proxy\n")
    watched.scan(after_s=60)
    assert outcomes(watched.scan(after_s=60)) == ["started"]


def test_a_refused_master_keeps_its_reason_and_another_try_needs_a_change(watched):
    watched.drop("film.mov", b"film")
    watched.line.fails_with = SourceRejected("The master film.mov has no picture.")
    watched.scan()
    assert watched.scan(after_s=60)[0].problem == "The master film.mov has no picture."
    watched.line.fails_with = None
    assert outcomes(watched.scan(after_s=60)) == ["known"]
    watched.drop("film.title.yaml", b"profile: audio-only\n")
    watched.scan(after_s=60)
    assert outcomes(watched.scan(after_s=60)) == ["started"]


def test_when_something_does_not_answer_the_next_scan_tries_again(watched):
    watched.drop("film.mov", b"film")
    watched.line.fails_with = Unavailable("Airflow does not answer.")
    watched.scan()
    assert outcomes(watched.scan(after_s=60)) == ["later"]
    watched.line.fails_with = None
    assert outcomes(watched.scan(after_s=60)) == ["started"]


def test_the_claim_of_a_scanner_that_died_is_taken_over_by_one(watched):
    watched.drop("film.mov", b"film")
    watched.scan()
    watched.line.fails_with = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        watched.scan(after_s=60)
    watched.line.fails_with = None
    assert BEING_STARTED in {one.problem for one in watched.drops().listed()}
    assert outcomes(watched.scan(after_s=60)) == ["busy"]
    watched.now += timedelta(seconds=CLAIM_S)
    start = threading.Barrier(8)

    def scan(_):
        start.wait()
        return outcomes(watched.scan())

    with ThreadPoolExecutor(8) as pool:
        found = [outcome for results in pool.map(scan, range(8)) for outcome in results]
    assert found.count("started") == 1
    assert len(watched.line.submitted) == 1


def test_a_prefix_on_s3_is_watched_as_a_folder_is(watched):
    watched.bucket.put_bytes("in/Ein Film?.mov", b"film", content_type="a/b")
    watched.bucket.put_bytes("in/Ein Film?.title.yaml", b"title_id: ein-film\n", content_type="a/b")
    watched.bucket.put_bytes("in/deeper/other.mov", b"other", content_type="a/b")
    watched.bucket.put_bytes("inner.mov", b"other", content_type="a/b")
    settings = watched.place.settings.model_copy(update={"watch_dir": None, "watch_prefix": "s3://masters/in"})
    watched.place = watched.installed(settings)
    assert outcomes(watched.scan()) == ["waits"]
    assert outcomes(watched.scan(after_s=60)) == ["started"]
    assert watched.line.submitted[0]["title_id"] == "ein-film"
    assert watched.line.submitted[0]["master_uri"] == "s3://masters/in/Ein%20Film%3F.mov"


def test_a_master_on_s3_comes_to_this_machine_with_its_sound(watched):
    watched.bucket.put_bytes("in/film.mov", b"film", content_type="a/b")
    watched.bucket.put_bytes("in/film.audio.yaml", b"tracks: [{file: de.wav, language: de}]\n", content_type="a/b")
    watched.bucket.put_bytes("in/de.wav", b"sound", content_type="a/b")
    settings = watched.place.settings.model_copy(update={"watch_dir": None, "watch_prefix": "s3://masters/in"})
    watched.place = watched.installed(settings)
    watched.scan()
    assert outcomes(watched.scan(after_s=60)) == ["started"]
    (found,) = watched.line.submitted
    folder = found["master_uri"].removeprefix("file://").rpartition("/")[0]
    assert sorted(path.name for path in Path(folder).iterdir()) == ["de.wav", "film.audio.yaml", "film.mov"]
    assert found["sound_uri"] == f"file://{folder}/film.audio.yaml"
