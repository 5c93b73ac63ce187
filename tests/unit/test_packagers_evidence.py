"""The pure part of a proof: rates, stretches, and playlists and manifests read as any packager writes them."""

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from pydantic import SecretBytes

from packagers.boxes import boxes_in, fragments_of
from packagers.evidence.clauses import CLAUSES, Rule, fault
from packagers.evidence.documents import EvidenceReport, SegmentEvidence, WorstSeconds
from packagers.evidence.fragments import Head, Run
from packagers.evidence.licence import ClearKeyLicences, LicenceRefused, OneLicence
from packagers.evidence.measures import Media, Picture, average_bps, needed_bps, peak_bps
from packagers.evidence.mpd import read_mpd
from packagers.evidence.offers import Named, Offer, Piece, Ref, TileGrid
from packagers.evidence.page import evidence_page
from packagers.evidence.playlists import read_media_playlist, read_multivariant
from packagers.evidence.seeking import one_key_frame
from packagers.evidence.texts import faults_of_texts, read_passage
from packagers.evidence.tiles import faults_of_tiles
from packagers.evidence.worst import worst_stretch
from telecine.errors import PackageRejected, SourceRejected, Unavailable

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "tests" / "golden" / "packagers" / "cbcs"


def segments(*sizes, seconds=2):
    return tuple(
        SegmentEvidence(start=Fraction(n * seconds), duration=Fraction(seconds), size_bytes=size, samples=1)
        for n, size in enumerate(sizes)
    )


def brute_force(found, min_buffer):
    return max(
        Fraction(sum(one.size_bytes for one in found[i : j + 1]) * 8)
        / (min_buffer + sum(one.duration for one in found[i : j + 1]))
        for i in range(len(found))
        for j in range(i, len(found))
    )


def test_the_needed_rate_is_the_worst_run_of_segments():
    found = segments(1000, 9000, 8000, 100, 100, 7000, 7000, 7000, 50)
    for buffer in (Fraction(0), Fraction(1, 2), Fraction(2), Fraction(10)):
        assert abs(needed_bps(found, buffer) - brute_force(found, buffer)) <= 1


def test_the_peak_is_taken_over_half_to_one_and_a_half_target_durations():
    found = segments(1000, 9000, 1000, 1000)
    assert peak_bps(found, Fraction(2)) == 36000
    assert peak_bps(found, Fraction(6)) == (9000 + 1000) * 8 / 4  # one segment alone is too short to count
    assert average_bps(found) == 12000


def test_a_track_too_short_for_the_rule_has_its_average_as_peak():
    assert peak_bps(segments(1000), Fraction(10)) == 4000


def test_the_worst_five_seconds_are_found_with_their_worst_frame():
    scores = [(number, 95.0) for number in range(0, 500, 5)]
    scores[60:70] = [(number, 70.0 + number % 3) for number, _ in scores[60:70]]
    found = worst_stretch(scores, Fraction(10))
    assert 250 <= found.start <= 300
    assert 300 <= found.worst_frame < 350
    assert dict(scores)[found.worst_frame] == min(score for _, score in scores)


def test_a_title_shorter_than_five_seconds_is_its_own_worst():
    assert worst_stretch([(0, 90.0), (10, 80.0)], Fraction(24)).worst_frame == 10
    assert worst_stretch([], Fraction(24)) is None


MPD = """<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
 mediaPresentationDuration="PT10S" minBufferTime="PT2S">
<BaseURL>media/</BaseURL><Period><AdaptationSet contentType="video" mimeType="video/mp4">
<SegmentTemplate timescale="10" media="$RepresentationID$/$Number%03d$.m4s"
 initialization="$RepresentationID$.mp4" {0}/>
<Representation id="a" bandwidth="1000"/><Representation id="b" bandwidth="2000"/></AdaptationSet></Period></MPD>"""


def test_templates_are_inherited_and_numbers_are_padded():
    found = read_mpd(MPD.format('duration="40"').encode(), "http://h/x/t.mpd")
    assert [offer.init.url for offer in found.offers] == ["http://h/x/media/a.mp4", "http://h/x/media/b.mp4"]
    last = found.offers[1].pieces[-1]
    assert (last.ref.url, last.duration, last.start) == ("http://h/x/media/b/003.m4s", 2, 8)
    assert found.faults == ()
    assert (found.duration, found.min_buffer) == (10, 2)


