"""When a release stops and asks a person, and what it shows them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

from pydantic import Field

from packagers.evidence.documents import EvidenceReport, WorstSeconds
from profiles.models import Gates
from telecine.document import Document, UtcTime
from telecine.findings import Severity, SourceReport
from telecine.rendition import RenditionSet

__all__ = [
    "APPROVE",
    "OPTIONS",
    "REENCODE",
    "REJECT",
    "Decision",
    "Links",
    "Measured",
    "Review",
    "launch_review",
    "links_of",
    "review_of",
]

APPROVE, REENCODE, REJECT = "Approve", "Re-encode with another profile", "Reject"
OPTIONS = (APPROVE, REENCODE, REJECT)

_SHOWN = 50
"""Findings shown of each kind: the whole list is in the report."""


class Review(Document):
    """A question to a person: a headline, and the evidence in Markdown."""

    subject: str
    body: str
    reasons: tuple[str, ...]


class Decision(Document):
    """What a person answered to a question; ``at`` tells its answers apart."""

    task: str = Field(description="the task that asked")
    at: UtcTime
    who: str
    chosen: str
    why: str = ""
    profile: str = Field(default="", description="to encode again with, where that was chosen")

    @classmethod
    def of(cls, task: str, answer: Mapping[str, Any]) -> "Decision":
        """The answer of a human-in-the-loop task, by the names that Airflow's interface and operator have for it."""
        given, user = answer.get("params_input") or {}, answer.get("responded_by_user") or {}
        (chosen,) = answer["chosen_options"]
        return cls(
            task=task,
            at=answer["responded_at"],
            who=str(user.get("name") or "Airflow"),
            chosen=chosen,
            why=str(given.get("why") or ""),
            profile=str(given.get("other_profile") or ""),
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a package; ``proof``: its evidence, None where none was kept."""

    source: SourceReport
    renditions: RenditionSet
    proof: EvidenceReport | None = None


@dataclass(frozen=True, slots=True)
class Links:
    """Where a signed-in browser sees more: paths on Airflow's own address. ``evidence``: the page of one version."""

    board: str
    evidence: str

    @property
    def line(self) -> str:
        """Both, in Markdown."""
        return f"[Evidence of this version]({self.evidence}) · [The title on the release board]({self.board})"


def links_of(base: str, title_id: str, run_id: str, version: str) -> Links:
    """Links under ``base``, the path of the release board."""
    return Links(board=f"{base}/?run={quote(run_id, safe='')}", evidence=f"{base}/evidence/{title_id}/{version}.html")


def review_of(title: str, gates: Gates, found: Measured, links: Links) -> Review | None:
    """What to ask about a proven package before it is published; None: nothing, it goes on by itself."""
    parts = [
        _findings(found.source) if gates.ask_on_findings else None,
        _quality(found, gates.vmaf_floor, links),
        _recommendations(found.proof) if gates.ask_on_recommendations and found.proof else None,
    ]
    asked = [part for part in parts if part is not None]
    if not asked:
        return None
    reasons = tuple(reason for reason, _ in asked)
    body = "\n\n".join([links.line, *(f"### {reason}\n\n{shown}" for reason, shown in asked)])
    return Review(subject=f"{title}: {'; '.join(reasons)}", body=body, reasons=reasons)


def launch_review(title: str, version: str, launch: str, links: Links) -> Review:
    """The question whether a title that is ready goes live."""
    reason = f"ready on every edge as version {version}, to launch {launch}"
    body = f"**{title}** is {reason}. Shall it go live?\n\n{links.line}"
    return Review(subject=f"{title}: {reason}", body=body, reasons=(reason,))


def _findings(source: SourceReport) -> tuple[str, str] | None:
    found = [finding for finding in source.findings if finding.severity is Severity.ASK]
    if not found:
        return None
    return f"{_count(len(found), 'finding')} in the master", _listed([finding.sentence for finding in found])


def _quality(found: Measured, floor: float | None, links: Links) -> tuple[str, str] | None:
    measured = [(one.name, one.quality) for one in found.renditions.renditions if one.quality is not None]
    rated = [(name, quality) for name, quality in measured if quality.model.startswith("vmaf")]
    below = [name for name, quality in rated if floor is not None and quality.percentile_5 < floor]
    if not below:
        return None
    rows = [
        f"| {name} | {quality.mean:.2f} | {quality.percentile_5:.2f} | {quality.percentile_1:.2f} |"
        f" {'**below**' if name in below else ''} |"
        for name, quality in rated
    ]
    head = "| rendition | VMAF mean | 5th percentile | 1st percentile | |\n|---|---|---|---|---|"
    worst = [_pictures(one, links) for one in (found.proof.worst if found.proof else ()) if one.name in below]
    shown = "\n\n".join(["\n".join([head, *rows]), *worst])
    return f"{_count(len(below), 'rendition')} below VMAF {floor:g}", shown


def _pictures(worst: WorstSeconds, links: Links) -> str:
    """The worst five seconds of a rendition; its pictures are named as seen from the page of the evidence."""
    source, made = (urljoin(links.evidence, name) for name in (worst.source_picture, worst.rendition_picture))
    said = f"The worst five seconds of {worst.name} are from {float(worst.start):.2f} s on, VMAF {worst.vmaf:.1f}"
    return f"{said}: the source, and as published.\n\n![source]({source}) ![{worst.name}]({made})"


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
