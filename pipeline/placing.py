"""The steps that place a package where viewers get it: origin, edges, live. None knows Airflow."""

from collections.abc import Sequence
from datetime import UTC, datetime

from edge.client import fill_edge
from edge.invalidation import publish_invalidation
from origin.pointer import go_live as flip_pointer
from origin.pointer import pointer_key
from origin.publish import publish as publish_package
from pipeline.installation import Installation
from pipeline.versions import remember, version_named
from telecine.errors import MissingRequirement, NotFound, PreconditionFailed
from telecine.publication import Edge, FillReceipt, Package, Pointer, Publication
from telecine.registry.versions import VersionLedger

__all__ = ["edge_named", "edges", "fill", "go_live", "publish"]


def publish(place: Installation, package: Package, *, rungs: Sequence[str] = (), partial: bool = False) -> Publication:
    """Copy the package to its immutable place on the origin, and write the version down; nothing points to it yet.

    ``rungs`` name its renditions; ``partial``: of the profile's minimum ladder. Raises Unavailable while an old version
    of the same content is just being removed.
    """
    VersionLedger(place.registry).begin(package.title_id, package.version, datetime.now(UTC))
    publication = publish_package(package, place.work, place.origin, place.work_dir)
    remember(place, publication, rungs=rungs, partial=partial)
    return publication


def edges(place: Installation) -> tuple[Edge, ...]:
    """Every edge that must hold a title before it goes live. Raises MissingRequirement when none is configured."""
    if not place.settings.edges:
        message = "No edge is configured (TELECINE_EDGES), so no title can go live."
        raise MissingRequirement(message)
    return place.settings.edges


def edge_named(place: Installation, name: str) -> Edge:
    """Raises NotFound when no such edge is configured."""
    for edge in place.settings.edges:
        if edge.name == name:
            return edge
    message = f"There is no edge '{name}' in the settings (TELECINE_EDGES)."
    raise NotFound(message)


def fill(place: Installation, edge: Edge, publication: Publication) -> FillReceipt:
    """Have one edge hold and prove every object."""
    return fill_edge(edge, publication, place.settings.agent_token)


def go_live(
    place: Installation, publication: Publication, receipts: list[FillReceipt], *, after: str | None = None
) -> Pointer:
    """Flip the pointer, once every configured edge has a receipt for exactly this publication.

    ``after``: only where viewers still get that version. Raises PreconditionFailed where a person went elsewhere
    meanwhile, or the version is just being removed.
    """
    proven = {receipt.edge for receipt in receipts if receipt.inventory_sha256 == publication.inventory_sha256}
    missing = [edge.name for edge in place.settings.edges if edge.name not in proven]
    if missing:
        message = f"Title {publication.title_id} is not on edge {', '.join(missing)}; it does not go live before."
        raise NotFound(message)
    _require_live(place, publication, after)
    ledger, now = VersionLedger(place.registry), datetime.now(UTC)
    record = version_named(place, publication.title_id, publication.version)
    live = place.registry.live_pointer(publication.title_id)
    if record.partial and live is not None and not version_named(place, live.title_id, live.version).partial:
        return live  # a repeated task: viewers have the other rungs too by now, and keep them
    ledger.claim(publication.title_id, publication.version, now)
    pointer = flip_pointer(publication, place.origin, now=now)
    publish_invalidation(place.settings.redis_url, [pointer_key(publication.title_id)])
    place.registry.set_live(publication.title_id, pointer, partial=record.partial)
    return pointer


def _require_live(place: Installation, publication: Publication, expected: str | None) -> None:
    live = place.registry.live_pointer(publication.title_id)
    if expected is None or (live is not None and live.version in {expected, publication.version}):
        return
    title_id, version = publication.title_id, publication.version
    found = live.version if live else "nothing"
    message = (
        f"Version {version} of {title_id} is ready on every edge but not live: it was to follow {expected}, "
        f"and viewers get {found}. 'telecine rollback {title_id} {version}' makes it live."
    )
    raise PreconditionFailed(message)
