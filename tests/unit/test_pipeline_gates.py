from datetime import UTC, datetime

import pytest

from pipeline import review
from pipeline.gates import launch_review, review_of
from pipeline.installation import Installation
from profiles.models import Gates
from telecine.errors import TelecineError
from telecine.findings import Finding, FindingKind, Severity, SourceReport
from telecine.registry.changes import ChangeLog
from telecine.registry.notices import Outbox
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.rendition import Quality, RenditionSet
from telecine.settings import Settings
from telecine.title import SubmitRequest


def source(*severities):
    found = tuple(
        Finding(kind=FindingKind.BLACK, severity=severity, sentence=f"{severity} from 0:10 to 0:20")
        for severity in severities
    )
    return SourceReport(master_sha256="f" * 64, findings=found, pictures=1, undecodable=0)


def renditions(percentile_5, model="vmaf_v0.6.1"):
    quality = Quality(
        model=model, mean=91.5, harmonic_mean=91, percentile_1=80, percentile_5=percentile_5, frames_measured=9
    )
    one = type("Rendition", (), {"name": "1080p", "quality": quality})
    return RenditionSet.model_construct(renditions=(one,))


def test_nothing_is_asked_where_there_is_nothing_to_ask():
    assert review_of("Film", Gates(), source(Severity.WARNING), renditions(20), None) is None


def test_a_finding_that_asks_is_shown_with_its_time():
    asked = review_of("Film", Gates(), source(Severity.ASK, Severity.WARNING), renditions(90), None)
    assert asked.subject == "Film: 1 finding in the master"
    assert "ask from 0:10 to 0:20" in asked.body
    assert "warning" not in asked.body
    silent = Gates(ask_on_findings=False)
    assert review_of("Film", silent, source(Severity.ASK), renditions(90), None) is None


def test_a_rendition_below_the_floor_is_shown_in_a_table():
    asked = review_of("Film", Gates(vmaf_floor=85), source(), renditions(84.5), None)
    assert asked.reasons == ("1 rendition below VMAF 85",)
    assert "| 1080p | 91.50 | 84.50 | 80.00 | **below** |" in asked.body
    assert review_of("Film", Gates(vmaf_floor=85), source(), renditions(85), None) is None
    assert review_of("Film", Gates(vmaf_floor=85), source(), renditions(40, "xpsnr"), None) is None


def test_a_launch_is_asked_for_with_its_time():
    assert "to launch at once" in launch_review("Film", "v1", "at once").subject


@pytest.fixture
def place(tmp_path):
    registry = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    registry.migrate()
    registry.submit(SubmitRequest(master_uri="file:///m.mov", title_id="bbb", name="Bunny"), "run-1")
    return Installation(
        settings=Settings(data_dir=tmp_path), work=None, origin=None, keys=None, registry=registry, open_bucket=None
    )


def test_a_title_that_waits_for_a_person_says_so_and_the_world_is_told(place):
    asked = review_of("Film", Gates(), source(Severity.ASK), renditions(90), None)
    for _ in range(2):  # the task may be run again before it is answered
        review.asked(place, "bbb", "run-1", asked)
    record = place.registry.title("bbb")
    assert (record.stage, record.problem) == (Stage.APPROVE, "waits for a person: 1 finding in the master")
    assert [notice.event for notice in Outbox(place.registry).notices()] == ["title.needs_approval"]


def test_who_rejected_it_and_why_is_what_the_title_says(place):
    sentence = review.rejected(place, "bbb", who="ann", why="wrong cut")
    record = place.registry.title("bbb")
    assert (record.stage, record.problem, sentence) == (Stage.REJECTED,) + ("ann rejected it: wrong cut.",) * 2
    (told,) = ChangeLog(place.registry).changes("bbb")
    assert (told.who, told.action, told.why) == ("ann", "reject", "wrong cut")
    assert told.at <= datetime.now(UTC)


def test_an_unknown_profile_to_encode_again_with_ends_nothing(place):
    request = SubmitRequest(master_uri="file:///m.mov", title_id="bbb", name="Bunny")
    with pytest.raises(TelecineError, match="nope"):
        review.encode_again(place, request, "nope", who="ann", why="")
    assert place.registry.title("bbb").stage == Stage.SUBMITTED
    assert ChangeLog(place.registry).changes() == ()