def test_times_name_segments_and_a_presentation_offset_is_taken_off():
    timeline = '<SegmentTimeline><S t="100" d="40" r="-1"/></SegmentTimeline>'
    text = (
        MPD.format('presentationTimeOffset="100"')
        .replace("$Number%03d$", "$Time$")
        .replace('presentationTimeOffset="100"/>', f'presentationTimeOffset="100">{timeline}</SegmentTemplate>')
    )
    pieces = read_mpd(text.replace("PT10S", "PT18S").encode(), "http://h/t.mpd").offers[0].pieces
    assert [piece.ref.url.rpartition("/")[2] for piece in pieces[:2]] == ["100.m4s", "140.m4s"]
    assert [piece.start for piece in pieces[:2]] == [0, 4]


def test_the_published_manifests_have_no_breach_of_their_own():
    mpd = read_mpd((PUBLISHED / "manifest.mpd").read_bytes(), "http://h/manifest.mpd")
    master = read_multivariant((PUBLISHED / "master.m3u8").read_bytes(), "http://h/master.m3u8")
    assert [broken.sentence for broken in (*mpd.faults, *master.faults) if broken.must] == []
    assert {offer.kind for offer in mpd.offers} >= {"video", "audio"}
    assert master.session_kids == {"a" * 32, "b" * 32, "c" * 32}


MASTER = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="data:text/plain;base64,u7u7u7u7u7u7u7u7u7u7uw==",KEYFORMAT="org.w3.clearkey"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="mp4a-2ch",NAME="Stereo",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="stereo.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="mp4a-6ch",NAME="Surround",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="six.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=415607,AVERAGE-BANDWIDTH=400000,CODECS="avc1.64000c,mp4a.40.2",RESOLUTION=320x180,FRAME-RATE=23.976,VIDEO-RANGE=SDR,AUDIO="mp4a-2ch"
180p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=868966,AVERAGE-BANDWIDTH=800000,CODECS="avc1.64001e,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=23.976,VIDEO-RANGE=SDR,AUDIO="mp4a-6ch"
360p.m3u8
"""

PLAYLIST = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-TARGETDURATION:3
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="180p/init.mp4"
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="data:text/plain;base64,u7u7u7u7u7u7u7u7u7u7uw==",KEYFORMAT="org.w3.clearkey"
#EXTINF:2.002000,
180p/1.m4s
#EXTINF:1.001000,
180p/2.m4s
#EXT-X-ENDLIST
"""


@pytest.mark.parametrize(
    ("pattern", "replacement", "rule"),
    [
        ("#EXTM3U\n", "", Rule.HLS_EXTM3U),
        ("#EXT-X-VERSION:6\n", "#EXT-X-VERSION:6\n#EXT-X-VERSION:6\n", Rule.HLS_VERSION),
        ("#EXT-X-STREAM-INF", "#EXTINF:2,\n#EXT-X-STREAM-INF", Rule.HLS_TAGS),
        ("BANDWIDTH=415607,", "BANDWIDTH=415607,BANDWIDTH=1,", Rule.HLS_ATTRIBUTES),
        ('GROUP-ID="mp4a-2ch",', "", Rule.HLS_MEDIA),
        ("DEFAULT=YES,AUTOSELECT=YES", "DEFAULT=YES,AUTOSELECT=NO", Rule.HLS_MEDIA),
        ('"mp4a-6ch",NAME="Surround"', '"mp4a-2ch",NAME="Stereo"', Rule.HLS_GROUP),
        ('AUDIO="mp4a-2ch"', 'AUDIO="absent"', Rule.HLS_VARIANT),
        (":BANDWIDTH=415607,", ":", Rule.HLS_VARIANT),
        ('CODECS="avc1.64000c,mp4a.40.2",', "", Rule.HLS_CODECS),
        ("AVERAGE-BANDWIDTH=400000,", "", Rule.HLS_HAS_AVERAGE),
        ("RESOLUTION=320x180,", "", Rule.HLS_RESOLUTION),
        ("FRAME-RATE=23.976,", "", Rule.HLS_FRAME_RATE),
        ("VIDEO-RANGE=SDR,(?s:(.*))VIDEO-RANGE=SDR", r"\1VIDEO-RANGE=PQ", Rule.HLS_RANGE),
        ("VIDEO-RANGE=SDR,", "VIDEO-RANGE=SDR,SCORE=1,", Rule.HLS_SCORE),
        ("METHOD=SAMPLE-AES,", "METHOD=NONE,", Rule.HLS_SESSION_KEY),
        (
            'URI="stereo.m3u8"',
            'URI="stereo.m3u8"\n#EXT-X-I-FRAME-STREAM-INF:URI="i.m3u8"',
            Rule.HLS_IFRAMES,
        ),
        ('LANGUAGE="en",', "", Rule.HLS_LANGUAGE),
    ],
)
def test_a_breach_of_a_multivariant_playlist_is_found(pattern, replacement, rule):
    changed, times = re.subn(pattern, replacement, MASTER, count=1)
    assert times == 1
    before = {broken.clause for broken in read_multivariant(MASTER.encode(), "u").faults}
    after = read_multivariant(changed.encode(), "u").faults
    assert CLAUSES[rule].name in {broken.clause for broken in after} - before


