"""Chapters as a WebVTT file and as the JSON that HLS players read (com.apple.hls.chapters). Pure."""

import json
from collections.abc import Sequence
from fractions import Fraction
from html import escape

from packagers.cues import Cue
from packagers.webvtt import webvtt
from telecine.text import Chapter

__all__ = ["chapters_json", "chapters_vtt"]


def chapters_vtt(chapters: Sequence[Chapter], duration: Fraction) -> str:
    """A WebVTT file of kind chapters: cues one after the other, the last to the programme's end."""
    return webvtt(
        [
            Cue(start, end, escape(title, quote=False).replace("\n", " "))
            for start, end, title in _spans(chapters, duration)
        ]
    )


def chapters_json(chapters: Sequence[Chapter], duration: Fraction) -> str:
    """Apple's chapter list: seconds to a millisecond, titles of no particular language."""
    listed = [
        {
            "chapter": number,
            "start-time": round(float(start), 3),
            "duration": round(float(end - start), 3),
            "titles": [{"language": "und", "title": title}],
        }
        for number, (start, end, title) in enumerate(_spans(chapters, duration), 1)
    ]
    return json.dumps(listed, ensure_ascii=False, indent=1) + "\n"


def _spans(chapters: Sequence[Chapter], duration: Fraction) -> list[tuple[Fraction, Fraction, str]]:
    ends = [*(chapter.start for chapter in chapters[1:]), duration]
    return [(chapter.start, end, chapter.title) for chapter, end in zip(chapters, ends, strict=True)]
