"""What an installation's settings mean in working parts."""

from playback.manifests.files import HttpFiles
from playback.parts import Parts
from playback.sessions.repository import RedisSessions
from playback.titles import RegistryTitles
from telecine.errors import MissingRequirement
from telecine.keys.opening import open_sealed_keys
from telecine.registry.audit import RegistryAudit
from telecine.registry.repository import Registry
from telecine.settings import Settings

__all__ = ["parts_of"]


def parts_of(settings: Settings) -> Parts:
    """The registry, the sealed key store of the data folder, and Redis. Raises MissingRequirement."""
    if not settings.redis_url.get_secret_value():
        message = "The playback service needs TELECINE_REDIS_URL for its sessions: 'telecine up' sets it."
        raise MissingRequirement(message)
    registry = Registry(settings.registry_url)
    return Parts(
        titles=RegistryTitles(registry),
        keys=open_sealed_keys(settings),
        sessions=RedisSessions(settings.redis_url),
        audit=RegistryAudit(registry),
        files=HttpFiles(),
    )
