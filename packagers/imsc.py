"""Cues as TTML of the IMSC 1 text profile (W3C TTML Profiles for Internet Media Subtitles and Captions 1.0.1). Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from lxml import etree

from packagers.cues import Cue, clock
from packagers.markup import Run, runs

__all__ = ["TEXT_PROFILE", "imsc_document"]

TEXT_PROFILE = "http://www.w3.org/ns/ttml/profile/imsc1/text"

_TT = "http://www.w3.org/ns/ttml"
_TTP = f"{_TT}#parameter"
_TTS = f"{_TT}#styling"
_XML = "http://www.w3.org/XML/1998/namespace"
_HALF = 50
_UPPER_LINES = 5
_LINE = re.compile(r"line:(-?\d+(?:\.\d+)?)(%?)")
_ALIGN = re.compile(r"align:(start|center|middle|end|left|right)")
_REGIONS = {"bottom": "after", "top": "before"}
_LOOKS = (
    ("italic", "fontStyle", "italic"),
    ("bold", "fontWeight", "bold"),
    ("underline", "textDecoration", "underline"),
)


def imsc_document(cues: Sequence[Cue], language: str) -> bytes:
    """One document of these cues, on their own clock. White space is kept, right-to-left text says that it is."""
    namespaces = {None: _TT, "ttp": _TTP, "tts": _TTS}
    root = etree.Element(f"{{{_TT}}}tt", nsmap=namespaces)  # type: ignore[arg-type]  # the stubs forbid a default
    root.set(f"{{{_XML}}}lang", language)
    root.set(f"{{{_XML}}}space", "preserve")
    root.set(f"{{{_TTP}}}profile", TEXT_PROFILE)
    root.set(f"{{{_TTP}}}timeBase", "media")
    _head(etree.SubElement(root, f"{{{_TT}}}head"))
    if cues:
        division = etree.SubElement(etree.SubElement(root, f"{{{_TT}}}body", style="text"), f"{{{_TT}}}div")
        for cue in cues:
            _paragraph(division, cue)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _head(head: etree._Element) -> None:
    styling = etree.SubElement(head, f"{{{_TT}}}styling")
    style = {"fontFamily": "proportionalSansSerif", "fontSize": "80%", "lineHeight": "125%", "color": "#ffffff"}
    _styled(etree.SubElement(styling, f"{{{_TT}}}style"), "text", style)
    layout = etree.SubElement(head, f"{{{_TT}}}layout")
    for name, edge in _REGIONS.items():
        place = {"origin": "10% 10%", "extent": "80% 80%", "displayAlign": edge, "textAlign": "center"}
        _styled(etree.SubElement(layout, f"{{{_TT}}}region"), name, place)


def _styled(element: etree._Element, name: str, styles: dict[str, str]) -> None:
    element.set(f"{{{_XML}}}id", name)
    for style, value in styles.items():
        element.set(f"{{{_TTS}}}{style}", value)


def _paragraph(division: etree._Element, cue: Cue) -> None:
    paragraph = etree.SubElement(division, f"{{{_TT}}}p", begin=clock(cue.start), end=clock(cue.end))
    paragraph.set("region", _region(cue.settings))
    align = _ALIGN.search(cue.settings)
    if align and align[1] not in {"center", "middle"}:
        paragraph.set(f"{{{_TTS}}}textAlign", align[1])
    found = runs(cue.text)
    if _is_right_to_left("".join(run.text for run in found)):
        paragraph.set(f"{{{_TTS}}}direction", "rtl")
    for run in found:
        _span(paragraph, run)


def _span(paragraph: etree._Element, run: Run) -> None:
    span = etree.SubElement(paragraph, f"{{{_TT}}}span")
    span.set(f"{{{_TTS}}}backgroundColor", "#000000cc")
    for look, style, value in _LOOKS:
        if getattr(run, look):
            span.set(f"{{{_TTS}}}{style}", value)
    first, *others = "".join(_allowed(run.text)).split("\n")
    span.text = first
    for line in others:
        etree.SubElement(span, f"{{{_TT}}}br").tail = line


def _allowed(text: str) -> Iterator[str]:
    """Characters XML 1.0 has room for."""
    return (found for found in text if found == "\n" or unicodedata.category(found) not in {"Cc", "Cs"})


def _region(settings: str) -> str:
    line = _LINE.search(settings)
    if line is None:
        return "bottom"
    place = float(line[1])
    return "top" if 0 <= place < (_HALF if line[2] else _UPPER_LINES) else "bottom"


def _is_right_to_left(text: str) -> bool:
    """By the first letter that has a direction, as WebVTT players tell it (UAX 9, P2)."""
    strong = (kind for kind in map(unicodedata.bidirectional, text) if kind in {"L", "R", "AL"})
    return next(strong, "L") != "L"
