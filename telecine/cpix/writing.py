"""Writes CPIX 2.3. Equal documents give equal bytes as long as nothing is encrypted."""

import base64
import uuid
from collections.abc import Sequence

from lxml import etree
from pydantic import SecretBytes

from telecine.cpix.delivery import DeliveryKeys, Recipient
from telecine.cpix.document import (
    AES_256_CBC,
    CPIX,
    DS,
    ENC,
    HMAC_SHA512,
    NAMESPACES,
    PSKC,
    RSA_OAEP,
    SYSTEMS,
    VERSION,
    Cpix,
    CpixKey,
    SystemName,
    rule_of,
)
from telecine.protection import DrmSystemSignal

__all__ = ["key_request", "write_cpix"]


def write_cpix(document: Cpix, recipient: Recipient | None = None) -> bytes:
    """A document with its keys: in clear, or for a recipient's certificate alone."""
    root = _root(document.content_id)
    delivery = DeliveryKeys.fresh() if recipient else None
    if recipient and delivery:
        _delivery_data(root, recipient, delivery)
    keys = sorted(document.keys, key=lambda key: (key.label, key.kid))
    content_keys = _child(root, CPIX, "ContentKeyList")
    for key in keys:
        _content_key(content_keys, key, delivery)
    if document.signals:
        systems = _child(root, CPIX, "DRMSystemList")
        for signal in sorted(document.signals, key=lambda signal: (signal.kid, signal.system_id)):
            _drm_system(systems, signal)
    _usage_rules(root, keys)
    return _text(root)


def key_request(document: Cpix, systems: Sequence[SystemName], recipient: Recipient | None = None) -> bytes:
    """A document that asks for the keys of its KIDs and the signalling of DRM systems (SPEKE 2.0).

    Empty elements stand for what the answer is to fill in. With a recipient, the answer's keys are to be encrypted for
    its certificate.
    """
    root = _root(document.content_id)
    if recipient:
        data = _child(_child(root, CPIX, "DeliveryDataList"), CPIX, "DeliveryData")
        _certificate(data, recipient)
    content_keys = _child(root, CPIX, "ContentKeyList")
    for key in document.keys:
        _content_key(content_keys, key, None)
    drm_systems = _child(root, CPIX, "DRMSystemList")
    for key in document.keys:
        for name in systems:
            _wanted_signals(drm_systems, key, name)
    _usage_rules(root, document.keys)
    return _text(root)


def _root(content_id: str) -> etree._Element:
    root = etree.Element(f"{{{CPIX}}}CPIX", nsmap=NAMESPACES)
    root.set("contentId", content_id)
    root.set("version", VERSION)
    return root


def _text(root: etree._Element) -> bytes:
    etree.cleanup_namespaces(root, keep_ns_prefixes=["cpix", "pskc"])
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _delivery_data(root: etree._Element, recipient: Recipient, delivery: DeliveryKeys) -> None:
    data = _child(_child(root, CPIX, "DeliveryDataList"), CPIX, "DeliveryData")
    _certificate(data, recipient)
    document_key = _child(data, CPIX, "DocumentKey")
    document_key.set("Algorithm", AES_256_CBC)
    secret = _child(_child(document_key, CPIX, "Data"), PSKC, "Secret")
    _encrypted(_child(secret, PSKC, "EncryptedValue"), RSA_OAEP, recipient.wrapped(delivery.document))
    method = _child(data, CPIX, "MACMethod")
    method.set("Algorithm", HMAC_SHA512)
    _encrypted(_child(method, PSKC, "MACKey"), RSA_OAEP, recipient.wrapped(delivery.mac))


def _certificate(data: etree._Element, recipient: Recipient) -> None:
    x509_data = _child(_child(data, CPIX, "DeliveryKey"), DS, "X509Data")
    _child(x509_data, DS, "X509Certificate").text = _base64(recipient.der)


def _content_key(parent: etree._Element, key: CpixKey, delivery: DeliveryKeys | None) -> None:
    element = _child(parent, CPIX, "ContentKey")
    element.set("kid", _uuid(key.kid))
    if key.iv:
        element.set("explicitIV", _base64(key.iv.get_secret_value()))
    if key.scheme:
        element.set("commonEncryptionScheme", key.scheme)
    if key.key:
        _secret(_child(_child(element, CPIX, "Data"), PSKC, "Secret"), key.key, delivery)


def _secret(element: etree._Element, key: SecretBytes, delivery: DeliveryKeys | None) -> None:
    if delivery is None:
        _child(element, PSKC, "PlainValue").text = _base64(key.get_secret_value())
        return
    value, mac = delivery.encrypted(key)
    _encrypted(_child(element, PSKC, "EncryptedValue"), AES_256_CBC, value)
    _child(element, PSKC, "ValueMAC").text = _base64(mac)


def _encrypted(element: etree._Element, algorithm: str, value: bytes) -> None:
    _child(element, ENC, "EncryptionMethod").set("Algorithm", algorithm)
    _child(_child(element, ENC, "CipherData"), ENC, "CipherValue").text = _base64(value)


def _drm_system(parent: etree._Element, signal: DrmSystemSignal) -> None:
    element = _child(parent, CPIX, "DRMSystem")
    element.set("kid", _uuid(signal.kid))
    element.set("systemId", signal.system_id)
    if signal.pssh is not None:
        _child(element, CPIX, "PSSH").text = signal.pssh
    if signal.content_protection_xml is not None:
        _child(element, CPIX, "ContentProtectionData").text = _base64(signal.content_protection_xml.encode())
    for playlist, lines in (("master", signal.hls_signalling_master), ("media", signal.hls_signalling_media)):
        if lines is not None:
            _hls(element, playlist).text = _base64(lines.encode())


def _wanted_signals(parent: etree._Element, key: CpixKey, name: SystemName) -> None:
    element = _child(parent, CPIX, "DRMSystem")
    element.set("kid", _uuid(key.kid))
    element.set("systemId", SYSTEMS[name])
    if name != "fairplay":  # which has no pssh box and is not signalled in DASH
        _child(element, CPIX, "PSSH")
        _child(element, CPIX, "ContentProtectionData")
    for playlist in ("master", "media"):
        _hls(element, playlist)


def _hls(parent: etree._Element, playlist: str) -> etree._Element:
    element = _child(parent, CPIX, "HLSSignalingData")
    element.set("playlist", playlist)
    return element


def _usage_rules(root: etree._Element, keys: Sequence[CpixKey]) -> None:
    rules = _child(root, CPIX, "ContentKeyUsageRuleList")
    for key in keys:
        element = _child(rules, CPIX, "ContentKeyUsageRule")
        element.set("kid", _uuid(key.kid))
        element.set("intendedTrackType", key.label)
        rule = rule_of(key.label)
        track = _child(element, CPIX, rule.element)
        for name, value in rule.attributes:
            track.set(name, value)


def _child(parent: etree._Element, namespace: str, name: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{namespace}}}{name}")


def _uuid(kid: str) -> str:
    return str(uuid.UUID(hex=kid))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
