from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from packagers.evidence.documents import EvidenceReport, Fault, WorstSeconds
from pipeline import review, shelf
from pipeline.gates import APPROVE, REENCODE, REJECT, Decision, Links, Measured, launch_review, links_of, review_of
from pipeline.installation import Installation
from pipeline.verifying import evidence_key
from profiles.models import Gates
from telecine.errors import TelecineError
from telecine.findings import Finding, FindingKind, Severity, SourceReport
from telecine.media import FrameRate
from telecine.protection import KeyAssignment
from telecine.publication import Inventory, Package
from telecine.registry.changes import ChangeLog
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.rendition import Quality, RenditionSet
from telecine.settings import Settings
from telecine.storage.memory import MemoryStore
from telecine.title import SubmitRequest

NOW = datetime.now(UTC)
LINKS = links_of("/af/telecine", "film", "film__1", "v7")
ADVICE = Fault(
    clause="HLS Authoring 9.9",
    requirement="there are several bit rates of video",
    where="master.m3u8",
    found="one",
    remedy="Add a rung.",
    must=False,
)
BREACH = ADVICE.model_copy(update={"clause": "RFC 8216bis 4.4.3.1", "must": True})


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


def proof(*faults, worst=()):
    return EvidenceReport(package="film v7", manifests=(), tracks=(), faults=faults, fetched=0, worst=worst)


def ask(gates, source, renditions, proof=None, links=LINKS):
    return review_of("Film", gates, Measured(source, renditions, proof), links)


def test_nothing_is_asked_where_there_is_nothing_to_ask():
    assert ask(Gates(), source(Severity.WARNING), renditions(20)) is None


def test_a_finding_that_asks_is_shown_with_its_time():
    asked = ask(Gates(), source(Severity.ASK, Severity.WARNING), renditions(90))
    assert asked.subject == "Film: 1 finding in the master"
    assert "ask from 0:10 to 0:20" in asked.body
    assert "warning" not in asked.body
    silent = Gates(ask_on_findings=False)
    assert ask(silent, source(Severity.ASK), renditions(90)) is None


def test_a_rendition_below_the_floor_is_shown_in_a_table():
    asked = ask(Gates(vmaf_floor=85), source(), renditions(84.5))
    assert asked.reasons == ("1 rendition below VMAF 85",)
    assert "| 1080p | 91.50 | 84.50 | 80.00 | **below** |" in asked.body
    assert ask(Gates(vmaf_floor=85), source(), renditions(85)) is None
    assert ask(Gates(vmaf_floor=85), source(), renditions(40, "xpsnr")) is None


def test_a_launch_is_asked_for_with_its_time():
    assert "to launch at once" in launch_review("Film", "v1", "at once", LINKS).subject


def test_every_question_links_to_the_evidence_and_to_the_title_on_the_board():
    assert Links(board="/af/telecine/?run=film__1", evidence="/af/telecine/evidence/film/v7.html") == LINKS
    odd = links_of("/telecine", "film", "manual__2030-01-01T00:00:00+00:00", "v7")
    assert odd.board == "/telecine/?run=manual__2030-01-01T00%3A00%3A00%2B00%3A00"
    for asked in (ask(Gates(), source(Severity.ASK), renditions(90)), launch_review("Film", "v7", "at once", LINKS)):
        assert f"]({LINKS.evidence})" in asked.body
        assert f"]({LINKS.board})" in asked.body


def test_the_worst_seconds_of_what_is_below_the_floor_are_shown_beside_the_source():
    def worst(name):
        sides = {"source_picture": f"evidence/v7-{name}-source.jpg", "rendition_picture": f"evidence/v7-{name}.jpg"}
        return WorstSeconds(name=name, start="25/2", vmaf=71.25, **sides)

    found = proof(worst=(worst("1080p"), worst("360p")))
    asked = ask(Gates(vmaf_floor=85), source(), renditions(84), found)
    assert "from 12.50 s on, VMAF 71.2" in asked.body
    assert "![source](/af/telecine/evidence/film/evidence/v7-1080p-source.jpg)" in asked.body
    assert "![1080p](/af/telecine/evidence/film/evidence/v7-1080p.jpg)" in asked.body
    assert "360p" not in asked.body


def test_a_recommendation_that_the_proof_found_not_followed_asks_with_its_clause():
    asking = Gates(ask_on_recommendations=True)
    asked = ask(asking, source(), renditions(90), proof(BREACH, ADVICE))
    assert asked.reasons == ("1 recommendation of a standard not followed",)
    assert "[HLS Authoring 9.9: there are several bit rates of video]" in asked.body
    assert BREACH.clause not in asked.body, "a breach of a must has ended the title already"
    assert ask(asking, source(), renditions(90), proof(BREACH)) is None
    assert ask(Gates(), source(), renditions(90), proof(ADVICE)) is None


