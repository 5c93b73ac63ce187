"""Encrypted key delivery of CPIX: keys under a document key, the document and MAC keys for a recipient's certificate.

Document key: AES-256-CBC, the initialization vector in front (XML Encryption 1.0, 5.2). ValueMAC: HMAC-SHA512 over
initialization vector and ciphertext, verified before anything is decrypted (RFC 6030, 6.2). Both keys: RSA-OAEP with
MGF1 and SHA-1, as CPIX prescribes.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from pydantic import SecretBytes

from telecine.cpix.document import MalformedCpix
from telecine.errors import MissingRequirement
from telecine.private_files import read_private

__all__ = ["DeliveryKeys", "Recipient", "decrypted_keys", "load_private_key", "load_recipient"]

_LEAST_BITS = 2048
_DOCUMENT_KEY_BYTES = 32
_MAC_KEY_BYTES = 64
_BLOCK = 16
_OAEP = OAEP(mgf=MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - as CPIX prescribes


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whose private key opens a document."""

    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def wrapped(self, key: SecretBytes) -> bytes:
        """A key that only the recipient can open."""
        return _rsa(self.certificate, "The recipient's certificate").encrypt(key.get_secret_value(), _OAEP)

    def owns(self, private_key: RSAPrivateKey) -> bool:
        return self.certificate.public_key() == private_key.public_key()


@dataclass(frozen=True, slots=True)
class DeliveryKeys:
    """The document key and the MAC key of one document."""

    document: SecretBytes
    mac: SecretBytes

    @classmethod
    def fresh(cls) -> "DeliveryKeys":
        return cls(
            SecretBytes(secrets.token_bytes(_DOCUMENT_KEY_BYTES)), SecretBytes(secrets.token_bytes(_MAC_KEY_BYTES))
        )

    def encrypted(self, key: SecretBytes) -> tuple[bytes, bytes]:
        """The value of a key and its MAC."""
        iv, plain = secrets.token_bytes(_BLOCK), key.get_secret_value()
        fill = _BLOCK - len(plain) % _BLOCK
        encryptor = self._cipher(iv).encryptor()
        value = iv + encryptor.update(plain + bytes([fill]) * fill) + encryptor.finalize()
        return value, self._mac(value)

    def decrypted(self, value: bytes, mac: bytes, what: str) -> SecretBytes:
        """The key in a value. Raises MalformedCpix when the MAC or the padding is not right."""
        if not hmac.compare_digest(self._mac(value), mac):
            message = f"{what}: its ValueMAC does not fit, so it was changed on the way or made with another MAC key."
            raise MalformedCpix(message)
        if len(value) < 2 * _BLOCK or len(value) % _BLOCK:
            message = f"{what}: the encrypted value has {len(value)} bytes, which are not whole blocks of {_BLOCK}."
            raise MalformedCpix(message)
        decryptor = self._cipher(value[:_BLOCK]).decryptor()
        plain = decryptor.update(value[_BLOCK:]) + decryptor.finalize()
        if not 1 <= plain[-1] <= _BLOCK:
            message = f"{what}: the decrypted value does not end in a padding (XML Encryption 1.0, 5.2)."
            raise MalformedCpix(message)
        return SecretBytes(plain[: -plain[-1]])

    def _mac(self, value: bytes) -> bytes:
        return hmac.digest(self.mac.get_secret_value(), value, "sha512")

    def _cipher(self, iv: bytes) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self.document.get_secret_value()), modes.CBC(iv))


def decrypted_keys(private_key: RSAPrivateKey, document: bytes, mac: bytes) -> DeliveryKeys:
    """A document's keys. Raises MalformedCpix when they are not for this private key, or not of their lengths."""
    try:
        keys = [private_key.decrypt(wrapped, _OAEP) for wrapped in (document, mac)]
    except ValueError:
        message = "DocumentKey and MACMethod do not open with our private key: they were made for another certificate."
        raise MalformedCpix(message) from None
    if len(keys[0]) != _DOCUMENT_KEY_BYTES:
        message = f"The document key must have {_DOCUMENT_KEY_BYTES} bytes for AES-256, but has {len(keys[0])}."
        raise MalformedCpix(message)
    return DeliveryKeys(SecretBytes(keys[0]), SecretBytes(keys[1]))


def load_recipient(path: Path) -> Recipient:
    """A certificate in PEM. Raises MissingRequirement when it is none, out of date, or its key too weak."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        message = f"{path} must hold a certificate in PEM."
        raise MissingRequirement(message) from None
    _rsa(certificate, str(path))
    if certificate.not_valid_after_utc < datetime.now(UTC):
        message = f"The certificate in {path} ended on {certificate.not_valid_after_utc:%Y-%m-%d}: use a new one."
        raise MissingRequirement(message)
    return Recipient(certificate)


def load_private_key(path: Path) -> RSAPrivateKey:
    """An RSA key in PEM, in a file only its owner can read. Raises MissingRequirement."""
    content = read_private(path, "a private key")
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        message = f"{path} must hold an RSA private key in PEM, without a password."
        raise MissingRequirement(message) from None
    if not isinstance(key, RSAPrivateKey):
        message = f"{path} must hold an RSA private key: CPIX wraps keys by RSA-OAEP."
        raise MissingRequirement(message)
    return key


def _rsa(certificate: x509.Certificate, what: str) -> RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_BITS:
        message = f"{what} must carry an RSA key of at least {_LEAST_BITS} bits: CPIX wraps keys by RSA-OAEP."
        raise MissingRequirement(message)
    return key
