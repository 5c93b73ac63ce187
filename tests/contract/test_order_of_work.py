"""The order of work on a real Celery worker of one slot, real Redis and a real S3 server: who is next, and that once.

Nothing here looks at a clock: what counts is in which order the worker ends jobs, while an encoder stands still.
"""

import os
import re
from contextlib import contextmanager, suppress

import psutil
import pytest
from sqlalchemy import func, select

from encoders.queue import app
from pipeline.control import change_order
from telecine.changes import OrderChange
from telecine.registry.changes import ChangeLog
from telecine.registry.models import ChunkRow, JobRow
from telecine.title import Priority
from tests.contract.encode_stand import Stand, a_plan, until
from tests.media.encoders_clips import numbered_clip

pytestmark = [pytest.mark.server, pytest.mark.media, pytest.mark.timeout(180)]
LONG = {"width": 1280, "height": 720, "preset": "veryslow"}
"""Several rounds of the dispatcher to a chunk, on a quick machine too: the next one is sent before it ends."""

ENDED = re.compile(r"job\.ended.*?\b([0-9a-f]{12})\b|\b([0-9a-f]{12})\b.*?job\.ended")


class Line:
    """Titles at work on one slot: their encodes, and what the worker has ended so far."""

    def __init__(self, stand, worker) -> None:
        self.stand, self.worker = stand, worker
        self.encodes = {}
        self.plans = {}

    def add(self, title, plan, priority):
        """A title comes with its jobs; from now on its dispatcher ticks like that of every other title."""
        self.plans[title] = plan
        self.encodes[title] = self.stand.follow(title, plan, priority)

    def until(self, condition, what):
        return until(condition, what, *self.encodes.values())

    def ended(self, *titles):
        """The titles of the jobs that the worker ended, in that order; of ``titles`` only, where given."""
        named = {job.digest[:12]: title for title, plan in self.plans.items() for job in plan.jobs}
        found = [named[one or other] for one, other in ENDED.findall(self.worker.said()) if (one or other) in named]
        return [title for title in found if title in (titles or named.values())]

    def sends(self, title):
        """How often each job of a title was handed to the broker, by position."""
        mine = select(JobRow.sends).where(JobRow.title_id == title).order_by(JobRow.position)
        with self.stand.place.registry.transaction() as session:
            return list(session.scalars(mine))

    def remembered(self):
        """Jobs that were encoded and not found made, as the history counts them."""
        with self.stand.place.registry.transaction() as session:
            return session.scalar(select(func.count()).select_from(ChunkRow))

    def change(self, title, **change):
        change_order(self.stand.place, title, OrderChange(**change), who="cli:ada", why="test")

    def under_way(self):
        """Titles of the jobs that a slot works at now."""
        of = {job.digest: title for title, plan in self.plans.items() for job in plan.jobs}
        return [of[digest] for digest in self.stand.board.leases(list(of))]

    def all_done(self, *titles):
        return all((seen := self.encodes[title].progress()).chunks_done == seen.chunks_total for title in titles)

    @contextmanager
    def encoder_standing_still(self):
        """The chunk that is encoded now does not end meanwhile, and the next one waits in the broker."""
        stopped = self.until(self._stop_encoder, "an encoder is stopped in the middle of its chunk")
        try:
            self.until(lambda: self.under_way() and self._in_broker() == 1, "one chunk waits in the broker")
            yield
        finally:
            stopped.resume()

    def _stop_encoder(self):
        for _ in range(20):
            for process in self.stand.encoders().values():
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
                    if process.status() == psutil.STATUS_STOPPED:
                        return process
        return None

    def _in_broker(self):
        sent = sum(sum(self.sends(title)) for title in self.plans)
        return sent - len(self.ended()) - len(self.under_way())


@pytest.fixture(scope="module")
def line(tmp_path_factory, module_redis_server, s3_server, module_program):
    stand = Stand(tmp_path_factory.mktemp("stand"), module_redis_server, s3_server, module_program)
    before = dict(os.environ)
    os.environ.update(stand.environment())
    app.conf.broker_url = stand.redis.url.get_secret_value()
    worker = stand.worker("cpu")
    until(lambda: stand.board.slots("cpu") == 1, "the worker says that it is there")
    yield Line(stand, worker)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def plan_of(tmp_path_factory):
    """Makes plans of so many chunks of a second of video; no two plans share a job."""
    folder = tmp_path_factory.mktemp("clips")
    clips, made = {}, []

    def plan(chunks, **rung):
        rung = {"width": 160, "height": 90} | rung
        size = f"{rung['width']}x{rung['height']}"  # no rung is larger than its master
        clip = folder / f"{chunks} {size}.mp4"
        if clip not in clips:
            clips[clip] = numbered_clip(clip, seconds=str(chunks), size=size)
        made.append(chunks)
        found = a_plan(clips[clip], folder, chunk_seconds=1, **{"crf": 20 + len(made)} | rung)
        assert len(found.jobs) == chunks
        return found

    return plan