PROFILE = """
name: careful
summary: asks
video:
  - {name: small, codec: x264, width: 160, height: 90, crf: 40, max_bps: 100_000, preset: ultrafast}
audio: []
gates: {ask_on_recommendations: true}
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "careful.yaml").write_text(PROFILE)
    registry = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    registry.migrate()
    registry.submit(request(), "run-1")
    return Installation(
        settings=Settings(data_dir=tmp_path, catalogue_dir=tmp_path),
        work=MemoryStore(),
        origin=None,
        keys=None,
        registry=registry,
        open_bucket=None,
    )


def request():
    return SubmitRequest(master_uri="file:///m.mov", title_id="bbb", name="Bunny", profile="careful")


def answered(chosen, at=NOW, **more):
    return Decision(task="approve", at=at, who="ann", chosen=chosen, **more)


@pytest.mark.parametrize(("faults", "asks"), [((ADVICE,), True), ((), False)])
def test_a_warning_of_the_proof_in_the_store_raises_the_gate_of_the_package(place, faults, asks):
    package = Package(
        title_id="bbb",
        version="v7",
        prefix="packages/bbb/v7/",
        inventory=Inventory(title_id="bbb", version="v7", entries=()),
        dash_path="manifest.mpd",
        hls_path="master.m3u8",
        scheme="clear",
        keys=KeyAssignment(title_id="bbb", kids={}),
    )
    key = shelf.keep(place.work, package)
    place.work.put_bytes(evidence_key(package), proof(*faults).model_dump_json().encode(), content_type="text/json")
    measured = RenditionSet(
        plan_digest="0" * 64,
        frames=96,
        frame_rate=FrameRate(numerator=24, denominator=1),
        gop_frames=48,
        segment_frames=48,
        renditions=(),
    )
    documents = {"source": shelf.keep(place.work, source()), "renditions": shelf.keep(place.work, measured)}
    asked = review.of_package(place, request(), key, documents, partial(links_of, "/telecine", "bbb", "run-1"))
    assert (asked is not None) is asks
    if asks:
        assert "HLS Authoring 9.9" in asked.body
        assert "/telecine/evidence/bbb/v7.html" in asked.body


def test_a_title_that_waits_for_a_person_says_so(place):
    review.asked(place, "bbb", ask(Gates(), source(Severity.ASK), renditions(90)))
    record = place.registry.title("bbb")
    assert (record.stage, record.problem) == (Stage.APPROVE, "waits for a person: 1 finding in the master")


def test_who_rejected_it_and_why_is_what_the_title_says(place):
    sentence = review.rejected(place, "bbb", answered(REJECT, why="wrong cut"))
    record = place.registry.title("bbb")
    assert (record.stage, record.problem, sentence) == (Stage.REJECTED,) + ("ann rejected it: wrong cut.",) * 2
    (told,) = ChangeLog(place.registry).changes("bbb")
    assert (told.who, told.action, told.why) == ("ann", "reject", "wrong cut")
    assert told.at <= datetime.now(UTC)


def test_an_answer_is_written_down_once_however_often_its_task_goes_on_with_it(place):
    for _ in range(2):
        review.approved(place, "bbb", answered(APPROVE))
    (told,) = ChangeLog(place.registry).changes("bbb")
    assert told.after == {"task": "approve", "answered_at": NOW.isoformat()}
    review.approved(place, "bbb", answered(APPROVE, at=NOW + timedelta(seconds=1)))
    assert len(ChangeLog(place.registry).changes("bbb")) == 2


def test_an_unknown_profile_to_encode_again_with_ends_nothing(place):
    with pytest.raises(TelecineError, match="nope"):
        review.encode_again(place, request(), "run-1", answered(REENCODE, profile="nope"))
    assert place.registry.title("bbb").stage == Stage.SUBMITTED
    assert ChangeLog(place.registry).changes() == ()


def test_encoding_again_is_in_the_audit_as_that_with_both_profiles(place):
    again = answered(REENCODE, profile="standard", why="too soft")
    with pytest.raises(TelecineError):  # the master of this test does not exist, so no run starts
        review.encode_again(place, request(), "run-1", again)
    (told,) = ChangeLog(place.registry).changes("bbb")
    assert (told.action, told.who, told.why) == ("re-encode", "ann", "too soft")
    assert (told.before["profile"], told.after["profile"]) == ("careful", "standard")


def test_a_run_that_has_taken_over_is_not_ended_by_the_same_answer_again(place):
    place.registry.submit(request(), "run-2")
    sentence = review.encode_again(place, request(), "run-1", answered(REENCODE, profile="standard"))
    assert sentence == "ann had it encoded again with the profile standard."
    assert place.registry.title("bbb").stage == Stage.SUBMITTED