@pytest.mark.parametrize(
    ("pattern", "replacement", "rule"),
    [
        ("#EXT-X-ENDLIST", "", Rule.HLS_ENDLIST),
        ("#EXT-X-PLAYLIST-TYPE:VOD\n", "", Rule.HLS_TYPE),
        ("#EXT-X-TARGETDURATION:3\n", "", Rule.HLS_TARGET),
        ("#EXT-X-TARGETDURATION:3", "#EXT-X-TARGETDURATION:1", Rule.HLS_TARGET),
        ("#EXTINF:2.002000,\n", "", Rule.HLS_EXTINF),
        ("180p/1.m4s\n", "", Rule.HLS_EXTINF),
        ('#EXT-X-MAP:URI="180p/init.mp4"\n', "", Rule.HLS_MAP),
        ("#EXT-X-VERSION:6", "#EXT-X-VERSION:3", Rule.HLS_VERSION),
        ('KEYFORMAT="org.w3.clearkey"', 'KEYFORMAT="identity"', Rule.HLS_KEY),
    ],
)
def test_a_breach_of_a_media_playlist_is_found(pattern, replacement, rule):
    changed, times = re.subn(pattern, replacement, PLAYLIST, count=1)
    assert times == 1
    named = Named("http://h/video/180p.m3u8", "video")
    assert read_media_playlist(PLAYLIST.encode(), named)[1] == ()
    assert CLAUSES[rule].name in {broken.clause for broken in read_media_playlist(changed.encode(), named)[1]}


def test_accessories_of_other_kinds_are_named_and_told_apart():
    more = (
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",URI="s.m3u8"\n'
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,CODECS="avc1.64000c",RESOLUTION=320x180,URI="trick.m3u8"\n'
        '#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=9,CODECS="jpeg",RESOLUTION=320x180,URI="tiles.m3u8"\n'
    )
    found = read_multivariant((MASTER + more).encode(), "http://h/master.m3u8")
    kinds = {named.url.rpartition("/")[2]: named.kind for named in found.named}
    assert (kinds["s.m3u8"], kinds["trick.m3u8"], kinds["tiles.m3u8"]) == ("text", "trick", "image")
    assert [broken for broken in found.faults if broken.must] == []
    trick = read_media_playlist(PLAYLIST.encode(), Named("http://h/trick.m3u8", "trick"))[1]
    assert [broken.clause for broken in trick] == ["HLS Authoring 6.8"]


@pytest.mark.parametrize(
    ("scheme", "kind"),
    [
        ("http://dashif.org/guidelines/trickmode", "trick"),
        ("http://dashif.org/guidelines/thumbnail_tile", "image"),
        ("urn:mpeg:dash:role:2011", "video"),
    ],
)
def test_sets_of_key_frames_and_of_tiles_are_told_from_video(scheme, kind):
    text = MPD.format('duration="40"').replace(
        "<SegmentTemplate", f'<EssentialProperty schemeIdUri="{scheme}"/><SegmentTemplate'
    )
    assert {offer.kind for offer in read_mpd(text.encode(), "http://h/t.mpd").offers} == {kind}


