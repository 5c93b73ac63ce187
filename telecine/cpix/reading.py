"""Reads CPIX 2.3: every element checked before it is believed, no entity resolved, nothing fetched.

The checks are those of the schema that matter for keys (names, required attributes, UUIDs, base64, lengths) and those
it cannot say: rules and systems name a key of the document, no KID twice, no label twice but for another scheme.
Signatures are not verified.
"""

import re
from collections.abc import Iterable
from typing import cast, get_args

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree
from pydantic import SecretBytes

from telecine.cpix.delivery import DeliveryKeys, decrypted_keys
from telecine.cpix.document import (
    AES_256_CBC,
    CPIX,
    DS,
    HMAC_SHA512,
    NAMESPACES,
    RSA_OAEP,
    VERSION,
    Cpix,
    CpixKey,
    MalformedCpix,
    Scheme,
)
from telecine.cpix.signals import signal_of
from telecine.cpix.xml import base64_text, decoded, malformed, named, parsed, required, uuid_of
from telecine.protection import Kid

__all__ = ["read_cpix"]

_KEY_BYTES = 16
_LABEL = re.compile(r"[A-Za-z0-9_+-]{1,40}")
_LISTS = {
    "DeliveryDataList": "DeliveryData",
    "ContentKeyList": "ContentKey",
    "DRMSystemList": "DRMSystem",
    "ContentKeyPeriodList": "ContentKeyPeriod",
    "ContentKeyUsageRuleList": "ContentKeyUsageRule",
    "UpdateHistoryItemList": "UpdateHistoryItem",
}


def read_cpix(content: bytes, private_key: RSAPrivateKey | None = None) -> Cpix:
    """What a document says, its keys decrypted where they are encrypted. Raises MalformedCpix in one sentence."""
    root = parsed(content)
    if root.tag != f"{{{CPIX}}}CPIX":
        raise malformed(f"the root must be CPIX of {CPIX}, but is {named(root)}")
    version = root.get("version", VERSION)
    if version.partition(".")[0] != "2":
        raise malformed(f"CPIX@version must be 2.x, such as {VERSION}, but another one was found")
    _check_lists(root)
    labels = _labels(root)
    delivery = _delivery(root, private_key)
    keys = tuple(_key(element, labels, delivery) for element in _all(root, "ContentKeyList/cpix:ContentKey"))
    _once("key id", [key.kid for key in keys])
    _once("intendedTrackType", [f"{key.label} of cenc" if key.scheme == "cenc" else key.label for key in keys])
    kids = {key.kid for key in keys}
    signals = tuple(signal_of(element) for element in _all(root, "DRMSystemList/cpix:DRMSystem"))
    _known("DRMSystem", [signal.kid for signal in signals], kids)
    _known("ContentKeyUsageRule", labels, kids)
    in_clear = root.iterfind(".//pskc:PlainValue", NAMESPACES)
    return Cpix(required(root, "contentId"), keys, signals, encrypted=next(in_clear, None) is None)


def _check_lists(root: etree._Element) -> None:
    for element in root.iterchildren(etree.Element):
        name = etree.QName(element)
        if (name.namespace, name.localname) == (DS, "Signature"):
            continue
        if name.namespace != CPIX or name.localname not in _LISTS:
            raise malformed(f"CPIX holds an element {named(element)}, which it does not have")
        for item in element.iterchildren(etree.Element):
            if item.tag != f"{{{CPIX}}}{_LISTS[name.localname]}":
                raise malformed(f"{name.localname} holds an element {named(item)}, which it does not have")


def _labels(root: etree._Element) -> dict[Kid, str]:
    """The label of each KID: what its usage rule is intended for."""
    labels: dict[Kid, str] = {}
    for rule in _all(root, "ContentKeyUsageRuleList/cpix:ContentKeyUsageRule"):
        kid, label = uuid_of(rule, "kid"), required(rule, "intendedTrackType")
        if not _LABEL.fullmatch(label):
            raise malformed(
                "ContentKeyUsageRule@intendedTrackType may hold letters, digits, '_', '+' and '-', 40 at most"
            )
        if labels.setdefault(kid, label) != label:
            raise malformed(f"key {kid} has rules for several intendedTrackTypes, where one key has one label")
    return labels


