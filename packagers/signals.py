"""What each DRM system is told of a package's keys: boxes, DASH descriptors and HLS key lines. Pure.

ISO/IEC 23001-7 (boxes), DASH-IF IOP part 6 (descriptors), RFC 8216bis 4.4.4.4 (key lines). Where a key server gave
ready-made signals (SPEKE, CPIX), these take the place of what would be made here.
"""

import base64
import re
from collections.abc import Iterable, Sequence

from lxml import etree

from packagers.plan import PackagePlan
from packagers.playready import playready_kids, playready_object
from packagers.pssh import common_pssh, kids_of, parse_pssh, playready_pssh, widevine_pssh
from telecine.drm import KEY_FORMATS, SYSTEM_IDS, DrmSystem
from telecine.errors import PackageRejected
from telecine.protection import DrmSystemSignal, Kid

__all__ = [
    "CENC",
    "CPS",
    "PLAYREADY_XML",
    "descriptors",
    "init_boxes",
    "kids_named",
    "media_key_lines",
    "own_session_lines",
]

CENC = "urn:mpeg:cenc:2013"
CPS = "https://dashif.org/CPS"
PLAYREADY_XML = "urn:microsoft:playready"

_MPD = "urn:mpeg:dash:schema:mpd:2011"
_ASSET = re.compile(r"^skd://[^/]+/([0-9a-f]{32})$")
"""An address of FairPlay as it is written here."""
_NAMES: dict[DrmSystem, str] = {"clearkey": "ClearKey1.0", "widevine": "Widevine", "playready": "MSPR 2.0"}
"""``value`` of the descriptors; FairPlay has none in DASH."""

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)


def init_boxes(plan: PackagePlan) -> bytes:
    """The boxes of every init segment, of all keys of the package.

    The common one always, as hls.js reads it; a key server's own boxes in the place of ours, each once.
    """
    kids = plan.keys.kids.values()
    made = [common_pssh(kids)]
    for system in _with_map(plan.systems):
        given = [signal.pssh for signal in plan.signals if signal.system_id == SYSTEM_IDS[system]]
        ready = [_decoded(pssh) for pssh in given if pssh]
        made += ready or [box for box in (_own_box(plan, system, kids),) if box]
    return b"".join(dict.fromkeys(made))


def descriptors(plan: PackagePlan, kid: Kid) -> list[etree._Element]:
    """ContentProtection of each system for one key, Clear Key first: players take the first that they can.

    Clear Key has no pssh, as dash.js refuses its descriptor with one.
    """
    return [_descriptor(plan, system, kid) for system in plan.systems if system in _NAMES]


def media_key_lines(plan: PackagePlan, kid: Kid, method: str, iv: str) -> list[str]:
    """EXT-X-KEY of each system for one key; ``iv`` is an attribute value, or empty."""
    lines = []
    for system in _with_map(plan.systems):
        ready = _ready(plan, system, kid)
        if ready and ready.hls_signalling_media:
            lines += _tags(ready.hls_signalling_media, "#EXT-X-KEY:")
        else:
            lines.append(_own_line(plan, system, kid, (method, iv)))
    return lines


def own_session_lines(plan: PackagePlan) -> list[str]:
    """Lines that a key server wants in the multivariant playlist instead of those made of the media playlists."""
    wanted = {SYSTEM_IDS[system] for system in _with_map(plan.systems)}
    given = [signal.hls_signalling_master for signal in plan.signals if signal.system_id in wanted]
    return [line for text in given if text for line in _tags(text, "#EXT-X-SESSION-KEY:")]


def kids_named(key_format: str, uri: str) -> frozenset[Kid]:
    """KIDs that the address of a key line names, read by its KEYFORMAT; none where a vendor hides them.

    Raises PackageRejected or ValueError where the address is not what the format asks for.
    """
    if key_format == KEY_FORMATS["fairplay"]:
        return frozenset(_ASSET.findall(uri))
    content = base64.b64decode(uri.partition(",")[2], validate=True)
    if key_format == KEY_FORMATS["clearkey"]:
        return frozenset({content.hex()})
    if key_format == KEY_FORMATS["playready"]:
        return frozenset(playready_kids(content))
    return frozenset(kids_of(parse_pssh(content))) if key_format == KEY_FORMATS["widevine"] else frozenset()


def _with_map(systems: Sequence[DrmSystem]) -> list[DrmSystem]:
    """The systems of HLS: Widevine's signals are there for Clear Key too.

    shaka-player has no licence-server mode for Clear Key in HLS, so its page maps this system to it.
    """
    return [one for one in KEY_FORMATS if one in systems or (one == "widevine" and "clearkey" in systems)]


