"""An installation with its servers: a workplace that also has an origin and a title registry."""

from dataclasses import dataclass

from pipeline.workplace import Workplace
from telecine.errors import MissingRequirement
from telecine.keystore import SealedKeyStore, load_or_create_master_key
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.storage.port import ObjectStore
from telecine.storage.s3 import s3_store

__all__ = ["Installation", "open_installation"]


@dataclass(frozen=True, slots=True)
class Installation(Workplace):
    """Where titles are released: ``origin`` is what edges fill from, ``registry`` knows every title."""

    origin: ObjectStore
    registry: Registry


def open_installation(settings: Settings) -> Installation:
    """The configured installation. Raises MissingRequirement when none is."""
    if not settings.s3_endpoint:
        message = "No stack is configured here: start one with 'telecine up' (or 'make demo'), or set TELECINE_*."
        raise MissingRequirement(message)
    master_key = load_or_create_master_key(settings.kek_file)
    return Installation(
        settings=settings,
        work=s3_store(settings, settings.work_bucket),
        origin=s3_store(settings, settings.origin_bucket),
        keys=SealedKeyStore(LocalStore(settings.data_dir / "keys"), master_key),
        registry=Registry(settings.registry_url),
        open_bucket=lambda bucket: s3_store(settings, bucket),
    )
