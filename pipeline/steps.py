"""The steps that make a package, in their order. Each is a look-up by digest when it was done before."""

from collections.abc import Callable
from fractions import Fraction

from encoders.assemble import assemble as assemble_renditions
from encoders.complexity.analyse import Bench
from encoders.complexity.analyse import analyse as analyse_title
from encoders.complexity.documents import ComplexityReport
from encoders.complexity.hull import fitted
from encoders.documents import EncodePlan
from encoders.examine import EXAMINING
from encoders.examine import examine as examine_master
from encoders.joins import check_joins
from encoders.naming import file_name
from encoders.plan import plan_encode
from encoders.probe import inspect_master
from encoders.qualify import qualify as judge
from encoders.quality import measure as measure_quality
from encoders.sidecar import apply_sidecar, register_sidecar
from encoders.source import master_path, register_master
from encoders.work import toolchain
from packagers.verify import VerifyReport
from packagers.work import PackageRequest
from packagers.work import package as make_package
from pipeline.removed import why_removed
from pipeline.verifying import prove_package
from pipeline.workplace import Workplace
from profiles.load import load_profile
from profiles.models import PackagingProfile
from profiles.select import choose_ladder
from telecine.document import digest_of
from telecine.drm import BOTH, CLEAR
from telecine.errors import NotFound, SourceRejected
from telecine.findings import SourceReport
from telecine.media import Master, Probe
from telecine.protection import KeyAssignment, further_label
from telecine.publication import Package
from telecine.rendition import RenditionSet
from telecine.text import Accessories
from telecine.title import SubmitRequest

__all__ = [
    "accept",
    "analyse",
    "assemble",
    "examine",
    "inspect",
    "inspect_bytes",
    "measure",
    "package",
    "plan",
    "qualify",
    "register",
    "verify",
]

NOTHING_ELSE = Accessories()


def register(place: Workplace, request: SubmitRequest) -> Master:
    """Fix the master, and what its sidecar names, by their bytes. Raises SourceRejected when one cannot be read."""
    try:
        master = register_master(request.master_uri, place.work_dir, place.open_bucket)
    except SourceRejected as rejected:
        raise why_removed(place.work, place.settings, request.master_uri) or rejected from None
    return register_sidecar(master, request.sound_uri, place.work_dir)


def inspect(place: Workplace, master: Master) -> Probe:
    """Everything there is to know of the master; remembered by its bytes."""
    key = f"probes/{digest_of(master.sha256, toolchain())}.json"
    try:
        content, _ = place.work.get_bytes(key)
    except NotFound:
        probe = inspect_master(master, master_path(master, place.work_dir, place.open_bucket))
        place.work.put_bytes(key, probe.model_dump_json().encode(), content_type="application/json")
        return apply_sidecar(probe)
    return apply_sidecar(Probe.model_validate_json(content).model_copy(update={"master": master}))


def inspect_bytes(place: Workplace, master: Master) -> Probe:
    """Inspect the master now, without remembering. Raises SourceRejected when it is no media file."""
    return apply_sidecar(inspect_master(master, master_path(master, place.work_dir, place.open_bucket)))


def qualify(place: Workplace, probe: Probe, profile_name: str) -> Probe:
    """The probe, when its master can become a title of this profile. Raises SourceRejected with every reason."""
    profile = load_profile(profile_name, place.settings.catalogue_dir)
    allowed = profile.source_checks.decode_errors.allows_any
    return judge(probe, picture=bool(profile.video), damage_allowed=allowed)


def analyse(place: Workplace, probe: Probe, profile_name: str) -> ComplexityReport | None:
    """What this title makes of the profile's rungs; None where the profile does not ask. A look-up when done before."""
    profile = load_profile(profile_name, place.settings.catalogue_dir)
    if profile.per_title.mode == "off" or not profile.video:
        return None
    source = master_path(probe.master, place.work_dir, place.open_bucket)
    bench = Bench(source, place.work, place.work_dir, at_once=place.settings.worker_slots, toolchain=toolchain())
    return analyse_title(probe, choose_ladder(profile, probe), profile.per_title, bench)


