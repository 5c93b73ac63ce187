from pipeline import shelf
from pipeline.submitting import write_down_submission
from telecine.registry.changes import ChangeLog
from telecine.title import SubmitRequest
from tests.unit.board_fakes import installation


def request(**more):
    return SubmitRequest(master_uri="file:///m.mov", title_id="film", name="Film", priority="high", **more)


def changes(place):
    return ChangeLog(place.registry).changes("film")


def test_a_title_of_the_trigger_form_is_in_the_audit_once_with_the_user_of_airflow(tmp_path):
    place = installation(tmp_path)
    place.registry.submit(request(), "manual__1")
    assert [write_down_submission(place, request(), "manual__1", "otto") for _ in range(2)] == [True, False]
    (told,) = changes(place)
    assert (told.action, told.who) == ("submit", "otto")
    assert told.after == {
        "master_uri": "file:///m.mov",
        "profile": "standard",
        "priority": "high",
        "launch_at": None,
        "run": "manual__1",
    }
    place.registry.submit(request(), "manual__2")
    assert write_down_submission(place, request(), "manual__2", "otto")
    assert len(changes(place)) == 2


def test_a_task_that_died_between_the_audit_and_the_request_writes_no_second_entry(tmp_path):
    place = installation(tmp_path)
    place.registry.submit(request(), "manual__1")
    write_down_submission(place, request(), "manual__1", "otto")
    place.registry.submit(request(), "manual__x")  # forgets the documents
    place.registry.submit(request(), "manual__1")
    assert not write_down_submission(place, request(), "manual__1", "otto")
    assert len(changes(place)) == 1
    kept = place.registry.title("film").documents[SubmitRequest.__name__]
    assert shelf.load(place.work, SubmitRequest, kept) == request()


def test_what_was_submitted_through_us_is_not_written_down_again(tmp_path):
    place = installation(tmp_path)
    place.registry.submit(request(), "film__2030")
    place.registry.remember_document("film", SubmitRequest.__name__, shelf.keep(place.work, request()))
    assert not write_down_submission(place, request(), "film__2030", "admin")
    assert changes(place) == ()
