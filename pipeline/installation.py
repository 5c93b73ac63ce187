"""An installation with its servers: a workplace that also has an origin and a title registry."""

from dataclasses import dataclass

from encoders.leases import LeaseBoard
from pipeline.workplace import Workplace
from telecine.errors import MissingRequirement
from telecine.keys.opening import open_key_store
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.port import ObjectStore
from telecine.storage.s3 import s3_store

__all__ = ["Installation", "lease_board", "open_installation"]


@dataclass(frozen=True, slots=True)
class Installation(Workplace):
    """Where titles are released: ``origin`` is what edges fill from, ``registry`` knows every title.

    ``leases``: what a process that looks often keeps open; ``lease_board`` opens one for those that do not.
    """

    origin: ObjectStore
    registry: Registry
    leases: LeaseBoard | None = None


def lease_board(place: Installation) -> LeaseBoard:
    """What workers say of themselves: the board that is kept open here, else a new one."""
    return place.leases or LeaseBoard(place.settings.redis_url, place.settings.lease_s)


def open_installation(settings: Settings) -> Installation:
    """The configured installation. Raises MissingRequirement when none is."""
    if not settings.s3_endpoint:
        message = "No stack is configured here: start one with 'telecine up' (or 'make demo'), or set TELECINE_*."
        raise MissingRequirement(message)
    return Installation(
        settings=settings,
        work=s3_store(settings, settings.work_bucket),
        origin=s3_store(settings, settings.origin_bucket),
        keys=open_key_store(settings),
        registry=Registry(settings.registry_url),
        open_bucket=lambda bucket: s3_store(settings, bucket),
    )