def examine(
    place: Workplace,
    probe: Probe,
    profile_name: str,
    on_seconds: Callable[[Fraction], None] = lambda _: None,
    *,
    every_picture: bool = False,
) -> SourceReport:
    """What is wrong with the whole master, as the profile judges it; remembered by its bytes and the checks.

    Every picture is decoded where asked, and where the profile bears a few that do not decode: then they are counted.
    """
    checks = load_profile(profile_name, place.settings.catalogue_dir).source_checks
    every_picture = every_picture or checks.decode_errors.allows_any
    looked_at = (probe.master.sha256, probe.video, probe.audio, checks, every_picture)
    key = f"examined/{digest_of(EXAMINING, toolchain(), looked_at)}.json"
    try:
        content, _ = place.work.get_bytes(key)
    except NotFound:
        source = master_path(probe.master, place.work_dir, place.open_bucket)
        report = examine_master(probe, source, checks, place.work_dir, on_seconds, every_picture=every_picture)
        place.work.put_bytes(key, report.model_dump_json().encode(), content_type="application/json")
        return report
    return SourceReport.model_validate_json(content)


def qualified(place: Workplace, request: SubmitRequest) -> Probe:
    """A master registered, inspected and found fit for its profile. Raises SourceRejected for one that is not."""
    return qualify(place, inspect(place, register(place, request)), request.profile)


def accept(report: SourceReport, master: Master) -> SourceReport:
    """The report, when nothing in it ends the title. Raises SourceRejected with every such finding."""
    if report.rejections:
        name = file_name(master.uri)
        raise SourceRejected(*(f"The master {name} is refused: {sentence}" for sentence in report.rejections))
    return report


def plan(
    place: Workplace,
    probe: Probe,
    profile_name: str,
    chunk_seconds: int | None = None,
    analysis: ComplexityReport | None = None,
) -> EncodePlan:
    """The ladder for this master and every encode it needs; chunks as the settings say, unless told otherwise."""
    profile = load_profile(profile_name, place.settings.catalogue_dir)
    ladder, shots = fitted(choose_ladder(profile, probe), analysis)
    return plan_encode(
        probe,
        ladder,
        chunk_seconds=chunk_seconds or place.settings.chunk_seconds,
        threads=place.settings.encode_threads,
        toolchain=toolchain(),
        shots=shots,
    )


def assemble(place: Workplace, plan: EncodePlan) -> RenditionSet:
    """Whole renditions, frame for frame the source's."""
    return assemble_renditions(plan, place.work, place.work_dir)


def measure(place: Workplace, plan: EncodePlan, renditions: RenditionSet) -> RenditionSet:
    """The same renditions with their quality, and the evidence that chunks meet frame for frame."""
    source = master_path(plan.master, place.work_dir, place.open_bucket)
    subsample = place.settings.vmaf_subsample
    measured = measure_quality(plan, renditions, source, place.work, place.work_dir, subsample=subsample)
    evidence = check_joins(plan, measured, source, place.work, place.work_dir)
    return measured.model_copy(update={"join_evidence": evidence})


def package(
    place: Workplace,
    title_id: str,
    profile: PackagingProfile,
    renditions: RenditionSet,
    accessories: Accessories = NOTHING_ELSE,
) -> Package:
    """A segment set for HLS and DASH, with a key for each label the renditions carry, or none in the clear.

    Of both schemes, two such sets, each with keys of its own.
    """
    labels = sorted({rendition.label for rendition in renditions.renditions})
    clear, both = profile.scheme == CLEAR, profile.scheme == BOTH
    given = KeyAssignment(title_id=title_id, kids={})
    if not clear:
        beside = [further_label(label) for label in labels] if both else []
        given = place.keys.assign(title_id, [*labels, *beside])
    keys = given.model_copy(update={"kids": {label: given.kids[label] for label in given.kids if label in labels}})
    further = {label: given.kids[further_label(label)] for label in labels} if both else {}
    request = PackageRequest(
        title_id=title_id,
        renditions=renditions,
        profile=profile,
        keys=keys,
        signals=() if clear else place.keys.signals(given),
        licence_url=place.licence_url,
        licences=place.licences,
        accessories=accessories,
        further_keys=KeyAssignment(title_id=title_id, kids=further) if both else None,
    )
    return make_package(request, place.keys, place.work, place.work_dir)


def verify(
    place: Workplace, package: Package, renditions: RenditionSet, plan: EncodePlan | None = None
) -> VerifyReport:
    """Decrypt with licensed keys and decode everything again; keep the evidence. Raises PackageRejected.

    With the plan the evidence shows the worst five seconds of each measured rendition beside the source.
    """
    return prove_package(place, package, renditions, plan)
