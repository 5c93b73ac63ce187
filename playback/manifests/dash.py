"""A published MPD as one session may see it: without what its keys do not open, with whole addresses. Pure.

ISO/IEC 23009-1 (BaseURL, 5.6; ContentProtection, 5.8.4.1), ISO/IEC 23001-7 for ``cenc:default_KID``.
"""

from collections.abc import Collection, Sequence
from urllib.parse import urljoin

from lxml import etree

from telecine.protection import Kid

__all__ = ["filter_dash"]

_MPD = "urn:mpeg:dash:schema:mpd:2011"
_DEFAULT_KID = "{urn:mpeg:cenc:2013}default_KID"
_SWITCHING = "urn:mpeg:dash:adaptation-set-switching:2016"
_TRICK_MODE = "http://dashif.org/guidelines/trickmode"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True)


def filter_dash(mpd: bytes, granted: Collection[Kid], edges: Sequence[tuple[str, str]]) -> bytes:
    """The MPD with only clear representations and those whose KID is ``granted``.

    ``edges`` are names and addresses of the published MPD, the preferred first: each becomes a BaseURL. A protected
    representation that names no KID is left out. Sets that referred to a removed one refer to it no more.
    """
    root = etree.fromstring(mpd, _PARSER)
    for period in root.findall(f"{{{_MPD}}}Period"):
        sets = period.findall(f"{{{_MPD}}}AdaptationSet")
        for one in sets:
            _prune(one, frozenset(granted))
        kept = {one.get("id") for one in sets if one.find(f"{{{_MPD}}}Representation") is not None}
        for one in sets:
            if one.get("id") not in kept or not _refers_to(one, kept):
                period.remove(one)
    _place(root, edges)
    etree.indent(root, "  ")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


def _prune(adaptation_set: etree._Element, granted: frozenset[Kid]) -> None:
    shared = _kids(adaptation_set)
    for one in adaptation_set.findall(f"{{{_MPD}}}Representation"):
        kids = _kids(one) if _protections(one) else shared
        if kids is not None and not (kids and kids <= granted):
            adaptation_set.remove(one)


def _kids(element: etree._Element) -> frozenset[Kid] | None:
    """KIDs that the descriptors of ``element`` name; None when it has none and so is clear."""
    found = _protections(element)
    if not found:
        return None
    texts = [one.get(_DEFAULT_KID, "") for one in found]
    return frozenset(kid.replace("-", "").lower() for text in texts for kid in text.split())


def _protections(element: etree._Element) -> list[etree._Element]:
    return element.findall(f"{{{_MPD}}}ContentProtection")


def _refers_to(adaptation_set: etree._Element, kept: Collection[str | None]) -> bool:
    """Whether the set still has a reason: a trick-mode set goes with its main set. Switching lists are shortened."""
    for found in [*adaptation_set.iterfind(f"{{{_MPD}}}SupplementalProperty")]:
        if found.get("schemeIdUri") == _SWITCHING:
            others = [other for other in found.get("value", "").replace(" ", "").split(",") if other in kept]
            found.set("value", ",".join(others))
            if not others:
                adaptation_set.remove(found)
    essential = adaptation_set.iterfind(f"{{{_MPD}}}EssentialProperty")
    tricks = [one for one in essential if one.get("schemeIdUri") == _TRICK_MODE]
    for found in tricks:
        found.set("value", " ".join(main for main in found.get("value", "").split() if main in kept))
    return all(found.get("value") for found in tricks)


def _place(root: etree._Element, edges: Sequence[tuple[str, str]]) -> None:
    """BaseURLs of every edge before the first period, in place of the MPD's own."""
    own = root.findall(f"{{{_MPD}}}BaseURL")
    relative = (own[0].text or "").strip() if own else ""
    for old in own:
        root.remove(old)
    first = root.find(f"{{{_MPD}}}Period")
    if first is None:
        return
    before = [found for name in ("Location", "PatchLocation") for found in root.findall(f"{{{_MPD}}}{name}")]
    for old in before:  # it would lead a player back to the whole MPD
        root.remove(old)
    for name, address in edges:
        placed = etree.Element(f"{{{_MPD}}}BaseURL", serviceLocation=name)
        placed.text = urljoin(urljoin(address, "."), relative)
        first.addprevious(placed)
