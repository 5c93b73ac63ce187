from datetime import UTC, datetime

import pytest

from telecine.registry.backlog import Backlog
from telecine.registry.history import Took, WorkHistory, now_took
from telecine.registry.queue import EncodeQueue, NewJob
from telecine.registry.repository import Registry
from telecine.title import SubmitRequest


@pytest.fixture
def registry(tmp_path):
    made = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    made.migrate()
    return made


def took(features, seconds=2.0, nominal_s=1.0, content="c"):
    return now_took(features, seconds, 240, nominal_s, content)


def enqueued(registry, *jobs):
    registry.submit(SubmitRequest(master_uri="file:///m.mov", title_id="bbb", name="Bunny"), "run")
    queue = EncodeQueue(registry)
    queue.enqueue("bbb", [NewJob(digest=d, queue="cpu", units=units, body=f'"{d}"') for d, units in jobs], set())
    return queue


def test_what_was_written_is_read_back_the_newest_first(registry):
    at = datetime(2030, 1, 1, tzinfo=UTC)
    first = Took(at=at, features="video/cpu/a", seconds=3.5, units=240, nominal_s=7, content="film")
    history = WorkHistory(registry)
    history.record([first])
    history.record([took("video/cpu/a", 9)])
    assert history.alike("video/cpu/a")[1] == first
    assert first.ratio == 0.5


def test_only_the_newest_of_each_features_are_kept(registry):
    history = WorkHistory(registry, kept=3)
    history.record([took("video/cpu/b", 99)])
    for seconds in range(1, 8):
        history.record([took("video/cpu/a", seconds)])
    assert [one.seconds for one in history.alike("video/cpu/a")] == [7, 6, 5]
    assert [one.seconds for one in history.alike("video/cpu/b")] == [99]


def test_similar_features_are_those_that_share_most_words(registry):
    history = WorkHistory(registry)
    history.record(
        [took(f"video/cpu/{tail}", len(tail)) for tail in ("x264/sdr/1080", "x264/sdr/720", "x265/hdr/1080")]
    )
    history.record([took("audio/cpu/aac")])
    near = history.similar("video/cpu/x264/sdr/480", enough=2)
    assert {one.features for one in near} == {"video/cpu/x264/sdr/1080", "video/cpu/x264/sdr/720"}
    assert len(history.similar("video/cpu/x264/sdr/480", enough=3)) == 3
    assert history.similar("video/gpu/x264/sdr/480", enough=1) == ()


def test_words_with_wildcards_of_sql_match_only_themselves(registry):
    history = WorkHistory(registry)
    history.record([took("video/cpu/a_b/x"), took("video/cpu/aXb/y")])
    assert {one.features for one in history.similar("video/cpu/a_b/z", enough=1)} == {"video/cpu/a_b/x"}


def test_the_rate_of_failures_counts_attempts_beyond_the_one_that_succeeded(registry):
    history = WorkHistory(registry)
    unknown = history.failure_rate()
    queue = enqueued(registry, *((f"{n}", 1) for n in range(100)))
    for n in range(100):
        for _ in range(2):
            queue.mark_sent(f"{n}")
        queue.mark_done(f"{n}")
    assert unknown == pytest.approx(0.005)
    assert history.failure_rate() == pytest.approx(101 / 400)


def test_the_backlog_tells_what_is_left_and_shows_some_bodies(registry):
    assert Backlog(registry).of("bbb") is None
    queue = enqueued(registry, ("sound", 0), *((f"v{n}", 100) for n in range(20)))
    queue.mark_sent("v0")
    queue.mark_sent("v1")
    queue.mark_done("v0")
    found = Backlog(registry).of("bbb")
    assert (found.done, found.failed, found.units, len(found.left)) == (1, 0, 2000, 20)
    assert [one.digest for one in found.left if one.sent_at] == ["v1"]
    assert found.shown[0] == '"sound"'
    assert len(found.shown) == 9
