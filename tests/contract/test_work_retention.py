"""The work bucket is cleared of what rests, on every kind of store, and of nothing else."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert

from pipeline import clearing, steps
from pipeline.clearing import clear_old
from pipeline.working import keys_of, note
from telecine.errors import SourceRejected, Unavailable
from telecine.registry.models import UploadRow
from telecine.registry.records import Stage
from telecine.storage.local import LocalStore
from telecine.storage.memory import MemoryStore
from telecine.title import SubmitRequest
from tests.contract.retention_stand import (
    DELIVERY,
    NOW,
    UPLOADED,
    an_installation,
    clears,
    held,
    large,
    live,
    made,
    planned,
    put,
    renditions,
)


@pytest.fixture(params=["memory", "local", pytest.param("s3", marks=pytest.mark.server)])
def store(request, tmp_path):
    if request.param == "s3":
        return request.getfixturevalue("s3_server").store(f"work-{uuid4().hex[:12]}")
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "store")


@pytest.fixture
def place(tmp_path, migrated, store):
    return an_installation(tmp_path, migrated, store)


@pytest.fixture
def here(tmp_path, migrated):
    """The same on a store in memory, where the kind of store makes no difference."""
    return an_installation(tmp_path, migrated, MemoryStore())


def test_what_a_finished_title_left_goes_and_what_is_known_of_it_stays(place):
    made(place, "film", planned())
    live(place, "film")
    objects, documents = large(place), held(place, "documents/")
    (told,) = clear_old(place, now=NOW)
    assert (told.kind, told.title_id, told.outcome, told.objects) == ("work", "film", "retired", len(objects))
    assert told.size_bytes == sum(len("of " + key) for key in objects)
    assert large(place) == held(place, "working/") == set()
    assert documents < held(place, "documents/")
    assert held(place, "packages/") == {"packages/film/v1.evidence.json", "packages/film/v1.json"}
    assert clear_old(place, now=NOW) == ()


def test_a_dry_run_tells_the_same_and_touches_nothing(place):
    made(place, "film", planned())
    live(place, "film")
    before = held(place, "chunks/", "audio/", "renditions/", "packages/", "working/", "documents/")
    (would,) = clear_old(place, dry_run=True, now=NOW)
    assert held(place, "chunks/", "audio/", "renditions/", "packages/", "working/", "documents/") == before
    assert clears(place) == []
    (did,) = clear_old(place, now=NOW)
    assert (would.outcome, would.objects, would.size_bytes) == ("due", did.objects, did.size_bytes)


def test_the_audit_says_what_went_and_why(here):
    made(here, "film", planned())
    live(here, "film")
    (told,) = clear_old(here, now=NOW)
    (change,) = clears(here)
    assert (change.who, change.at) == ("pipeline", NOW)
    assert change.before == {
        "what": "chunks, renditions and package copies", "objects": str(told.objects), "bytes": str(told.size_bytes)
    }  # fmt: skip
    assert change.why == "the title had been live for more than 14 days (TELECINE_KEEP_WORK_DAYS)"


@pytest.mark.parametrize("state", ["live lately", "under way", "held", "failed", "waits for a person", "never"])
def test_nothing_goes_of_a_title_that_is_live_lately_or_runs_or_waits(here, state):
    made(here, "film", planned())
    live(here, "film", days=13 if state == "live lately" else 20)
    if state == "under way":
        here.registry.submit(SubmitRequest(master_uri="file:///m.mov", title_id="film", name="film"), "run-2")
    if state == "failed":
        here.registry.fail("film", Stage.FAILED, "the disk was full")
    if state == "waits for a person":
        here.registry.ask("film", "waits for a person: it is black")
    if state == "held":
        with here.registry.transaction() as session:
            session.connection().exec_driver_sql("UPDATE titles SET held = 1")
    if state == "never":
        here = replace(here, settings=here.settings.model_copy(update={"keep_work_days": "never"}))
    before = large(here)
    assert clear_old(here, now=NOW) == ()
    assert large(here) == before


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "of before notes were kept"])
def test_what_another_title_of_the_same_master_needs_stays(here, noted):
    """Chunks are named by what they are made of: two titles share them."""
    plan = planned()
    made(here, "film", plan, noted=noted)
    live(here, "film")
    made(here, "trailer", plan, noted=noted)
    shared = set(keys_of(plan)) | set(keys_of(renditions(plan)))
    (told,) = clear_old(here, now=NOW)
    assert shared <= large(here)
    assert told.objects == 2  # its package's files alone
    live(here, "trailer")
    clear_old(here, now=NOW)
    assert large(here) == set()


def test_what_older_runs_of_a_title_left_goes_too(here):
    made(here, "film", planned("ab"), "run-1")
    made(here, "film", planned("cd"), "run-2")
    live(here, "film")
    clear_old(here, now=NOW)
    assert large(here) == held(here, "working/") == set()


def test_a_title_of_before_notes_were_kept_is_cleared_by_its_documents_once(here):
    made(here, "film", planned(), noted=False)
    live(here, "film")
    (told,) = clear_old(here, now=NOW)
    assert (told.outcome, large(here)) == ("retired", set())
    assert clear_old(here, now=NOW) == ()
    assert len(clears(here)) == 1


class Dying(MemoryStore):
    """A store whose user is killed, or which falls silent, at the n-th removal."""

    def __init__(self, objects, at, error) -> None:
        super().__init__()
        self.__dict__.update(objects.__dict__)
        self.left, self.error = at, error

    def delete(self, key):
        if self.left == 0:
            raise self.error
        self.left -= 1
        super().delete(key)


@pytest.mark.parametrize("at", [0, 1, 5, 9, 10, 11])
def test_a_round_killed_at_any_removal_is_finished_by_the_next_and_nothing_went_unwritten(here, monkeypatch, at):
    monkeypatch.setattr(clearing, "_BATCH", 4)
    monkeypatch.setattr(clearing, "_THREADS", 1)
    made(here, "film", planned())
    live(here, "film")
    store, before = here.work, large(here)
    with pytest.raises(KeyboardInterrupt):
        clear_old(replace(here, work=Dying(store, at, KeyboardInterrupt())), now=NOW)
    assert len(before - large(here)) <= at
    assert int(clears(here)[0].before["objects"]) == len(before)
    clear_old(here, now=NOW)
    assert large(here) == held(here, "working/") == set()
    assert clear_old(here, now=NOW) == ()


def test_a_store_that_does_not_answer_makes_the_title_wait_for_the_next_round(here):
    made(here, "film", planned())
    live(here, "film")
    silent = replace(here, work=Dying(here.work, 3, Unavailable("The store does not answer.")))
    (told,) = clear_old(silent, now=NOW)
    assert (told.outcome, told.why) == ("waits", "The store does not answer.")
    (told,) = clear_old(here, now=NOW)
    assert (told.outcome, large(here)) == ("retired", set())


class Meanwhile(MemoryStore):
    """Something happens after the first removal."""

    def __init__(self, objects, happens) -> None:
        super().__init__()
        self.__dict__.update(objects.__dict__)
        self.happens, self.gone = happens, []

    def delete(self, key):
        super().delete(key)
        self.gone.append(key)
        if len(self.gone) == 1:
            self.happens()


def test_a_title_released_again_meanwhile_keeps_what_is_left(here, monkeypatch):
    monkeypatch.setattr(clearing, "_BATCH", 3)
    monkeypatch.setattr(clearing, "_THREADS", 1)
    made(here, "film", planned())
    live(here, "film")
    before = large(here)

    def again():
        here.registry.submit(SubmitRequest(master_uri="file:///m.mov", title_id="film", name="film"), "run-2")

    (told,) = clear_old(replace(here, work=Meanwhile(here.work, again)), now=NOW)
    assert (told.outcome, told.why) == ("spared", "it was released again meanwhile")
    assert len(before - large(here)) == 3
    assert held(here, "working/")


def test_a_title_of_the_same_master_that_begins_meanwhile_keeps_what_it_needs(here, monkeypatch):
    monkeypatch.setattr(clearing, "_BATCH", 3)
    monkeypatch.setattr(clearing, "_THREADS", 1)
    made(here, "film", planned())
    live(here, "film")
    before = large(here)

    def begins():
        here.registry.submit(SubmitRequest(master_uri="file:///m.mov", title_id="trailer", name="trailer"), "run-t")
        note(here.work, "trailer", "run-t", planned())

    clear_old(replace(here, work=Meanwhile(here.work, begins)), now=NOW)
    assert len(set(keys_of(planned())) - large(here)) <= 3
    assert len(before - large(here)) > 3


class Listed(MemoryStore):
    """Remembers what was looked for."""

    def __init__(self, objects) -> None:
        super().__init__()
        self.__dict__.update(objects.__dict__)
        self.prefixes = []

    def list(self, prefix):
        self.prefixes.append(prefix)
        return super().list(prefix)


def test_a_cleared_title_costs_later_rounds_nothing_until_its_run_is_done_anew(here):
    made(here, "film", planned())
    live(here, "film")
    clear_old(here, now=NOW)
    store = Listed(here.work)
    clear_old(replace(here, work=store), now=NOW)
    assert "packages/film/" not in store.prefixes
    made(here, "film", planned())  # the same run, cleared by a person in Airflow
    live(here, "film")
    (told,) = clear_old(here, now=NOW)
    assert (told.outcome, large(here)) == ("retired", set())


def uploaded(place, days=200, state="ready"):
    put(place, UPLOADED, f"masters/{DELIVERY}/my film.en.srt")
    at = NOW - timedelta(days=days)
    body = {"delivery": DELIVERY, "sha256": "ab" * 32}
    with place.registry.transaction() as session:
        facts = {"upload_id": "u1", "who": "ada", "state": state, "created_at": at, "updated_at": at, "body": body}
        session.execute(insert(UploadRow).values(**facts))


ADDRESS = f"s3://work/masters/{DELIVERY}/my%20film.mov"


def test_an_uploaded_master_goes_with_all_beside_it_and_who_asks_for_it_is_told(place):
    uploaded(place)
    made(place, "film", planned(), uri=ADDRESS)
    live(place, "film", days=100)
    _, told = clear_old(place, now=NOW)
    assert (told.kind, told.what, told.outcome, told.objects) == (
        "master", "uploaded my film.en.srt, my film.mov", "retired", 2
    )  # fmt: skip
    assert held(place, "masters/") == set()
    assert [change.before["what"] for change in clears(place)] == [told.what, "chunks, renditions and package copies"]
    with pytest.raises(SourceRejected) as refused:
        steps.register(place, SubmitRequest(master_uri=ADDRESS, title_id="film", name="film"))
    assert str(refused.value) == (
        "The uploaded master my film.mov was removed on 2030-05-01 because what was made of it had been live for more "
        "than 90 days (TELECINE_KEEP_MASTER_DAYS): upload it again and start the title from that upload."
    )
    assert clear_old(place, now=NOW) == ()


def test_the_same_file_can_be_uploaded_again_afterwards(here):
    uploaded(here)
    made(here, "film", planned(), uri=ADDRESS)
    live(here, "film", days=100)
    clear_old(here, now=NOW)
    with here.registry.transaction() as session:
        row = session.get(UploadRow, "u1")
        assert (row.state, row.body["problem"][:25]) == ("given_up", "It was removed because wh")
    put(here, UPLOADED)
    found = steps.register(here, SubmitRequest(master_uri=ADDRESS, title_id="film", name="film"))
    assert found.size_bytes == len("of " + UPLOADED)


def test_a_master_that_was_never_there_is_refused_as_ever(here):
    with pytest.raises(SourceRejected, match="does not exist: check the bucket and the key"):
        steps.register(here, SubmitRequest(master_uri="s3://work/masters/a/x.mov", title_id="film", name="film"))


def test_uploads_stay_while_a_title_of_them_is_needed_or_none_was_made(here):
    uploaded(here)
    assert clear_old(here, now=NOW) == ()
    made(here, "film", planned(), uri=ADDRESS)
    live(here, "film", days=100)
    made(here, "trailer", planned(), uri=ADDRESS)
    assert {told.kind for told in clear_old(here, now=NOW)} == {"work"}
    assert held(here, "masters/")
    never = replace(here, settings=here.settings.model_copy(update={"keep_master_days": "never"}))
    live(here, "trailer", days=100)
    assert {told.kind for told in clear_old(never, now=NOW)} == {"work"}
    assert held(here, "masters/")


def test_a_delivery_with_a_sidecar_of_sound_goes_with_the_title_that_was_brought_here(here):
    """Its title has the address of a file of this machine: the bytes of the master tell which it was."""
    uploaded(here)
    made(here, "film", planned("ab"), uri=(here.work_dir / "gathered" / "x" / "my film.mov").as_uri())
    live(here, "film", days=100)
    assert [told.kind for told in clear_old(here, now=NOW)] == ["work", "master"]
    assert held(here, "masters/") == set()


def test_an_upload_killed_in_its_removal_is_finished_by_the_next_round(here):
    uploaded(here)
    made(here, "film", planned(), uri=ADDRESS)
    live(here, "film", days=100)
    clear_old(here, now=NOW)
    uploaded_again = [UPLOADED, f"masters/{DELIVERY}/my film.en.srt"]
    put(here, *uploaded_again)
    with pytest.raises(KeyboardInterrupt):
        clear_old(replace(here, work=Dying(here.work, 1, KeyboardInterrupt())), now=NOW)
    assert len(held(here, "masters/")) == 1
    (told,) = clear_old(here, now=NOW)
    assert (told.outcome, held(here, "masters/")) == ("retired", set())


def test_a_title_of_a_like_named_master_in_another_bucket_has_nothing_to_do_with_an_upload(here):
    uploaded(here)
    made(here, "film", planned("cd"), uri=ADDRESS.replace("s3://work/", "s3://other/"))
    live(here, "film", days=100)
    assert [told.kind for told in clear_old(here, now=NOW)] == ["work"]
    assert held(here, "masters/")


def test_masters_that_were_not_uploaded_are_never_touched(here):
    put(here, "incoming/film.mov")
    made(here, "film", planned(), uri="s3://work/incoming/film.mov")
    live(here, "film", days=400)
    clear_old(here, now=NOW)
    assert held(here, "incoming/") == {"incoming/film.mov"}