def test_byte_ranges_of_a_playlist_follow_one_another():
    text = (
        '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI="a.mp4",'
        'BYTERANGE="800@0"\n#EXTINF:2,\n#EXT-X-BYTERANGE:100@800\na.mp4\n#EXTINF:2,\n#EXT-X-BYTERANGE:50\na.mp4\n'
        "#EXT-X-ENDLIST\n"
    )
    offer, faults = read_media_playlist(text.encode(), Named("http://h/a.m3u8", "video"))
    assert faults == ()
    assert (offer.init.span, [piece.ref.span for piece in offer.pieces]) == ((0, 800), [(800, 100), (900, 50)])


def test_a_licence_answers_only_what_was_asked_and_never_shows_in_an_error():
    kid = "00" * 16
    good = b'{"keys":[{"kty":"oct","kid":"AAAAAAAAAAAAAAAAAAAAAA","k":"EREREREREREREREREREREQ"}]}'
    assert ClearKeyLicences(lambda _: (200, good)).keys([kid])[kid].get_secret_value() == b"\x11" * 16
    assert dict(ClearKeyLicences(lambda _: (200, good)).keys(["11" * 16])) == {}
    for status, answer, error in (
        (403, b'{"detail":"Ended."}', LicenceRefused),
        (200, b'{"keys":[{"kid":"AA","k":"SECRETSECRET"}]}', LicenceRefused),
        (200, b"no json SECRETSECRET", LicenceRefused),
        (503, b"", Unavailable),
    ):
        with pytest.raises(error) as caught:
            ClearKeyLicences(lambda _, status=status, answer=answer: (status, answer)).keys([kid])
        assert "SECRET" not in str(caught.value)


class CountedLicences:
    """Grants every KID but the one it refuses, and remembers what it was asked for."""

    def __init__(self, refused=None) -> None:
        self.requests, self._refused = [], refused

    def keys(self, kids):
        self.requests.append(sorted(kids))
        if self._refused in kids:
            message = "No."
            raise LicenceRefused(message)
        return {kid: SecretBytes(bytes.fromhex(kid)) for kid in kids}


def test_one_verification_asks_for_a_licence_once():
    source = CountedLicences()
    licences = OneLicence(source)
    a, b, c = ("aa" * 16, "bb" * 16, "cc" * 16)
    assert licences.keys([a, b])[a].get_secret_value() == bytes.fromhex(a)
    assert set(licences.keys([b])) == {b}
    assert set(licences.keys(iter([b, a]))) == {a, b}
    assert source.requests == [[a, b]]
    assert set(licences.keys([a, c])) == {a, c}
    assert source.requests == [[a, b], [c]]  # for what is new alone


def test_a_refused_licence_is_asked_for_again_and_grants_nothing():
    source = CountedLicences(refused="aa" * 16)
    licences = OneLicence(source)
    for _ in range(2):
        with pytest.raises(LicenceRefused):
            licences.keys(["aa" * 16])
    assert len(source.requests) == 2


def box(kind, *parts):
    body = b"".join(parts)
    return (8 + len(body)).to_bytes(4) + kind + body


def fragment(*counts, media=b""):
    runs = [box(b"trun", bytes(4), count.to_bytes(4), bytes(4 * count)) for count in counts]
    tfhd, tfdt = box(b"tfhd", bytes(4), (1).to_bytes(4)), box(b"tfdt", bytes(8))
    return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", tfhd, tfdt, *runs)) + box(b"mdat", media)


def test_a_range_of_a_key_frame_becomes_a_segment_of_that_sample_alone():
    whole = box(b"styp", b"msdh", bytes(4)) + fragment(3, 2, media=b"key frame, others")
    made = one_key_frame(whole[: whole.index(b", others")])
    boxes = dict(boxes_in(made))
    assert boxes[b"mdat"] == b"key frame"
    (traf,) = fragments_of(made)
    assert [int.from_bytes(body[4:8]) for kind, body in boxes_in(traf) if kind == b"trun"] == [1, 0]
    for other in (b"", b"a coded picture by itself", whole[:40]):
        with pytest.raises(PackageRejected, match="moof"):
            one_key_frame(other)


def media_of(*offers, runs=(), **held):
    head = Head(1000, "vide", "avc1", 0, Fraction(0), None, None, frozenset(), 0, 0)
    return Media(offers, head if runs else None, runs, Path("x"), **held)


def offer_of(kind, times, *seconds, **said):
    at = Offer("m", kind, kind, "", None, (), times)
    return replace(at, pieces=tuple(Piece(Ref(f"{n}"), Fraction(s)) for n, s in enumerate(seconds, 1)), **said)


