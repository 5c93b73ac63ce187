"""The one place where a key store is opened, as the settings say."""

from telecine.cpix.delivery import load_private_key, load_recipient
from telecine.keys.local import SealedKeyStore
from telecine.keys.master import MasterKeyFile
from telecine.keys.port import KeyStore
from telecine.keys.speke import SpekeKeyStore
from telecine.keys.speke_client import SpekeClient, SpekeServer
from telecine.settings import Settings
from telecine.storage.local import LocalStore

__all__ = ["open_key_store", "open_sealed_keys"]


def open_key_store(settings: Settings) -> KeyStore:
    """The configured provider. Raises MissingRequirement when its settings are not enough."""
    sealed = open_sealed_keys(settings)
    if settings.key_provider == "local":
        return sealed
    certificate, private_key = settings.speke_certificate_file, settings.speke_private_key_file
    server = SpekeServer(
        url=settings.speke_url,
        authorization=settings.speke_authorization,
        systems=settings.speke_systems,
        recipient=load_recipient(certificate) if certificate else None,
        private_key=load_private_key(private_key) if private_key else None,
        timeout_s=settings.speke_timeout_s,
    )
    return SpekeKeyStore(sealed, SpekeClient(server), settings.speke_scheme)


def open_sealed_keys(settings: Settings) -> SealedKeyStore:
    """The keys that are here, whoever made them: all that licences need."""
    return SealedKeyStore(LocalStore(settings.data_dir / "keys"), MasterKeyFile(settings.kek_file))