def _own_box(plan: PackagePlan, system: DrmSystem, kids: Iterable[Kid]) -> bytes:
    if system == "widevine":
        return widevine_pssh(kids, plan.scheme)
    return playready_pssh(_playready(plan, kids)) if system == "playready" else b""


def _playready(plan: PackagePlan, kids: Iterable[Kid]) -> bytes:
    profile, licences = plan.request.profile, plan.request.licences
    urls = (licences.playready, licences.playready_information)
    return playready_object(kids, plan.scheme, *urls, attributes=profile.playready_attributes)


def _pssh(plan: PackagePlan, system: DrmSystem, kid: Kid) -> bytes:
    """A manifest's box: of PlayReady with its one key, of Widevine with all, so that one request opens a title."""
    ready = _ready(plan, system, kid)
    if ready and ready.pssh:
        return _decoded(ready.pssh)
    return _own_box(plan, system, [kid] if system == "playready" else plan.keys.kids.values())


def _descriptor(plan: PackagePlan, system: DrmSystem, kid: Kid) -> etree._Element:
    uri = f"urn:uuid:{SYSTEM_IDS[system]}"
    made = etree.Element(f"{{{_MPD}}}ContentProtection", schemeIdUri=uri, value=_NAMES[system], nsmap={"dashif": CPS})
    ready = _ready(plan, system, kid)
    if ready and ready.content_protection_xml and system != "clearkey":
        made.extend(_fragment(ready.content_protection_xml))
        return made
    pssh = _pssh(plan, system, kid)
    if pssh:
        etree.SubElement(made, f"{{{CENC}}}pssh", nsmap={"cenc": CENC}).text = base64.b64encode(pssh).decode()
    if system == "playready":
        header = base64.b64encode(parse_pssh(pssh).payload).decode()
        etree.SubElement(made, f"{{{PLAYREADY_XML}}}pro", nsmap={"mspr": PLAYREADY_XML}).text = header
    urls = {"clearkey": plan.request.licence_url, **plan.request.licences.by_system}
    if urls.get(system):
        etree.SubElement(made, f"{{{CPS}}}Laurl").text = urls[system]
    return made


def _own_line(plan: PackagePlan, system: DrmSystem, kid: Kid, how: tuple[str, str]) -> str:
    method, iv = how
    kinds = {"clearkey": "text/plain", "widevine": "text/plain", "playready": "text/plain;charset=UTF-16"}
    match system:
        case "clearkey":
            content = bytes.fromhex(kid)
        case "playready":
            content = parse_pssh(_pssh(plan, system, kid)).payload
        case _:
            content = _pssh(plan, system, kid)
    uri = f"data:{kinds.get(system)};base64,{base64.b64encode(content).decode()}"
    if system == "fairplay":
        uri = f"skd://{plan.request.title_id}/{kid}"
    key_id = f",KEYID=0x{kid}" if system in {"clearkey", "widevine"} else ""
    vector = f",IV={iv}" if iv else ""
    version = f'KEYFORMATVERSIONS="1",KEYFORMAT="{KEY_FORMATS[system]}"'
    return f'#EXT-X-KEY:METHOD={method},URI="{uri}"{key_id}{vector},{version}'


def _ready(plan: PackagePlan, system: DrmSystem, kid: Kid) -> DrmSystemSignal | None:
    found = (given for given in plan.signals if (given.system_id, given.kid) == (SYSTEM_IDS[system], kid))
    return next(found, None)


def _tags(text: str, tag: str) -> list[str]:
    """Lines of a key server. Raises PackageRejected where one is another tag: it would land in our playlists."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("##")]
    wrong = [line for line in lines if not line.startswith(tag)]
    if wrong:
        message = f"A key server's HLS signals should be {tag.rstrip(':#')} lines, but one begins '{wrong[0][:20]}'."
        raise PackageRejected(message)
    return lines


def _fragment(text: str) -> list[etree._Element]:
    bound = f'xmlns:cenc="{CENC}" xmlns:mspr="{PLAYREADY_XML}" xmlns:dashif="{CPS}"'
    try:
        return list(etree.fromstring(f"<root {bound}>{text}</root>", _PARSER))
    except etree.XMLSyntaxError as error:
        message = f"A key server's ContentProtection is not well-formed XML: {error}."
        raise PackageRejected(message) from None


def _decoded(pssh: str) -> bytes:
    """A key server's box, known to be one. Raises PackageRejected."""
    try:
        box = base64.b64decode(pssh, validate=True)
    except ValueError:
        message = "A key server's pssh box is not base64."
        raise PackageRejected(message) from None
    kids_of(parse_pssh(box))
    return box
