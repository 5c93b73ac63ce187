"""Asking a person about a title, and doing what the answer says. Knows no Airflow beyond its REST interface."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from packagers.evidence.documents import EvidenceReport
from pipeline import shelf
from pipeline.gates import Decision, Links, Measured, Review, launch_review, review_of
from pipeline.installation import Installation
from pipeline.release import submit_title
from pipeline.verifying import evidence_key
from profiles.load import load_profile
from telecine.changes import Action, TitleChange
from telecine.errors import NotFound
from telecine.findings import SourceReport
from telecine.publication import Package, Publication
from telecine.registry.changes import ChangeLog
from telecine.registry.records import Stage
from telecine.rendition import RenditionSet
from telecine.title import SubmitRequest

__all__ = ["approved", "asked", "encode_again", "of_launch", "of_package", "rejected"]

LinksOf = Callable[[str], Links]
"""Links of a version, by its name."""


def of_package(
    place: Installation, request: SubmitRequest, package: str, documents: Mapping[str, str], links: LinksOf
) -> Review | None:
    """What to ask about a proven package, given as shelf keys: ``source`` report and measured ``renditions``."""
    gates = load_profile(request.profile, place.settings.catalogue_dir).gates
    made = shelf.load(place.work, Package, package)
    found = Measured(
        source=shelf.load(place.work, SourceReport, documents["source"]),
        renditions=shelf.load(place.work, RenditionSet, documents["renditions"]),
        proof=_evidence(place, made),
    )
    return review_of(request.name, gates, found, links(made.version))


def of_launch(
    place: Installation, request: SubmitRequest, publications: Sequence[Mapping[str, str]], links: LinksOf
) -> Review | None:
    """What to ask before a title goes live; None where its profile does not ask."""
    if not load_profile(request.profile, place.settings.catalogue_dir).gates.approve_launch:
        return None
    version = shelf.load(place.work, Publication, publications[0]["publication"]).version
    launch_at = place.registry.title(request.title_id).launch_at
    launch = f"at {launch_at.isoformat()}" if launch_at else "at once"
    return launch_review(request.name, version, launch, links(version))


def asked(place: Installation, title_id: str, review: Review) -> None:
    """The title waits for a person from now on, and lists say so."""
    place.registry.ask(title_id, f"waits for a person: {'; '.join(review.reasons)}")


def approved(place: Installation, title_id: str, decision: Decision) -> None:
    """A person said yes. The same answer twice is written down once."""
    _write_down(place, title_id, "approve", decision)


def rejected(place: Installation, title_id: str, decision: Decision) -> str:
    """A person said no: the title ends, what is live stays live. Returns the sentence that says so."""
    said = f": {decision.why}" if decision.why else ", without a reason"
    sentence = f"{decision.who} rejected it{said}."
    _write_down(place, title_id, "reject", decision)
    place.registry.fail(title_id, Stage.REJECTED, sentence)
    return sentence


def encode_again(place: Installation, request: SubmitRequest, run_id: str, decision: Decision) -> str:
    """A person wants another profile: a new run starts, this one ends. Returns the sentence that says so.

    The same answer again starts no second run. Raises TelecineError when there is no such profile; the title waits
    for its answer still.
    """
    load_profile(decision.profile, place.settings.catalogue_dir)
    record = place.registry.title(request.title_id)
    said = f": {decision.why}" if decision.why else ""
    sentence = f"{decision.who} had it encoded again with the profile {decision.profile}{said}."
    _write_down(place, request.title_id, "re-encode", decision, was=request.profile)
    if record.run_id != run_id:
        return sentence
    place.registry.fail(request.title_id, Stage.REJECTED, sentence)
    now = {"profile": decision.profile, "priority": record.priority, "launch_at": record.launch_at}
    submit_title(place, json.loads(request.model_copy(update=now).model_dump_json()))
    return sentence


def _write_down(place: Installation, title_id: str, action: Action, decision: Decision, was: str = "") -> None:
    """An entry of the audit; ``was``: the profile that the decision changes."""
    changed = {"profile": decision.profile} if was else {}
    change = TitleChange(
        at=datetime.now(UTC),
        title_id=title_id,
        who=decision.who,
        action=action,
        before={"profile": was} if was else {},
        after={**changed, "task": decision.task, "answered_at": decision.at.astimezone(UTC).isoformat()},
        why=decision.why,
    )
    ChangeLog(place.registry).record_once(change, "answered_at")


def _evidence(place: Installation, package: Package) -> EvidenceReport | None:
    try:
        content, _ = place.work.get_bytes(evidence_key(package))
    except NotFound:
        return None
    return EvidenceReport.model_validate_json(content)
