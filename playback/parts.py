"""What the service stands on, as ports."""

import time
from dataclasses import dataclass

from playback.keys import KeySource
from playback.manifests.files import PublishedFiles
from playback.sessions.repository import SessionRepository
from playback.sessions.service import Clock
from playback.titles import TitleSource
from telecine.registry.audit import LicenceAudit

__all__ = ["Parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service stands on; tests give their own."""

    titles: TitleSource
    keys: KeySource
    sessions: SessionRepository
    audit: LicenceAudit
    files: PublishedFiles
    clock: Clock = time.time