def _delivery(root: etree._Element, private_key: RSAPrivateKey | None) -> DeliveryKeys | None:
    """The keys that encrypted values are opened with; none when the document carries none for us."""
    every = _all(root, "DeliveryDataList/cpix:DeliveryData")
    offered = [data for data in every if data.find("cpix:DocumentKey", NAMESPACES) is not None]
    if not offered or private_key is None:
        return None
    ours = [data for data in offered if _is_for(data, private_key)]
    if not ours:
        message = "CPIX: its keys are encrypted for another certificate: none of its DeliveryKeys fits our private key."
        raise MalformedCpix(message)
    document = _one(ours[0], "cpix:DocumentKey/cpix:Data/pskc:Secret/pskc:EncryptedValue")
    method = _one(ours[0], "cpix:MACMethod")
    if method.get("Algorithm") != HMAC_SHA512:
        raise malformed(f"MACMethod@Algorithm must be {HMAC_SHA512}")
    # the schema has pskc:MACKey; some writers say Key instead
    places = ("pskc:MACKey", "cpix:Key", "pskc:Key")
    mac = next((found for place in places if (found := method.find(place, NAMESPACES)) is not None), None)
    if mac is None:
        raise malformed("MACMethod has no MACKey")
    return decrypted_keys(private_key, _cipher_value(document, RSA_OAEP), _cipher_value(mac, RSA_OAEP))


def _is_for(data: etree._Element, private_key: RSAPrivateKey) -> bool:
    """Whether a DeliveryKey's certificate is that of a private key; one that names none may be."""
    element = data.find("cpix:DeliveryKey/ds:X509Data/ds:X509Certificate", NAMESPACES)
    if element is None:
        return True
    try:
        certificate = x509.load_der_x509_certificate(base64_text(element))
    except ValueError:
        raise malformed("X509Certificate is no certificate") from None
    return certificate.public_key() == private_key.public_key()


def _key(element: etree._Element, labels: dict[Kid, str], delivery: DeliveryKeys | None) -> CpixKey:
    kid = uuid_of(element, "kid")
    if kid not in labels:
        raise malformed(f"key {kid} has no ContentKeyUsageRule, so nobody can tell which tracks it is for")
    scheme = element.get("commonEncryptionScheme")
    if scheme is not None and scheme not in get_args(Scheme):
        raise malformed(f"key {kid} is for another scheme than {' or '.join(get_args(Scheme))}")
    iv = element.get("explicitIV")
    return CpixKey(
        kid=kid,
        label=labels[kid],
        key=_secret(element, kid, delivery),
        iv=None if iv is None else _sixteen(decoded(iv, f"explicitIV of key {kid}"), f"explicitIV of key {kid}"),
        scheme=cast("Scheme | None", scheme),
    )


def _secret(element: etree._Element, kid: Kid, delivery: DeliveryKeys | None) -> SecretBytes | None:
    secret = element.find("cpix:Data/pskc:Secret", NAMESPACES)
    if secret is None:
        return None
    plain, what = secret.find("pskc:PlainValue", NAMESPACES), f"key {kid}"
    if plain is not None:
        return _sixteen(base64_text(plain), what)
    if delivery is None:
        message = f"CPIX: {what} is encrypted, and opens only with the private key of the certificate it was made for."
        raise MalformedCpix(message)
    value = _cipher_value(_one(secret, "pskc:EncryptedValue"), AES_256_CBC)
    mac = base64_text(_one(secret, "pskc:ValueMAC"))
    return _sixteen(delivery.decrypted(value, mac, what).get_secret_value(), what)


def _cipher_value(element: etree._Element, algorithm: str) -> bytes:
    method = _one(element, "enc:EncryptionMethod")
    if method.get("Algorithm") != algorithm:
        raise malformed(f"EncryptionMethod@Algorithm of {named(element)} must be {algorithm}")
    return base64_text(_one(element, "enc:CipherData/enc:CipherValue"))


def _sixteen(value: bytes, what: str) -> SecretBytes:
    if len(value) != _KEY_BYTES:
        raise malformed(f"{what} must have {_KEY_BYTES} bytes, but has {len(value)}")
    return SecretBytes(value)


def _once(what: str, values: list[str]) -> None:
    for value in sorted(set(values)):
        if values.count(value) > 1:
            raise malformed(f"two keys have the {what} {value}, where each has its own")


def _known(what: str, named_kids: Iterable[Kid], kids: set[Kid]) -> None:
    for kid in named_kids:
        if kid not in kids:
            raise malformed(f"a {what} names key {kid}, which the document does not have")


def _all(root: etree._Element, path: str) -> list[etree._Element]:
    return root.findall(f"cpix:{path}", NAMESPACES)


def _one(parent: etree._Element, path: str) -> etree._Element:
    found = parent.findall(path, NAMESPACES)
    if len(found) != 1:
        raise malformed(f"{named(parent)} must have one {path}, but has {len(found)}")
    return found[0]
