"""What would be made of an uploaded master: what is in it, what is wrong with it, how large and dear it becomes."""

from typing import Literal
from urllib.parse import quote

from pydantic import Field

from board.uploads.schemas import Upload
from encoders.documents import EncodePlan
from pipeline import steps
from pipeline.installation import Installation
from pipeline.submission import request_from
from telecine.document import Document, UtcTime
from telecine.errors import SourceRejected
from telecine.findings import Finding
from telecine.media import Probe
from telecine.settings import Settings

__all__ = [
    "Cost",
    "Findings",
    "Outlook",
    "PlanReport",
    "RungLine",
    "findings_of",
    "plan_of",
    "uri_of_upload",
    "with_outlook",
]

_BYTES_A_GB = 10**9
_S_AN_HOUR = 3600


class RungLine(Document):
    """One rendition of the plan. ``size``: its picture, or its channels."""

    name: str
    codec: str
    size: str
    max_bps: int
    label: str


class Outlook(Document):
    """What a forecast says of a plan; None: not known."""

    cpu_s: float | None = None
    ready_p50: UtcTime | None = None
    ready_p90: UtcTime | None = None
    basis: str | None = None


class Cost(Document):
    """At the configured prices; a part without price or without figure is None."""

    currency: str
    encode: float | None
    storage_month: float | None


class PlanReport(Document):
    """What a person reads before Start. ``reasons`` non-empty: the master is refused, and there is no plan."""

    state: Literal["planned", "refused"]
    profile: str
    reasons: tuple[str, ...] = ()
    tracks: tuple[str, ...] = Field(default=(), description="pictures and sounds of the master, a line each")
    duration_s: float | None = None
    rungs: tuple[RungLine, ...] = ()
    chunks: int = 0
    jobs: int = 0
    storage_bytes: int | None = Field(default=None, description="of all renditions at most")
    outlook: Outlook = Outlook()
    cost: Cost | None = Field(default=None, description="None: no price is configured")


class Findings(Document):
    """What the examination of the whole master found."""

    findings: tuple[Finding, ...]
    refused: bool


def uri_of_upload(place: Installation, upload: Upload) -> str:
    return f"s3://{place.settings.work_bucket}/{quote(upload.key)}"


def plan_of(place: Installation, upload: Upload, profile: str) -> tuple[PlanReport, EncodePlan | None]:
    """Register, inspect, qualify and plan, as a release would; its steps find all this done. Raises Unavailable.

    The plan itself is None where the master is refused; what a forecast says of it changes and is added when asked.
    """
    request = request_from({"master_uri": uri_of_upload(place, upload), "profile": profile})
    try:
        probe = steps.qualified(place, request)
        plan = steps.plan(place, probe, profile)
    except SourceRejected as error:
        return PlanReport(state="refused", profile=profile, reasons=error.reasons), None
    report = PlanReport(
        state="planned",
        profile=profile,
        tracks=tuple(_tracks(probe, plan)),
        duration_s=_seconds(plan),
        rungs=tuple(_rungs(plan)),
        chunks=len(plan.chunks),
        jobs=len(plan.jobs),
        storage_bytes=plan.expected_bytes,
        cost=cost_of(place.settings, None, plan.expected_bytes),
    )
    return report, plan


def with_outlook(settings: Settings, report: PlanReport, outlook: Outlook) -> PlanReport:
    """The report with what the forecast says now, and what that costs."""
    cost = cost_of(settings, outlook.cpu_s, report.storage_bytes or 0)
    return report.model_copy(update={"outlook": outlook, "cost": cost})


def findings_of(place: Installation, upload: Upload, profile: str) -> Findings:
    """Look at the whole master; the release's own examination is a look-up then. Raises SourceRejected."""
    request = request_from({"master_uri": uri_of_upload(place, upload), "profile": profile})
    probe = steps.qualified(place, request)
    report = steps.examine(place, probe, profile)
    return Findings(findings=report.findings, refused=bool(report.rejections))


def cost_of(settings: Settings, cpu_s: float | None, storage_bytes: int) -> Cost | None:
    """None where no price is configured."""
    if settings.price_cpu_hour is None and settings.price_gb_month is None:
        return None
    hours = None if cpu_s is None or settings.price_cpu_hour is None else cpu_s / _S_AN_HOUR
    return Cost(
        currency=settings.price_currency,
        encode=None if hours is None or settings.price_cpu_hour is None else hours * settings.price_cpu_hour,
        storage_month=None
        if settings.price_gb_month is None
        else storage_bytes / _BYTES_A_GB * settings.price_gb_month,
    )


def _seconds(plan: EncodePlan) -> float | None:
    if plan.total_frames:
        return float(plan.total_frames / plan.frame_rate.fraction)
    return max((float(track.duration) for track in plan.probe.audio), default=None)


def _tracks(probe: Probe, plan: EncodePlan) -> list[str]:
    pictures = [
        f"{v.codec} {v.width}x{v.height}, {float(plan.frame_rate.fraction):.3f} fps, {v.bit_depth} bit"
        for v in probe.video[:1]
    ]
    return pictures + [f"{a.codec} {a.layout}, {a.language}" for a in probe.audio]


def _rungs(plan: EncodePlan) -> list[RungLine]:
    pictures = [
        RungLine(name=r.name, codec=str(r.codec), size=f"{r.width}x{r.height}", max_bps=r.max_bps, label=r.label)
        for r in plan.ladder.video
    ]
    return pictures + [
        RungLine(name=r.name, codec=str(r.codec), size=f"{r.channels} ch", max_bps=r.bitrate_bps, label=r.label)
        for r in plan.ladder.audio
    ]