def picture(seconds):
    run = Run(0, (1000,) * seconds, (0,) * seconds, (True,) * seconds, 1)
    return media_of(offer_of("video", "timeline", seconds), runs=(run,))


def test_sheets_cover_the_programme_but_for_a_last_picture_that_would_be_cut():
    grid = TileGrid(2, 1, 320, 90, Fraction(2))
    for seconds, told in (((4, 4), 0), ((4, 3), 0), ((4,), 1), ((4, 2), 1), ((8,), 1)):
        sheets = media_of(offer_of("image", "extinf", *seconds, tiles=grid))
        faults = list(faults_of_tiles([picture(8), sheets]))
        assert [fault.clause for fault in faults] == ["Telecine thumbnails"] * told, seconds


def test_a_sheet_of_another_size_than_its_grid_is_a_breach_of_the_manifest_that_says_so():
    pictures = (Picture(Ref("1"), 320, 90), Picture(Ref("2"), 320, 180))
    dash = offer_of("image", "nominal", 4, 4, tiles=TileGrid(2, 1, 320, 90))
    hls = offer_of("image", "extinf", 4, 4, tiles=TileGrid(3, 1, 320, 180, Fraction(2)))
    found = faults_of_tiles([picture(8), media_of(dash, hls, pictures=pictures)])
    assert [(fault.clause, fault.where) for fault in found] == [
        ("DASH-IF IOP 5 6.2.6", "2"),
        ("Roku image playlists EXT-X-TILES", "'image'"),  # 320 is no three pictures
        ("Roku image playlists EXT-X-TILES", "1"),
    ]


VTT = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{0},LOCAL:00:00:01.000\n\n00:00:01.500 --> 00:00:03.500\nOne\n"


def test_cues_are_placed_by_their_timestamp_map():
    for ticks, start in ((90_000, Fraction(3, 2)), (900_000, Fraction(21, 2)), (0, Fraction(1, 2))):
        found = read_passage(VTT.format(ticks).encode(), Ref("http://h/1.vtt"), None, None)
        assert found.cues[0].start + found.shift == start
        text = media_of(offer_of("text", "extinf", 8), passages=(found,))
        clauses = [fault.clause for fault in faults_of_texts([picture(8), text], Fraction(1, 25))]
        assert clauses == (["Telecine text"] if ticks == 900_000 else [])


def test_a_cue_that_outlasts_the_programme_is_told_and_no_breach():
    found = read_passage(VTT.format(90_000).encode(), Ref("http://h/1.vtt"), None, None)
    text = media_of(offer_of("text", "extinf", 3), passages=(found,))
    (told,) = faults_of_texts([picture(3), text], Fraction(1, 25))
    assert (told.clause, told.must) == ("Telecine text end", False)


def test_a_segment_without_a_cue_is_text_too():
    assert read_passage(b"WEBVTT\n\n", Ref("1.vtt"), None, None).cues == ()
    empty = b'<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="en"><body/></tt>'
    assert read_passage(empty, Ref("1.ttml"), None, None).cues == ()
    with pytest.raises(SourceRejected, match="'WEBVTT'"):
        read_passage(b"", Ref("1.vtt"), None, None)


def test_every_rule_has_a_clause_and_the_documentation_names_each():
    assert set(CLAUSES) == set(Rule)
    documented = (ROOT / "docs" / "proof.md").read_text()
    missing = [clause.name for clause in CLAUSES.values() if f"{clause.standard} | {clause.number} |" not in documented]
    assert missing == []


def test_a_page_escapes_what_it_is_given_and_needs_no_script():
    broken = fault(Rule.HLS_TARGET, "<script>alert(1)</script>", "x")
    worst = WorstSeconds(name="<b>", start=Fraction(1), vmaf=50, rendition_picture="a.jpg", source_picture="b.jpg")
    report = EvidenceReport(
        package="<title>", manifests=("u",), tracks=(), faults=(broken,), fetched=1, worst=(worst,),
        vmaf={"a": ((0.0, 90.0), (1.0, 80.0))},
    )  # fmt: skip
    page = evidence_page(report)
    assert "<script" not in page
    assert "<b>" not in page
    assert "fails" in page
    assert 'src="a.jpg"' in page
    assert not report.passed
