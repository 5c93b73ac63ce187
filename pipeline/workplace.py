"""Everything a step needs from outside, opened once: stores, keys, registry, settings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from telecine.errors import MissingRequirement
from telecine.keystore import KeyStore, SealedKeyStore, load_or_create_master_key
from telecine.registry import Registry
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.storage.port import ObjectStore
from telecine.storage.s3 import s3_store

__all__ = ["Workplace", "open_workplace"]


@dataclass(frozen=True, slots=True)
class Workplace:
    """Ports and settings of one installation; ``open_bucket`` reaches masters in any bucket."""

    settings: Settings
    work: ObjectStore
    origin: ObjectStore
    keys: KeyStore
    registry: Registry
    open_bucket: Callable[[str], ObjectStore]

    @property
    def work_dir(self) -> Path:
        return self.settings.work_dir

    @property
    def licence_url(self) -> str:
        return f"{self.settings.playback_url}/v1/licenses/clearkey"


def open_workplace(settings: Settings) -> Workplace:
    """The workplace of a configured installation. Raises MissingRequirement when none is."""
    if not settings.s3_endpoint:
        message = "No stack is configured here: start one with 'telecine up' (or 'make demo'), or set TELECINE_*."
        raise MissingRequirement(message)
    master_key = load_or_create_master_key(settings.kek_file)
    return Workplace(
        settings=settings,
        work=s3_store(settings, settings.work_bucket),
        origin=s3_store(settings, settings.origin_bucket),
        keys=SealedKeyStore(LocalStore(settings.data_dir / "keys"), master_key),
        registry=Registry(settings.registry_url),
        open_bucket=lambda bucket: s3_store(settings, bucket),
    )