def test_a_critical_title_waits_for_one_running_chunk_and_the_low_one_goes_on_after(line, plan_of):
    line.add("low", plan_of(40), Priority.LOW)
    line.until(lambda: len(line.ended("low")) >= 3, "three chunks of the low title are encoded")
    with line.encoder_standing_still():
        before = line.ended()
        line.add("critical", plan_of(3), Priority.CRITICAL)
        line.until(lambda: any(line.sends("critical")), "the critical title is dispatched")
    line.until(lambda: line.all_done("low", "critical"), "both titles are encoded")
    after = line.ended()[len(before) :]
    assert after[:2] == ["low", "critical"]
    assert after.count("low") == 40 - len(before)
    assert after[-1] == "low"
    assert line.sends("low") == [1] * 40
    assert line.sends("critical") == [1] * 3
    assert line.remembered() == 43


def test_a_title_raised_while_another_runs_has_the_next_chunk(line, plan_of):
    line.add("first", plan_of(8, **LONG), Priority.NORMAL)
    # long as well: a chunk that ends before the dispatcher's next round leaves the slot to what waits in the broker
    line.add("second", plan_of(8, **LONG), Priority.NORMAL)
    line.until(lambda: line.ended("first"), "the first title runs")
    with line.encoder_standing_still():
        before = line.ended("first", "second")
        assert set(before) == {"first"}
        line.change("second", priority=Priority.CRITICAL)
        line.until(lambda: any(line.sends("second")), "the second title is dispatched")
    line.until(lambda: len(line.ended("first", "second")) >= len(before) + 3, "three more chunks are encoded")
    assert line.ended("first", "second")[len(before) :][:3] == ["first", "second", "second"]
    line.until(lambda: line.all_done("first", "second"), "both titles are encoded")
    assert line.sends("first") == line.sends("second") == [1] * 8


def test_a_title_lowered_while_it_runs_gives_the_next_chunk_to_the_other(line, plan_of):
    line.add("falling", plan_of(6, **LONG), Priority.CRITICAL)
    line.add("waiting", plan_of(3), Priority.NORMAL)
    line.until(lambda: line.ended("falling"), "the critical title runs")
    with line.encoder_standing_still():
        before = line.ended("falling", "waiting")
        assert "waiting" not in before
        line.change("falling", priority=Priority.LOW)
        line.until(lambda: any(line.sends("waiting")), "the other title is dispatched")
    line.until(lambda: line.all_done("falling", "waiting"), "both titles are encoded")
    assert line.ended("falling", "waiting")[len(before) :][:2] == ["falling", "waiting"]
    assert (line.sends("falling"), line.sends("waiting")) == ([1] * 6, [1] * 3)


def test_swapping_the_classes_of_two_running_titles_ten_times_loses_and_repeats_nothing(line, plan_of):
    remembered = line.remembered()
    line.add("this", plan_of(8), Priority.HIGH)
    line.add("that", plan_of(8), Priority.LOW)
    classes = [Priority.HIGH, Priority.LOW]
    for swaps in range(10):
        line.until(lambda so_far=swaps: len(line.ended("this", "that")) > so_far, "another chunk is encoded")
        classes.reverse()
        for title, priority in zip(("this", "that"), classes, strict=True):
            line.change(title, priority=priority)
    line.until(lambda: line.all_done("this", "that"), "both titles are encoded")
    assert len(ChangeLog(line.stand.place.registry).changes("this")) == 10
    assert line.sends("this") == line.sends("that") == [1] * 8
    assert sorted(line.ended("this", "that")) == ["that"] * 8 + ["this"] * 8
    assert line.remembered() == remembered + 16


def test_a_hold_stops_the_dispatch_of_a_title_and_resuming_goes_on_with_it(line, plan_of):
    line.add("held", plan_of(6, **LONG), Priority.NORMAL)
    line.until(lambda: line.ended("held"), "the title runs")
    with line.encoder_standing_still():
        line.change("held", held=True)
        sent = line.sends("held")
    line.until(lambda: len(line.ended("held")) == sum(sent), "what was dispatched before has ended")
    line.add("other", plan_of(2), Priority.LOW)
    line.until(lambda: line.all_done("other"), "another title goes by")
    assert line.sends("held") == sent
    assert sum(sent) < 6
    line.change("held", held=False)
    line.until(lambda: line.all_done("held"), "the title is encoded")
    assert line.sends("held") == [1] * 6
    assert [change.action for change in ChangeLog(line.stand.place.registry).changes("held")] == ["resume", "hold"]
