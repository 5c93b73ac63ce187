"""The key store, as the stages know it: the port, the local provider, and the master key it seals under."""

from telecine.keys.local import SealedKeyStore
from telecine.keys.master import load_or_create_master_key
from telecine.keys.port import KeyStore

__all__ = ["KeyStore", "SealedKeyStore", "load_or_create_master_key"]
