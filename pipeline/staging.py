"""Staged readiness: first the profile's minimum ladder goes live, then the whole."""

from encoders.documents import EncodePlan
from encoders.part import part_of
from pipeline.installation import Installation
from pipeline.versions import version_named
from profiles.load import load_profile
from telecine.errors import NotFound

__all__ = ["plan_of_first_version", "problem_of_rest"]


def plan_of_first_version(place: Installation, title_id: str, plan: EncodePlan) -> EncodePlan:
    """What of a plan goes live first: the profile's minimum ladder, where it has one; the same plan else.

    Viewers who have a whole ladder already are not taken back to a few rungs: then all is made before any of it shows.
    """
    profile = load_profile(plan.ladder.profile, place.settings.catalogue_dir)
    live = place.registry.live_pointer(title_id)
    if not profile.minimum or (live is not None and not _is_partial(place, title_id, live.version)):
        return plan
    return part_of(plan, profile.minimum)


def problem_of_rest(place: Installation, title_id: str, problem: str) -> str:
    """The sentence people read when a step fails: with what viewers have meanwhile, where that is a minimum ladder."""
    try:
        live = place.registry.live_pointer(title_id)
        if live is None or not _is_partial(place, title_id, live.version):
            return problem
    except NotFound:
        return problem
    return f"Live with its minimum ladder (version {live.version}), the other rungs failed: {problem}"


def _is_partial(place: Installation, title_id: str, version: str) -> bool:
    try:
        return version_named(place, title_id, version).partial
    except NotFound:  # what is live was never written down, nor is it on the origin
        return False
