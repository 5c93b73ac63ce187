"""The steps of a release, in their order. Each is a look-up by digest when it was done before; none knows Airflow."""

from datetime import UTC, datetime

from edge.client import fill_edge
from edge.invalidation import publish_invalidation
from encoders.assemble import assemble as assemble_renditions
from encoders.documents import EncodePlan
from encoders.plan import plan_encode
from encoders.probe import inspect_master
from encoders.qualify import qualify as judge
from encoders.quality import measure as measure_quality
from encoders.source import master_path, register_master
from encoders.work import toolchain
from origin.pointer import go_live as flip_pointer
from origin.pointer import pointer_key
from origin.publish import publish as publish_package
from packagers.verify import VerifyReport
from packagers.verify import verify as verify_package
from packagers.work import PackageRequest
from packagers.work import package as make_package
from pipeline.workplace import Workplace
from profiles.load import load_profile
from profiles.models import PackagingProfile
from profiles.select import choose_ladder
from telecine.document import digest_of
from telecine.errors import MissingRequirement, NotFound
from telecine.media import Master, Probe
from telecine.publication import Edge, FillReceipt, Package, Pointer, Publication
from telecine.rendition import RenditionSet
from telecine.title import SubmitRequest

__all__ = [
    "assemble",
    "edge_named",
    "edges",
    "fill",
    "go_live",
    "inspect",
    "inspect_bytes",
    "measure",
    "package",
    "plan",
    "publish",
    "qualify",
    "register",
    "verify",
]


def register(place: Workplace, request: SubmitRequest) -> Master:
    """Fix the master by its bytes. Raises SourceRejected when it cannot be read."""
    return register_master(request.master_uri, place.work_dir, place.open_bucket)


def inspect(place: Workplace, master: Master) -> Probe:
    """Everything there is to know of the master; remembered by its bytes."""
    key = f"probes/{digest_of(master.sha256, toolchain())}.json"
    try:
        content, _ = place.work.get_bytes(key)
    except NotFound:
        probe = inspect_bytes(place, master)
        place.work.put_bytes(key, probe.model_dump_json().encode(), content_type="application/json")
        return probe
    return Probe.model_validate_json(content).model_copy(update={"master": master})


def inspect_bytes(place: Workplace, master: Master) -> Probe:
    """Inspect the master now, without remembering. Raises SourceRejected when it is no media file."""
    return inspect_master(master, master_path(master, place.work_dir, place.open_bucket))


def qualify(probe: Probe) -> Probe:
    """The probe, when its master can become a title. Raises SourceRejected with every reason."""
    return judge(probe)


def plan(place: Workplace, probe: Probe, profile_name: str) -> EncodePlan:
    """The ladder for this master and every encode it needs."""
    profile = load_profile(profile_name, place.settings.catalogue_dir)
    return plan_encode(
        probe,
        choose_ladder(profile, probe),
        chunk_seconds=place.settings.chunk_seconds,
        threads=place.settings.encode_threads,
        toolchain=toolchain(),
    )


def assemble(place: Workplace, plan: EncodePlan) -> RenditionSet:
    """Whole renditions, frame for frame the source's."""
    return assemble_renditions(plan, place.work, place.work_dir)


def measure(place: Workplace, plan: EncodePlan, renditions: RenditionSet) -> RenditionSet:
    """The same renditions with their VMAF."""
    source = master_path(plan.master, place.work_dir, place.open_bucket)
    subsample = place.settings.vmaf_subsample
    return measure_quality(plan, renditions, source, place.work, place.work_dir, subsample=subsample)


def package(place: Workplace, title_id: str, profile: PackagingProfile, renditions: RenditionSet) -> Package:
    """One encrypted segment set for HLS and DASH, with a key for each label the renditions carry."""
    labels = sorted({rendition.label for rendition in renditions.renditions})
    request = PackageRequest(
        title_id=title_id,
        renditions=renditions,
        profile=profile,
        keys=place.keys.assign(title_id, labels),
        licence_url=place.licence_url,
    )
    return make_package(request, place.keys, place.work, place.work_dir)


def verify(place: Workplace, package: Package, renditions: RenditionSet) -> VerifyReport:
    """Decrypt and decode everything again. Raises PackageRejected."""
    return verify_package(package, renditions, place.keys, place.work, place.work_dir)


def publish(place: Workplace, package: Package) -> Publication:
    """Copy the package to its immutable place on the origin; nothing points to it yet."""
    return publish_package(package, place.work, place.origin, place.work_dir)


def edges(place: Workplace) -> tuple[Edge, ...]:
    """Every edge that must hold a title before it goes live. Raises MissingRequirement when none is configured."""
    if not place.settings.edges:
        message = "No edge is configured (TELECINE_EDGES), so no title can go live."
        raise MissingRequirement(message)
    return place.settings.edges


def edge_named(place: Workplace, name: str) -> Edge:
    """Raises NotFound when no such edge is configured."""
    for edge in place.settings.edges:
        if edge.name == name:
            return edge
    message = f"There is no edge '{name}' in the settings (TELECINE_EDGES)."
    raise NotFound(message)


def fill(place: Workplace, edge: Edge, publication: Publication) -> FillReceipt:
    """Have one edge hold and prove every object."""
    return fill_edge(edge, publication, place.settings.agent_token)


def go_live(place: Workplace, publication: Publication, receipts: list[FillReceipt]) -> Pointer:
    """Flip the pointer, once every configured edge has a receipt for exactly this publication."""
    proven = {receipt.edge for receipt in receipts if receipt.inventory_sha256 == publication.inventory_sha256}
    missing = [edge.name for edge in place.settings.edges if edge.name not in proven]
    if missing:
        message = f"Title {publication.title_id} is not on edge {', '.join(missing)}; it does not go live before."
        raise NotFound(message)
    pointer = flip_pointer(publication, place.origin, now=datetime.now(UTC))
    publish_invalidation(place.settings.redis_url, [pointer_key(publication.title_id)])
    place.registry.set_live(publication.title_id, pointer)
    return pointer
