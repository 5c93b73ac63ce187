"""Versions of a title: what there is, and back to one of them in one action."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from edge.client import fill_edge, held_by
from edge.invalidation import publish_invalidation
from origin.pointer import go_live as flip_pointer
from origin.pointer import pointer_key
from origin.published import found_publications
from pipeline.installation import Installation
from telecine.changes import TitleChange
from telecine.document import UtcTime
from telecine.errors import MissingRequirement, NotFound, TelecineError
from telecine.publication import FillReceipt, Pointer, Publication
from telecine.registry.records import TitleRecord
from telecine.registry.versions import MadeOf, VersionLedger
from telecine.versions import VersionRecord

__all__ = ["refill", "remember", "roll_back", "version_named", "versions"]


def versions(place: Installation, title_id: str) -> tuple[VersionRecord, ...]:
    """Every version that is or was on the origin, the newest first.

    Those of before the ledger was kept are found on the origin the first time. Raises NotFound for an unknown title.
    """
    title, ledger = place.registry.title(title_id), VersionLedger(place.registry)
    known = ledger.versions(title_id)
    if known and (title.live is None or any(record.live for record in known)):
        return known
    ledger.add(_found(place, title))
    return ledger.versions(title_id)


def version_named(place: Installation, title_id: str, version: str) -> VersionRecord:
    """One version of a title. Raises NotFound."""
    for record in versions(place, title_id):
        if record.version == version:
            return record
    message = f"There is no version '{version}' of {title_id}: 'telecine versions {title_id}' lists what there is."
    raise NotFound(message)


def remember(
    place: Installation, publication: Publication, *, rungs: Sequence[str] = (), partial: bool = False
) -> None:
    """Write down a version that is on the origin, whole; what is live and was not written down goes first."""
    title = place.registry.title(publication.title_id)
    if title.live is not None:
        versions(place, publication.title_id)
    made_of = MadeOf(
        profile=title.profile, master_sha256=title.master_sha256, rungs=tuple(sorted(rungs)), partial=partial
    )
    VersionLedger(place.registry).remember(publication, made_of, datetime.now(UTC))


def roll_back(place: Installation, title_id: str, version: str | None, *, who: str, why: str) -> Pointer:
    """Make a kept version live again, None: the one that was live before. Audited; under a second.

    Nothing is copied: every edge must hold the version still, or nothing changes. A version that is live already stays,
    and the edges are told once more. Killed anywhere and asked again with the version's name, it goes on.

    Raises NotFound for a version that is unknown or that an edge lost, PreconditionFailed for one that is retired or
    just being removed, TelecineError where there is none to go back to, Unavailable when an edge does not answer.
    """
    title, ledger = place.registry.title(title_id), VersionLedger(place.registry)
    before = title.live
    if before is None:
        message = f"The title {title_id} was never live, so there is nothing to roll back."
        raise TelecineError(message)
    target = version_named(place, title_id, version or _previous(before))
    _require_kept(target)
    _require_held(place, target.publication)
    now = datetime.now(UTC)
    ledger.claim(title_id, target.version, now)
    pointer = flip_pointer(target.publication, place.origin, now=now)
    if before != pointer:
        ledger.rolled_back(pointer, _change(before, pointer, who, why, now))
    publish_invalidation(place.settings.redis_url, [pointer_key(title_id)])
    return pointer


def refill(place: Installation, title_id: str, version: str) -> tuple[FillReceipt, ...]:
    """Have every edge hold a kept version again, one after the other; minutes where an edge lost it."""
    record = version_named(place, title_id, version)
    _require_kept(record)
    return tuple(fill_edge(edge, record.publication, place.settings.agent_token) for edge in place.settings.edges)


def _previous(live: Pointer) -> str:
    if live.previous is None:
        message = f"Version {live.version} of {live.title_id} is the first that went live: name another to go to."
        raise TelecineError(message)
    return live.previous


def _require_kept(target: VersionRecord) -> None:
    if target.retired_at is not None:
        message = (
            f"Version {target.version} of {target.title_id} was retired at {target.retired_at:%Y-%m-%d %H:%M} UTC."
        )
        raise NotFound(message)


def _require_held(place: Installation, publication: Publication) -> None:
    """Every edge must have the version on its disk: viewers would wait for what is missing."""
    edges, token = place.settings.edges, place.settings.agent_token
    if not edges:
        message = "No edge is configured (TELECINE_EDGES), so nothing can go live."
        raise MissingRequirement(message)
    asked = publication.title_id, publication.version
    with ThreadPoolExecutor(len(edges)) as pool:
        receipts = list(pool.map(lambda edge: held_by(edge, *asked, token), edges))
    lost = [
        edge.name
        for edge, receipt in zip(edges, receipts, strict=True)
        if receipt is None or receipt.inventory_sha256 != publication.inventory_sha256
    ]
    if lost:
        message = (
            f"Version {asked[1]} of {asked[0]} is not whole on edge {', '.join(lost)}, so it does not go live: "
            f"'telecine rollback {asked[0]} {asked[1]} --fill' has it filled first."
        )
        raise NotFound(message)


def _change(before: Pointer, after: Pointer, who: str, why: str, now: UtcTime) -> TitleChange:
    return TitleChange(
        at=now,
        title_id=after.title_id,
        who=who,
        action="roll_back",
        before={"version": before.version, "seq": str(before.seq)},
        after={"version": after.version, "seq": str(after.seq)},
        why=why,
    )


def _found(place: Installation, title: TitleRecord) -> list[VersionRecord]:
    """Versions on the origin that were published before versions were written down."""
    live = title.live
    used = [found.kids for found in live.sets] if live else []
    labels = _labels(place, title.title_id) | {kid: label for kids in used for label, kid in kids.items()}
    found = []
    for publication, rungs in found_publications(title.title_id, place.origin, labels):
        is_live = live is not None and live.version == publication.version
        found.append(
            VersionRecord(
                title_id=title.title_id,
                version=publication.version,
                made_at=live.live_at if live is not None and is_live else title.created_at,  # origin keeps no times
                live_at=live.live_at if live is not None and is_live else None,
                publication=publication,
                profile=title.live_profile or title.profile,
                master_sha256=title.live_sha256 if is_live else None,
                rungs=rungs,
            )
        )
    return found


def _labels(place: Installation, title_id: str) -> dict[str, str]:
    try:
        return {key.kid: key.label for key in place.keys.records(title_id)}
    except NotFound:
        return {}
