"""A small key provider that speaks SPEKE 2.0, written from the standard alone: nothing of it comes from the product."""

import base64
import hmac
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from lxml import etree

CPIX, PSKC = "urn:dashif:org:cpix", "urn:ietf:params:xml:ns:keyprov:pskc"
DS, ENC = "http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/04/xmlenc#"
NS = {"cpix": CPIX, "pskc": PSKC, "ds": DS, "enc": ENC}
OAEP = rsa_padding.OAEP(mgf=rsa_padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
SCHEMES = {"cbcs", "cenc"}

PLAYREADY = UUID("9a04f079-9840-4286-ab92-e65be0885f95")
FAIRPLAY = UUID("94ce86fb-07ff-4f43-adb8-93d2fa968ca2")
PLAYREADY_HEADER = "http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader"


class Refused(Exception):
    """The request breaks SPEKE 2.0."""


@dataclass
class Vendor:
    """What a running server was asked and how it answers; ``statuses`` are given first, ``spoil`` changes an answer."""

    url: str = ""
    authorization: str = "Bearer vendor-token"
    seed: bytes = field(default_factory=lambda: os.urandom(32))
    requests: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    spoil: object = None
    with_iv: bool = True
    delay_s: float = 0
    refusals: list[str] = field(default_factory=list)

    def key_of(self, content_id: str, kid: str) -> bytes:
        return hmac.digest(self.seed, f"{content_id} {UUID(kid).hex}".encode(), "sha256")[:16]

    def answer(self, headers, body: bytes) -> tuple[int, bytes]:
        self.requests.append(body)
        self.headers.append(headers)
        if self.statuses:
            return self.statuses.pop(0), b"secret of the vendor"
        if headers.get("authorization") != self.authorization:
            return 403, b"who are you?"
        try:
            root = self._filled(headers, etree.fromstring(body))
        except Refused as refused:
            self.refusals.append(str(refused))
            return 400, str(refused).encode()
        if self.spoil:
            self.spoil(root)
        return 200, etree.tostring(root)

    def _filled(self, headers, root):
        demand(headers.get("x-speke-version") == "2.0", "X-Speke-Version")
        demand(headers.get("x-speke-user-agent"), "X-Speke-User-Agent")
        demand(root.tag == f"{{{CPIX}}}CPIX" and root.get("version") == "2.3", "CPIX 2.3")
        demand(root.get("contentId"), "contentId")
        keys = root.findall("cpix:ContentKeyList/cpix:ContentKey", NS)
        demand(keys, "keys")
        rules = {
            rule.get("kid"): rule for rule in root.findall("cpix:ContentKeyUsageRuleList/cpix:ContentKeyUsageRule", NS)
        }
        demand(len({rule.get("intendedTrackType") for rule in rules.values()}) == len(keys) == len(rules), "contract")
        box = Box(root.find("cpix:DeliveryDataList/cpix:DeliveryData", NS))
        for key in keys:
            demand(key.get("commonEncryptionScheme") in SCHEMES, "commonEncryptionScheme")
            demand(len(rules[key.get("kid")]) > 0, "filter")
            if self.with_iv:
                key.set("explicitIV", base64.b64encode(self.key_of("iv", key.get("kid"))).decode())
            secret = etree.SubElement(etree.SubElement(key, f"{{{CPIX}}}Data"), f"{{{PSKC}}}Secret")
            box.put(secret, self.key_of(root.get("contentId"), key.get("kid")))
        schemes = {key.get("kid"): key.get("commonEncryptionScheme") for key in keys}
        for system in root.findall("cpix:DRMSystemList/cpix:DRMSystem", NS):
            scheme = schemes[system.get("kid")]
            demand(scheme == "cbcs" or UUID(system.get("systemId")) != FAIRPLAY, "FairPlay opens cbcs alone")
            fill_system(system, "SAMPLE-AES" if scheme == "cbcs" else "SAMPLE-AES-CTR")
        return root


class Box:
    """How keys travel: in clear, or for the certificate in the request."""

    def __init__(self, data) -> None:
        self.data = data
        if data is None:
            return
        text = data.findtext("cpix:DeliveryKey/ds:X509Data/ds:X509Certificate", namespaces=NS)
        certificate = x509.load_der_x509_certificate(base64.b64decode(text))
        self.key, self.mac_key = os.urandom(32), os.urandom(64)
        public = certificate.public_key()
        document = etree.SubElement(data, f"{{{CPIX}}}DocumentKey", Algorithm=f"{ENC}aes256-cbc")
        secret = etree.SubElement(etree.SubElement(document, f"{{{CPIX}}}Data"), f"{{{PSKC}}}Secret")
        oaep = f"{ENC}rsa-oaep-mgf1p"
        cipher_value(etree.SubElement(secret, f"{{{PSKC}}}EncryptedValue"), oaep, public.encrypt(self.key, OAEP))
        method = etree.SubElement(
            data, f"{{{CPIX}}}MACMethod", Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha512"
        )
        cipher_value(etree.SubElement(method, f"{{{PSKC}}}MACKey"), oaep, public.encrypt(self.mac_key, OAEP))

    def put(self, secret, key: bytes) -> None:
        if self.data is None:
            etree.SubElement(secret, f"{{{PSKC}}}PlainValue").text = base64.b64encode(key).decode()
            return
        iv, padder = os.urandom(16), padding.PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(iv)).encryptor()
        value = iv + encryptor.update(padder.update(key) + padder.finalize()) + encryptor.finalize()
        cipher_value(etree.SubElement(secret, f"{{{PSKC}}}EncryptedValue"), f"{ENC}aes256-cbc", value)
        mac = hmac.digest(self.mac_key, value, "sha512")
        etree.SubElement(secret, f"{{{PSKC}}}ValueMAC").text = base64.b64encode(mac).decode()


