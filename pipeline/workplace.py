"""What the making of a package needs from outside, opened once: settings, the work store, content keys."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packagers.plan import Licences
from telecine.keystore import KeyStore
from telecine.settings import Settings
from telecine.storage.port import ObjectStore

__all__ = ["Workplace"]


@dataclass(frozen=True, slots=True)
class Workplace:
    """Ports and settings of one place of work; ``open_bucket`` reaches masters in any bucket."""

    settings: Settings
    work: ObjectStore
    keys: KeyStore
    open_bucket: Callable[[str], ObjectStore]

    @property
    def work_dir(self) -> Path:
        return self.settings.work_dir

    @property
    def licence_url(self) -> str:
        return self._proxy("clearkey")

    @property
    def licences(self) -> Licences:
        """Of other systems: as the settings say, or the playback service's own addresses."""
        settings = self.settings
        return Licences(
            widevine=settings.widevine_url or self._proxy("widevine"),
            playready=settings.playready_url or self._proxy("playready"),
            playready_information=settings.playready_lui_url,
        )

    def _proxy(self, system: str) -> str:
        return f"{self.settings.playback_url}/v1/licenses/{system}"
