"""What of the work bucket is needed still, told from records alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.keeping import Delivery, delivery_is_needed, removable, title_needs_work
from telecine.publication import Pointer
from telecine.registry.records import Stage, TitleRecord
from telecine.settings import Settings
from telecine.title import Priority

NOW = datetime(2030, 5, 1, tzinfo=UTC)
KEYS = st.frozensets(st.sampled_from([f"chunks/{n}.mp4" for n in range(9)]))


def a_title(title_id="film", *, days_live=100.0, stage=Stage.LIVE, **changes):
    live_at = NOW - timedelta(days=days_live)
    live = Pointer(
        title_id=title_id, version="v1", seq=1, dash_path="manifest.mpd", hls_path="master.m3u8", live_at=live_at,
        previous=None, kids={},
    )  # fmt: skip
    facts = {
        "title_id": title_id, "name": "Film", "profile": "standard", "priority": Priority.NORMAL, "launch_at": None,
        "master_uri": "file:///m.mov", "master_sha256": None, "stage": stage, "problem": None, "run_id": "run",
        "live": live, "live_sha256": None, "live_profile": "standard", "documents": {}, "created_at": live_at,
        "updated_at": live_at,
    }  # fmt: skip
    return TitleRecord.model_validate(facts | changes)


@given(st.sampled_from(Stage), st.floats(0, 200), st.booleans(), st.integers(0, 150))
def test_work_goes_only_of_titles_that_are_live_for_long_enough_and_not_held(stage, days_live, held, days):
    needed = title_needs_work(a_title(days_live=days_live, stage=stage, held=held), NOW, days)
    assert (needed is None) == (stage == Stage.LIVE and not held and days_live >= days)


def test_a_title_that_was_never_live_needs_its_work():
    assert title_needs_work(a_title(live=None), NOW, 0) is not None


def test_the_reason_names_the_stage():
    assert title_needs_work(a_title(stage=Stage.FAILED), NOW, 14) == "the title is at failed"


@given(KEYS, st.lists(KEYS))
def test_what_another_title_needs_is_never_removed_and_all_else_is(own, others):
    gone = removable(own, others)
    needed = frozenset[str]().union(*others)
    assert needed.isdisjoint(gone)
    assert set(gone) | (own & needed) == own
    assert list(gone) == sorted(gone)


@pytest.mark.parametrize(
    ("titles", "touched_days", "needed"),
    [
        ((), 400, "no title was made of it"),
        ((a_title(),), 400, None),
        ((a_title(),), None, None),
        ((a_title(),), 3, "a file of it was uploaded less than 90 days ago"),
        ((a_title(), a_title("other", days_live=20)), 400, "other: the title went live less than 90 days ago"),
        ((a_title(), a_title("other", stage=Stage.ENCODE)), 400, "other: the title is at encode"),
    ],
)
def test_an_upload_goes_when_all_its_titles_rest_and_its_files_too(titles, touched_days, needed):
    touched_at = None if touched_days is None else NOW - timedelta(days=touched_days)
    delivery = Delivery("a" * 16, ("masters/a/film.mov",), 9, touched_at)
    assert delivery_is_needed(delivery, titles, NOW, 90) == needed


def test_days_are_whole_and_not_negative_or_never(tmp_path, monkeypatch):
    monkeypatch.setenv("TELECINE_KEEP_WORK_DAYS", "never")
    monkeypatch.setenv("TELECINE_KEEP_MASTER_DAYS", "30")
    found = Settings(data_dir=tmp_path)
    assert (found.keep_work_days, found.keep_master_days) == ("never", 30)
    for wrong in ("-1", "soon", "1.5"):
        monkeypatch.setenv("TELECINE_KEEP_WORK_DAYS", wrong)
        with pytest.raises(ValidationError, match="keep_work_days"):
            Settings(data_dir=tmp_path)
