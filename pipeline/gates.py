"""When a release stops and asks a person, and what it shows them. Pure."""

from collections.abc import Sequence

from packagers.evidence.documents import EvidenceReport
from profiles.models import Gates
from telecine.document import Document
from telecine.findings import Severity, SourceReport
from telecine.rendition import RenditionSet

__all__ = ["APPROVE", "OPTIONS", "REENCODE", "REJECT", "Review", "launch_review", "review_of"]

APPROVE, REENCODE, REJECT = "Approve", "Re-encode with another profile", "Reject"
OPTIONS = (APPROVE, REENCODE, REJECT)

_SHOWN = 50
"""Findings shown of each kind: the whole list is in the report."""


class Review(Document):
    """A question to a person: a headline, and the evidence in Markdown."""

    subject: str
    body: str
    reasons: tuple[str, ...]


def review_of(
    title: str,
    gates: Gates,
    source: SourceReport,
    renditions: RenditionSet,
    evidence: EvidenceReport | None,
) -> Review | None:
    """What to ask about a proven package before it is published; None: nothing, it goes on by itself."""
    parts = [_findings(source) if gates.ask_on_findings else None, _quality(renditions, gates.vmaf_floor)]
    parts.append(_recommendations(evidence) if gates.ask_on_recommendations and evidence else None)
    asked = [part for part in parts if part is not None]
    if not asked:
        return None
    reasons = tuple(reason for reason, _ in asked)
    body = "\n\n".join(f"### {reason}\n\n{shown}" for reason, shown in asked)
    return Review(subject=f"{title}: {'; '.join(reasons)}", body=body, reasons=reasons)


def launch_review(title: str, version: str, launch: str) -> Review:
    """The question whether a title that is ready goes live."""
    reason = f"ready on every edge as version {version}, to launch {launch}"
    return Review(subject=f"{title}: {reason}", body=f"**{title}** is {reason}. Shall it go live?", reasons=(reason,))


def _findings(source: SourceReport) -> tuple[str, str] | None:
    found = [finding for finding in source.findings if finding.severity is Severity.ASK]
    if not found:
        return None
    return f"{_count(len(found), 'finding')} in the master", _listed([finding.sentence for finding in found])


def _quality(renditions: RenditionSet, floor: float | None) -> tuple[str, str] | None:
    measured = [(one.name, one.quality) for one in renditions.renditions if one.quality is not None]
    rated = [(name, found) for name, found in measured if found.model.startswith("vmaf")]
    below = [name for name, found in rated if floor is not None and found.percentile_5 < floor]
    if not below:
        return None
    rows = [
        f"| {name} | {found.mean:.2f} | {found.percentile_5:.2f} | {found.percentile_1:.2f} |"
        f" {'**below**' if name in below else ''} |"
        for name, found in rated
    ]
    head = "| rendition | VMAF mean | 5th percentile | 1st percentile | |\n|---|---|---|---|---|"
    return f"{_count(len(below), 'rendition')} below VMAF {floor:g}", "\n".join([head, *rows])


def _recommendations(evidence: EvidenceReport) -> tuple[str, str] | None:
    found = [fault.sentence for fault in evidence.faults if not fault.must]
    if not found:
        return None
    return f"{_count(len(found), 'recommendation')} of a standard not followed", _listed(found)


def _listed(sentences: Sequence[str]) -> str:
    rest = [f"- and {len(sentences) - _SHOWN} more"] if len(sentences) > _SHOWN else []
    return "\n".join([*(f"- {sentence}" for sentence in sentences[:_SHOWN]), *rest])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
