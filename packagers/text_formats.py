"""A file of timed text in any of the known formats to cues, by what is in it, not by its name. Pure."""

import logging
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree as ET

from lxml import etree
from ttconv.imsc import reader as imsc_reader
from ttconv.model import ContentDocument
from ttconv.scc import reader as scc_reader
from ttconv.vtt import writer as vtt_writer
from ttconv.vtt.config import VTTWriterConfiguration

from packagers.cues import TimedText
from packagers.text_decoding import decoded
from packagers.text_parsing import Dialect, parse_cues
from telecine.errors import SourceRejected

__all__ = ["read_packaged", "read_text"]

logging.getLogger("ttconv").setLevel(logging.ERROR)

_VTT = Dialect("00:00:01.000 --> 00:00:02.500", header=True)
_SRT = Dialect("00:00:01,000 --> 00:00:02,500", header=False)
_SEGMENT = replace(_VTT, bare=True)
_SCC = "Scenarist_SCC V1.0"


def read_text(content: bytes, name: str) -> TimedText:
    """Cues of SRT, WebVTT, TTML (so IMSC and SMPTE-TT) or SCC. Raises SourceRejected, a sentence for each mistake."""
    text, encoding = decoded(content, name)
    begun = text.lstrip("\ufeff \t\r\n")
    if begun.startswith("<"):
        found = _converted(lambda: _ttml(content, name), name, "TTML")
    elif begun.startswith(_SCC):
        found = _converted(lambda: scc_reader.to_model(begun), name, "SCC")
    elif begun.startswith("WEBVTT"):
        found = parse_cues(text.lstrip("\ufeff"), name, _VTT)
    elif "-->" in begun:
        found = parse_cues(text, name, _SRT)
    else:
        first = begun.splitlines()[0][:60]
        message = f"{name}, line 1: expected SRT, WebVTT, TTML or '{_SCC}', found '{first}'."
        raise SourceRejected(message)
    if encoding != "cp1252":
        return found
    return TimedText(found.cues, (*found.notes, f"{name}: is no UTF-8 and was read as Windows-1252."))


def read_packaged(content: bytes, name: str) -> TimedText:
    """Cues of TTML or WebVTT as packages hold them: UTF-8, and none at all where nothing is shown for a while.

    Raises SourceRejected, a sentence for each mistake.
    """
    if content.lstrip()[:1] == b"<":
        return _converted(lambda: _ttml(content, name), name, "TTML", bare=True)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{name}: expected UTF-8, found byte 0x{content[error.start]:02x}, which it lacks."
        raise SourceRejected(message) from None
    return parse_cues(text, name, _SEGMENT)


def _ttml(content: bytes, name: str) -> ContentDocument | None:
    try:  # defused first: no entities, no network
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
    except etree.XMLSyntaxError as error:
        message = f"{name}, line {error.lineno}: expected well-formed TTML, found: {error.msg}."
        raise SourceRejected(message) from None
    if etree.QName(root).localname != "tt" or root.getroottree().docinfo.internalDTD is not None:
        message = f"{name}, line 1: expected a TTML document without a DTD, found '{etree.QName(root).localname}'."
        raise SourceRejected(message)
    return imsc_reader.to_model(ET.ElementTree(ET.fromstring(etree.tostring(root))))  # noqa: S314 - defused above


def _converted(read: Callable[[], ContentDocument | None], name: str, kind: str, *, bare: bool = False) -> TimedText:
    try:
        model = read()
        written = vtt_writer.from_model(model, VTTWriterConfiguration(line_position=True)) if model else ""
    except SourceRejected:
        raise
    except Exception as error:  # noqa: BLE001 - the reader raises whatever a broken document makes it trip over
        message = f"{name}: expected {kind}, found what cannot be read as such: {error or type(error).__name__}."
        raise SourceRejected(message) from None
    if bare and "-->" not in written:
        return TimedText(())
    if "-->" not in written:
        raise SourceRejected(f"{name}: expected at least one cue with text, found none in this {kind} document.")
    return parse_cues(written, name, _VTT)
