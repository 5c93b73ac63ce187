"""Bytes of a text file to its characters: by its byte order mark, as UTF-8, or as one of the old code pages. Pure."""

import codecs

from telecine.errors import SourceRejected

__all__ = ["decoded"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FEW = 0.2
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")


def decoded(content: bytes, name: str) -> tuple[str, str]:
    """The characters, and the encoding they were found to be in. Raises SourceRejected when it is no text.

    What is no UTF-8 is taken for Windows-1252, of which Latin-1 is what both agree on; a file in another code page has
    to be saved as UTF-8, as nothing in it tells which it is.
    """
    if not content.strip():
        raise SourceRejected(f"{name}: expected cues, found an empty file.")
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content[len(mark) :], encoding, name), encoding
    encoding = _unmarked(content, name)
    return _strict(content, encoding, name), encoding


def _unmarked(content: bytes, name: str) -> str:
    zeros = content.count(0)
    if zeros > len(content) * _FEW:  # every second byte of Western text in UTF-16
        return "utf-16-be" if content[0] == 0 else "utf-16-le"
    if any(byte in _CONTROLS for byte in content):
        raise SourceRejected(f"{name}: expected text, found binary content.")
    try:
        content.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _strict(content: bytes, encoding: str, name: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = f"{name}, line {line}: expected {encoding}, found byte 0x{content[error.start]:02x}, which it lacks."
        raise SourceRejected(message) from None