def demand(holds, what: str) -> None:
    if not holds:
        raise Refused(what)


def cipher_value(element, algorithm: str, value: bytes) -> None:
    etree.SubElement(element, f"{{{ENC}}}EncryptionMethod", Algorithm=algorithm)
    data = etree.SubElement(element, f"{{{ENC}}}CipherData")
    etree.SubElement(data, f"{{{ENC}}}CipherValue").text = base64.b64encode(value).decode()


def fill_system(system, method: str) -> None:
    """Every empty element gets what it asks for."""
    kid, system_id = UUID(system.get("kid")), UUID(system.get("systemId"))
    told = playready_object(kid) if system_id == PLAYREADY else b"\x12\x10" + kid.bytes
    for element in system:
        name = etree.QName(element).localname
        if name == "PSSH":
            content = box(system_id, told)
        elif name == "ContentProtectionData":
            content = f'<pssh xmlns="urn:mpeg:cenc:2013">{base64.b64encode(box(system_id, told)).decode()}</pssh>'
            if system_id == PLAYREADY:
                content += f'<pro xmlns="urn:microsoft:playready">{base64.b64encode(told).decode()}</pro>'
            content = content.encode()
        else:
            tag = "SESSION-KEY" if element.get("playlist") == "master" else "KEY"
            content = f"#EXT-X-{tag}:METHOD={method},{key_line(system_id, kid, told)}".encode()
        element.text = base64.b64encode(content).decode()


def box(system_id: UUID, told: bytes) -> bytes:
    body = b"pssh" + bytes(4) + system_id.bytes + len(told).to_bytes(4, "big") + told
    return (len(body) + 4).to_bytes(4, "big") + body


def playready_object(kid: UUID) -> bytes:
    named = base64.b64encode(kid.bytes_le).decode()
    header = (
        f'<WRMHEADER xmlns="{PLAYREADY_HEADER}" version="4.0.0.0"><DATA><PROTECTINFO><KEYLEN>16</KEYLEN>'
        f"<ALGID>AESCTR</ALGID></PROTECTINFO><KID>{named}</KID></DATA></WRMHEADER>"
    ).encode("utf-16-le")
    record = (1).to_bytes(2, "little") + len(header).to_bytes(2, "little") + header
    return (len(record) + 6).to_bytes(4, "little") + (1).to_bytes(2, "little") + record


def key_line(system_id: UUID, kid: UUID, told: bytes) -> str:
    if system_id == FAIRPLAY:
        return f'URI="skd://{kid.hex}",KEYFORMATVERSIONS="1",KEYFORMAT="com.apple.streamingkeydelivery"'
    if system_id == PLAYREADY:
        held = base64.b64encode(told).decode()
        return f'URI="data:text/plain;base64,{held}",KEYFORMATVERSIONS="1",KEYFORMAT="com.microsoft.playready"'
    held = base64.b64encode(box(system_id, told)).decode()
    return (
        f'URI="data:text/plain;base64,{held}",KEYID=0x{kid.hex},KEYFORMATVERSIONS="1",KEYFORMAT="urn:uuid:{system_id}"'
    )


@contextmanager
def running_vendor(**facts):
    """A vendor behind a real HTTP server on a loopback port."""
    vendor = Vendor(**facts)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if vendor.delay_s:
                stopped.wait(vendor.delay_s)
            status, content = vendor.answer({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("X-Speke-Version", "2.0")
            self.send_header("X-Speke-User-Agent", "test vendor")
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words):
            pass

    stopped = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    vendor.url = f"http://127.0.0.1:{server.server_port}/speke/v2?tenant=secret-path"
    try:
        yield vendor
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
