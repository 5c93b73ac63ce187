"""Timed text: what is read, repaired and refused."""

from fractions import Fraction

import pytest

from packagers.imsc import imsc_document
from packagers.stpp import read_sample, stpp_segment
from packagers.text import normalise_text
from packagers.text_formats import read_text
from telecine.errors import SourceRejected
from telecine.languages import canonical_language
from telecine.text import TextSource

SRT = "1\n00:00:01,000 --> 00:00:02,500\nTom & <b>Jerry</b>\n"


def normalised(text: str, duration: int = 10) -> str:
    source = TextSource(uri="file:///a.srt", language="en")
    return normalise_text(text.encode(), "a.srt", source, Fraction(duration)).content.decode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_file_is_read_in_each_encoding(encoding):
    assert read_text(SRT.encode(encoding), "a.srt").cues[0].text == "Tom &amp; <b>Jerry</b>"


def test_latin_1_is_read_and_told():
    found = read_text(SRT.replace("Tom", "Zoé").encode("latin-1"), "a.srt")
    assert found.cues[0].text.startswith("Zoé")
    assert "Windows-1252" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1\n00:00:03,000 --> 00:00:02,000\nx\n", "a.srt, line 2: expected an end after the start"),
        ("1\n00:00:0x,000 --> 00:00:02,000\nx\n", "a.srt, line 2: expected times such as"),
        (f"{SRT}\nlost words\n", "a.srt, line 5: expected times such as"),
        ("nothing", "line 1: expected SRT, WebVTT, TTML"),
        (" \n", "found an empty file"),
        ("1\n00:00:11,000 --> 00:00:12,000\nx\n", "all 1 lie outside"),
    ],
)
def test_a_mistake_is_told_with_its_line(text, told):
    with pytest.raises(SourceRejected, match=told):
        normalised(text)


def test_unsorted_cues_are_sorted_and_the_last_is_cut_at_the_end():
    written = normalised("1\n00:00:08,000 --> 00:00:12,000\nlate\n\n" + SRT)
    assert written.index("Tom") < written.index("late")
    assert "00:00:08.000 --> 00:00:10.000" in written


def test_cues_coded_from_the_tenth_hour_begin_at_the_programme():
    assert "00:00:01.000 --> 00:00:02.500" in normalised(SRT.replace("00:00:0", "10:00:0"))


def test_imsc_keeps_styles_and_says_right_to_left():
    cues = read_text(SRT.replace("Tom", "שלום").encode(), "a.srt").cues
    document = imsc_document(cues, "he").decode()
    assert 'tts:direction="rtl"' in document
    assert 'tts:fontWeight="bold">Jerry' in document
    assert read_text(document.encode(), "a.ttml").cues[0].text.count("שלום &amp; ") == 1


def test_a_segment_of_text_gives_back_its_document():
    assert read_sample(stpp_segment(3, 12, 6, b"<tt/>")) == (12, 6, b"<tt/>")


def test_language_tags_are_those_of_bcp_47():
    assert [canonical_language(tag) for tag in ("eng", "pt-br", "zh-Hant")] == ["en", "pt-BR", "zh-Hant"]
    with pytest.raises(ValueError, match="did you mean 'en'"):
        canonical_language("english")
