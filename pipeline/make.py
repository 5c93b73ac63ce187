"""The whole line without servers: a master in, a folder with an encrypted, verified package out."""

import math
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import Field

from encoders.complexity.documents import ComplexityReport
from encoders.complexity.page import complexity_page
from encoders.documents import EncodePlan
from packagers.verify import VerifyReport
from pipeline import steps
from pipeline.accessories import accompany, check_texts
from pipeline.encoding_here import encode_here, encoders_at_once
from pipeline.examining import examine_beside
from pipeline.progress import EncodeProgress
from pipeline.verifying import lay_out_evidence
from pipeline.workplace import Workplace
from telecine.document import Document
from telecine.errors import MissingRequirement
from telecine.findings import SourceReport
from telecine.keys.opening import open_key_store
from telecine.media import Probe
from telecine.publication import Package, ProtectedSet
from telecine.rendition import RenditionSet
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.storage.port import ObjectStore
from telecine.text import Accessories
from telecine.title import SubmitRequest

__all__ = ["MakeReport", "MakeWatcher", "local_place", "make", "plan_only", "texts_only"]

_MIN_FREE_FACTOR = 3


class MakeReport(Document):
    """What ``telecine make`` made; paths are relative to the output folder."""

    title_id: str
    version: str
    chunks: int
    chunks_encoded: int
    fell_back: dict[str, int] = Field(default_factory=dict, description="jobs of the GPU made by the CPU, by reason")
    encode_cpu_s: float = Field(
        default=0.0, description="CPU seconds of the encoders of this run: decode, scale, encode"
    )
    renditions: RenditionSet
    dash: str
    hls: str
    verified: VerifyReport
    source: SourceReport
    analysis: ComplexityReport | None = None
    accessories: Accessories = Accessories()
    further: tuple[ProtectedSet, ...] = Field(default=(), description="sets of another scheme, below package/")


@dataclass(frozen=True, slots=True)
class MakeWatcher:
    """Who is told how far it is: a stage's name when it begins, progress while encoding."""

    stage: Callable[[str], None]
    encode: Callable[[EncodeProgress], None]


def make(
    request: SubmitRequest, out_dir: Path, settings: Settings, watcher: MakeWatcher, *, vmaf: bool = False
) -> MakeReport:
    """Encode, package, verify and lay out ``package/``, ``renditions/``, evidence and ``report.json`` in ``out_dir``.

    Interrupted and run again, it goes on with the chunks that are there. Content keys stay sealed in the data folder's
    key store. Raises SourceRejected: before anything is written to ``out_dir`` where inspection tells, while encoding
    where only a look at the whole master does.
    """
    place = local_place(settings, out_dir)
    watcher.stage("inspect")
    probe = _qualified(place, request)
    check_texts(place, request)
    analysis = _analysed(place, probe, request, out_dir, watcher)
    plan = _plan(place, request, probe, analysis, encoders=encoders_at_once(settings))
    accessories = accompany(place, request, plan)
    further_sets = len(plan.ladder.packaging.schemes) - 1
    _need_room(out_dir, plan.expected_bytes * (_MIN_FREE_FACTOR + further_sets))
    watcher.stage("encode")
    chunks, found = examine_beside(
        place, plan, request.profile, lambda told: encode_here(plan, place, told), watcher.encode
    )
    watcher.stage("assemble")
    renditions = steps.assemble(place, plan)
    if vmaf:
        watcher.stage("measure")
        renditions = steps.measure(place, plan, renditions)
    watcher.stage("package")
    package = steps.package(place, request.title_id, plan.ladder.packaging, renditions, accessories)
    watcher.stage("verify")
    verified = steps.verify(place, package, renditions, plan)
    report = MakeReport(
        title_id=request.title_id,
        version=package.version,
        chunks=len(plan.jobs),
        chunks_encoded=sum(chunk.encoded for chunk in chunks),
        fell_back=Counter(chunk.fell_back for chunk in chunks if chunk.fell_back),
        encode_cpu_s=sum(chunk.cpu_s for chunk in chunks),
        renditions=renditions,
        dash=f"package/{package.dash_path}",
        hls=f"package/{package.hls_path}",
        verified=verified,
        analysis=analysis,
        source=found,
        accessories=accessories,
        further=package.further,
    )
    _lay_out(place.work, package, renditions, out_dir)
    lay_out_evidence(place.work, package, verified.evidence, out_dir)
    (out_dir / "report.json").write_text(report.model_dump_json(indent=2))
    shutil.rmtree(_cache(out_dir))
    return report


