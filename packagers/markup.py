"""The markup of cues: anything a file may hold becomes balanced WebVTT markup, and its runs. Pure. (WebVTT, 4.2)"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Run", "normalised", "runs"]

_TOKEN = re.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>")
_NAME = re.compile(r"</?([A-Za-z]+)")
_KEPT = {"b", "i", "u", "c", "v", "lang", "ruby", "rt"}
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
"""Overrides of SubStation, which SRT files carry though no player of WebVTT knows them."""

_BARE = re.compile(r"&(?!(?:[A-Za-z][A-Za-z0-9]*|#\d+|#x[0-9A-Fa-f]+);)")
_SHOWN = {"i": "italic", "b": "bold", "u": "underline"}


@dataclass(frozen=True, slots=True)
class Run:
    """Characters of one look. ``text`` is plain, and may hold line breaks."""

    text: str
    italic: bool = False
    bold: bool = False
    underline: bool = False


def normalised(text: str) -> str:
    """Balanced WebVTT markup: other tags are dropped and their text is kept, bare '&' and '<' are escaped."""
    written: list[str] = []
    opened: list[str] = []
    for token, is_tag in _tokens(_OVERRIDE.sub("", text)):
        if not is_tag:
            written.append(_escaped(token))
        elif token[1] == "/":
            written += _closed(token, opened)
        elif (name := _name(token)) in _KEPT:
            opened.append(name)
            written.append(token if name in {"c", "v", "lang"} else f"<{name}>")
    written += [f"</{name}>" for name in reversed(opened)]
    lines = "".join(written).replace("-->", "--&gt;").splitlines()
    return "\n".join(line.strip() for line in lines if line.strip())


def runs(markup: str) -> tuple[Run, ...]:
    """The runs of balanced markup, in order."""
    depth = dict.fromkeys(_SHOWN, 0)
    found = []
    for token, is_tag in _tokens(markup):
        name = _name(token) if is_tag else ""
        if name in depth:
            depth[name] += -1 if token[1] == "/" else 1
        elif not is_tag and token:
            looks = {look: depth[tag] > 0 for tag, look in _SHOWN.items()}
            found.append(Run(html.unescape(token), **looks))
    return tuple(found)


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    at = 0
    for found in _TOKEN.finditer(text):
        yield text[at : found.start()], False
        yield found[0], True
        at = found.end()
    yield text[at:], False


def _name(tag: str) -> str:
    found = _NAME.match(tag)
    return found[1].lower() if found else ""


def _closed(token: str, opened: list[str]) -> list[str]:
    name = _name(token)
    if name not in opened:
        return []
    closed = []
    while (last := opened.pop()) != name:
        closed.append(f"</{last}>")
    return [*closed, f"</{name}>"]


def _escaped(text: str) -> str:
    return _BARE.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")
