"""Asking a person about a title, and doing what the answer says. Knows no Airflow beyond its REST interface."""

import json
from collections.abc import Mapping, Sequence

from packagers.evidence.documents import EvidenceReport
from pipeline import shelf
from pipeline.gates import Review, launch_review, review_of
from pipeline.installation import Installation
from pipeline.notices import tell
from pipeline.release import submit_title
from pipeline.verifying import evidence_key
from profiles.load import load_profile
from telecine.errors import NotFound
from telecine.findings import SourceReport
from telecine.publication import Package, Publication
from telecine.registry.changes import ChangeLog
from telecine.registry.records import Stage
from telecine.rendition import RenditionSet
from telecine.title import SubmitRequest

__all__ = ["approved", "asked", "encode_again", "of_launch", "of_package", "rejected"]


def of_package(
    place: Installation, request: SubmitRequest, package: str, documents: Mapping[str, str]
) -> Review | None:
    """What to ask about a proven package, given as shelf keys: ``source`` report and measured ``renditions``."""
    gates = load_profile(request.profile, place.settings.catalogue_dir).gates
    source = shelf.load(place.work, SourceReport, documents["source"])
    renditions = shelf.load(place.work, RenditionSet, documents["renditions"])
    return review_of(request.name, gates, source, renditions, _evidence(place, package))


def of_launch(place: Installation, request: SubmitRequest, publications: Sequence[Mapping[str, str]]) -> Review | None:
    """What to ask before a title goes live; None where its profile does not ask."""
    if not load_profile(request.profile, place.settings.catalogue_dir).gates.approve_launch:
        return None
    publication = shelf.load(place.work, Publication, publications[0]["publication"])
    launch_at = place.registry.title(request.title_id).launch_at
    return launch_review(request.name, publication.version, f"at {launch_at.isoformat()}" if launch_at else "at once")


def asked(place: Installation, title_id: str, run_id: str, review: Review) -> None:
    """The title waits for a person from now on: lists say so, and the world is told."""
    reasons = "; ".join(review.reasons)
    place.registry.ask(title_id, f"waits for a person: {reasons}")
    facts = {"reasons": list(review.reasons), "run": run_id}
    tell(place, "title.needs_approval", title_id, f"{title_id} {run_id} {reasons}", facts)


def approved(place: Installation, title_id: str, *, who: str, why: str) -> None:
    """A person said yes."""
    ChangeLog(place.registry).did(title_id, "approve", who=who, why=why)


def rejected(place: Installation, title_id: str, *, who: str, why: str) -> str:
    """A person said no: the title ends, what is live stays live. Returns the sentence that says so."""
    sentence = f"{who} rejected it{f': {why}' if why else ', without a reason'}."
    ChangeLog(place.registry).did(title_id, "reject", who=who, why=why)
    place.registry.fail(title_id, Stage.REJECTED, sentence)
    return sentence


def encode_again(place: Installation, request: SubmitRequest, profile: str, *, who: str, why: str) -> str:
    """A person wants another profile: a new run starts, this one ends. Returns the sentence that says so.

    Raises TelecineError when there is no such profile; the title waits for its answer still.
    """
    load_profile(profile, place.settings.catalogue_dir)
    record = place.registry.title(request.title_id)
    now = {"profile": profile, "priority": record.priority, "launch_at": record.launch_at}
    sentence = f"{who} had it encoded again with the profile {profile}{f': {why}' if why else ''}."
    ChangeLog(place.registry).did(request.title_id, "reject", who=who, why=sentence)
    place.registry.fail(request.title_id, Stage.REJECTED, sentence)
    submit_title(place, json.loads(request.model_copy(update=now).model_dump_json()))
    return sentence


def _evidence(place: Installation, package: str) -> EvidenceReport | None:
    key = evidence_key(shelf.load(place.work, Package, package))
    try:
        content, _ = place.work.get_bytes(key)
    except NotFound:
        return None
    return EvidenceReport.model_validate_json(content)
