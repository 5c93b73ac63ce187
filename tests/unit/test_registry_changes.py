import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from pipeline.control import change_order
from pipeline.installation import Installation
from telecine.changes import OrderChange
from telecine.errors import NotFound, TelecineError
from telecine.order import weight
from telecine.registry.changes import ChangeLog
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.title import Priority, SubmitRequest

LAUNCH = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)


@pytest.fixture
def registry(tmp_path):
    made = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    made.migrate()
    made.submit(request(), "run-1")
    return made


def request(**extra):
    return SubmitRequest(master_uri="file:///m.mov", title_id="bbb", name="Bunny", **extra)


@pytest.fixture
def place(registry, tmp_path):
    return Installation(
        settings=Settings(data_dir=tmp_path), work=None, origin=None, keys=None, registry=registry, open_bucket=None
    )


def test_a_change_of_class_and_launch_is_made_and_written_down(place):
    change = OrderChange(priority=Priority.CRITICAL, launch_at=LAUNCH)
    record = change_order(place, "bbb", change, who="ann", why="premiere moved")
    assert (record.priority, record.launch_at, record.held) == (Priority.CRITICAL, LAUNCH, False)
    (told,) = ChangeLog(place.registry).changes("bbb")
    assert (told.who, told.action, told.why) == ("ann", "prioritise", "premiere moved")
    assert told.before == {"priority": "normal", "launch_at": None}
    assert told.after == {"priority": "critical", "launch_at": LAUNCH.isoformat()}


def test_what_is_not_set_stays_as_it_is(place):
    change_order(place, "bbb", OrderChange(launch_at=LAUNCH), who="ann")
    change_order(place, "bbb", OrderChange(held=True), who="ann")
    record = change_order(place, "bbb", OrderChange(priority=Priority.LOW), who="ann")
    assert (record.priority, record.launch_at, record.held) == (Priority.LOW, LAUNCH, True)


def test_a_hold_and_its_end_are_told_apart_and_no_change_is_not_told(place):
    for held in (True, True, False):
        change_order(place, "bbb", OrderChange(held=held), who="ann")
    assert [told.action for told in ChangeLog(place.registry).changes()] == ["resume", "hold"]


def test_a_launch_that_is_over_an_empty_change_and_an_unknown_title_are_refused_in_a_sentence(place):
    with pytest.raises(TelecineError, match="is over"):
        change_order(place, "bbb", OrderChange(launch_at=datetime(2020, 1, 1, tzinfo=UTC)), who="ann")
    with pytest.raises(TelecineError, match="Nothing to change"):
        change_order(place, "bbb", OrderChange(), who="ann")
    with pytest.raises(NotFound, match="'nope'"):
        change_order(place, "nope", OrderChange(held=True), who="ann")


def test_a_title_that_ended_has_no_place_to_change(place):
    place.registry.fail("bbb", Stage.FAILED, "no")
    with pytest.raises(TelecineError, match="telecine retry bbb"):
        change_order(place, "bbb", OrderChange(held=True), who="ann")
    assert ChangeLog(place.registry).changes() == ()


def test_the_run_that_registers_again_does_not_undo_a_change(place):
    change_order(place, "bbb", OrderChange(priority=Priority.HIGH, launch_at=LAUNCH), who="ann")
    again = place.registry.submit(request(), "run-1")
    assert (again.priority, again.launch_at) == (Priority.HIGH, LAUNCH)
    anew = place.registry.submit(request(), "run-2")
    assert (anew.priority, anew.launch_at) == (Priority.NORMAL, None)


@pytest.mark.parametrize("statement", ["DELETE FROM title_audit", "UPDATE title_audit SET who = 'eve'"])
def test_the_audit_cannot_be_changed(place, statement):
    change_order(place, "bbb", OrderChange(held=True), who="ann")
    with pytest.raises(DatabaseError, match="only appended to"), place.registry._engine.begin() as connection:
        connection.execute(text(statement))


def test_the_weight_of_a_runs_tasks_follows_class_and_launch(place):
    weights = []
    for change in (
        OrderChange(priority=Priority.LOW),
        OrderChange(priority=Priority.HIGH),
        OrderChange(launch_at=LAUNCH + timedelta(days=1)),
        OrderChange(launch_at=LAUNCH),
        OrderChange(priority=Priority.CRITICAL, launch_at=None),
    ):
        change_order(place, "bbb", change, who="ann")
        weights.append(weight(place.registry.place_of_run("run-1")))
    assert weights == sorted(set(weights))
    assert weights[-1] < 2**31
    assert place.registry.place_of_run("run-9") is None


def test_of_changes_at_once_every_one_says_what_it_replaced(tmp_path):
    registry = Registry(f"sqlite:///{tmp_path / 'busy.db'}")
    registry.migrate()
    registry.submit(SubmitRequest(master_uri="file:///m.mov", title_id="busy", name="Busy"), "run-1")

    def swap(*classes):
        for n in range(30):
            ChangeLog(registry).reorder("busy", OrderChange(priority=classes[n % 2]), who="x", why="")

    threads = [threading.Thread(target=swap, args=pair) for pair in (("high", "low"), ("critical", "normal"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [(e.before["priority"], e.after["priority"]) for e in reversed(ChangeLog(registry).changes("busy", 500))]
    assert [before for before, _ in found[1:]] == [after for _, after in found[:-1]]
    assert found[-1][1] == registry.title("busy").priority