def plan_only(request: SubmitRequest, settings: Settings) -> EncodePlan:
    """The plan alone: reads the master and the texts, writes nothing but the remembered hash. Raises SourceRejected."""
    place = local_place(settings, settings.work_dir)
    check_texts(place, request)
    return _plan(place, request, _qualified(place, request))


def texts_only(request: SubmitRequest, plan: EncodePlan, settings: Settings) -> Accessories:
    """The texts and chapters that a plan's title would get; nothing of them is kept. Raises SourceRejected."""
    settings.work_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=settings.work_dir, prefix="plan-") as folder:
        return accompany(local_place(settings, Path(folder)), request, plan)


def _qualified(place: Workplace, request: SubmitRequest) -> Probe:
    return steps.qualify(place, steps.inspect_bytes(place, steps.register(place, request)), request.profile)


def _analysed(
    place: Workplace, probe: Probe, request: SubmitRequest, out_dir: Path, watcher: MakeWatcher
) -> ComplexityReport | None:
    """The analysis, if the profile asks for one, and its page in the output folder."""
    watcher.stage("analyse")
    analysis = steps.analyse(place, probe, request.profile)
    if analysis is not None:
        out_dir.mkdir(parents=True, exist_ok=True)
        (out_dir / "analysis.html").write_text(complexity_page(request.name, analysis))
    return analysis


def _plan(
    place: Workplace,
    request: SubmitRequest,
    probe: Probe,
    analysis: ComplexityReport | None = None,
    encoders: int = 1,
) -> EncodePlan:
    """``encoders`` run at once: a programme too short to give each a chunk of the usual length is cut shorter."""
    share = math.ceil(max(track.duration for track in probe.video or probe.audio) / encoders)
    return steps.plan(place, probe, request.profile, min(place.settings.chunk_seconds, share), analysis)


def _cache(out_dir: Path) -> Path:
    return out_dir / ".telecine-work"


def local_place(settings: Settings, out_dir: Path) -> Workplace:
    """A place of work whose store is a folder inside ``out_dir``."""
    return Workplace(
        settings=settings,
        work=LocalStore(_cache(out_dir)),
        keys=open_key_store(settings),
        open_bucket=lambda bucket: _bucket(settings, bucket),
    )


def _bucket(settings: Settings, bucket: str) -> ObjectStore:
    if not settings.s3_endpoint:
        message = f"s3://{bucket} needs an S3 endpoint: set TELECINE_S3_ENDPOINT and its keys."
        raise MissingRequirement(message)
    from telecine.storage.s3 import s3_store  # noqa: PLC0415 - a fifth of a second that most masters need not wait

    return s3_store(settings, bucket)


def _need_room(out_dir: Path, needed_bytes: int) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out_dir).free
    if free < needed_bytes:
        message = (
            f"{out_dir} has {free / 1e9:.1f} GB free, but this title needs up to "
            f"{needed_bytes / 1e9:.1f} GB while it is made: free some, or choose another folder."
        )
        raise MissingRequirement(message)


def _lay_out(store: ObjectStore, package: Package, renditions: RenditionSet, out_dir: Path) -> None:
    """Copy results out of the work store; an older package in the folder is replaced only when the new is complete."""
    fresh = out_dir / ".package.part"
    shutil.rmtree(fresh, ignore_errors=True)
    for entry in package.inventory.entries:
        target = fresh / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(package.prefix + entry.path, target)
    for rendition in renditions.renditions:
        target = out_dir / "renditions" / f"{rendition.name}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(rendition.key, target)
    final = out_dir / "package"
    if final.exists():
        shutil.rmtree(final)
    fresh.rename(final)
