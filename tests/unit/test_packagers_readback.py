"""Manifests that a player would stumble over are read as such."""

import base64
import re
from fractions import Fraction
from pathlib import Path

import pytest

from packagers.playready import playready_object
from packagers.pssh import playready_pssh
from packagers.readback import read_dash, read_master, read_playlist
from telecine.errors import PackageRejected

PUBLISHED = Path(__file__).parents[1] / "golden" / "packagers" / "cbcs"
SYSTEMS = ("clearkey", "widevine", "playready", "fairplay")
MPD, MASTER, PLAYLIST = (PUBLISHED / name for name in ("manifest.mpd", "master.m3u8", "180p.m3u8"))


def without(pattern, text):
    changed = re.sub(pattern, "", text, flags=re.DOTALL)
    assert changed != text
    return changed


def test_a_dash_manifest_lists_each_track_with_exact_times():
    first, *others = read_dash(MPD.read_bytes(), "cbcs", SYSTEMS)
    assert first.init == "video/180p/init.mp4"
    assert first.segments == ("video/180p/1.m4s", "video/180p/2.m4s", "video/180p/3.m4s")
    assert first.durations == (Fraction(1001, 500), Fraction(1001, 500), Fraction(1001, 1000))
    assert first.kids == {"b" * 32}
    assert [found.init for found in others] == [
        "video/360p/init.mp4",
        "audio/stereo/init.mp4",
        "audio/surround/init.mp4",
    ]


def test_a_master_playlist_offers_each_playlist_once_and_all_keys():
    found = read_master(MASTER.read_text(), SYSTEMS)
    assert sorted(found.playlists) == [
        "audio/stereo.m3u8",
        "audio/surround.m3u8",
        "video/180p.m3u8",
        "video/360p.m3u8",
    ]
    assert found.kids == {"a" * 32, "b" * 32, "c" * 32}


def test_a_media_playlist_lists_paths_inside_the_package():
    found = read_playlist(PLAYLIST.read_text(), "video/180p.m3u8", SYSTEMS)
    assert (found.init, found.segments[2], found.kids) == ("video/180p/init.mp4", "video/180p/3.m4s", {"b" * 32})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('type="static"', 'type="dynamic"'), "should be static"),
        (lambda text: text.replace('value="cbcs"', 'value="cenc"', 1), "Adaptation set 1 .* scheme cbcs"),
        (lambda text: without(r" cenc:default_KID=\"b[^\"]*\"", text), "Adaptation set 1 .* default KID"),
        (
            lambda text: without(r'<ContentProtection [^>]*Widevine".*?</ContentProtection>', text),
            "one descriptor each",
        ),
        (lambda text: pssh_of(text, "a" * 32), "Adaptation set 1 .* playready pssh for KID b"),
        (lambda text: without(r"<mspr:pro>[^<]*</mspr:pro>", text), "PlayReady Object of its pssh as mspr:pro"),
        (
            lambda text: re.sub(r"(Widevine\">\s*<cenc:pssh>)[^<]*", r"\1AAAA", text),
            "no widevine pssh that can be read",
        ),
        (lambda text: without(r"<dashif:Laurl>[^<]*</dashif:Laurl>", text), "Clear Key descriptor with a licence URL"),
        (lambda text: text.replace("<dashif:Laurl>", "<cenc:pssh/><dashif:Laurl>", 1), "Adaptation set 1 .* no pssh"),
        (lambda text: text.replace('"video/180p/init.mp4"', '"https://cdn.example/init.mp4"'), "no relative URL"),
        (lambda text: text.replace('"video/180p/init.mp4"', '"../other/init.mp4"'), "no relative URL"),
        (lambda text: text.replace('"video/180p/init.mp4"', '"/init.mp4"'), "no relative URL"),
        (lambda text: without("<SegmentTemplate.*?</SegmentTemplate>", text), "180p .* has no SegmentTemplate"),
        (lambda text: text[:-20], "not well-formed"),
        (lambda _: "", "not well-formed"),
    ],
)
def test_a_faulty_dash_manifest_is_rejected(change, said):
    with pytest.raises(PackageRejected, match=said):
        read_dash(change(MPD.read_text()).encode(), "cbcs", SYSTEMS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: without("#EXT-X-ENDLIST", text), "should end"),
        (lambda text: without("#EXT-X-MAP[^\n]*\n", text), "it has 0"),
        (lambda text: text.replace("180p/1.m4s", "https://cdn.example/1.m4s"), "no relative URL"),
        (lambda text: text.replace("180p/1.m4s", "../../1.m4s"), "no relative URL"),
        (lambda text: text.replace("org.w3.clearkey", "identity"), "identity key line"),
        (lambda text: without(',KEYFORMAT="org.w3.clearkey"', text), "identity key line"),
        (lambda text: without('#EXT-X-KEY:[^\n]*clearkey"\n', text), "should have key lines of"),
        (lambda text: without("#EXT-X-KEY:[^\n]*edef8ba9[^\n]*\n", text), "should have key lines of"),
        (lambda text: text.replace("KEYID=0xb", "KEYID=0xd"), "for a Widevine box of"),
        (lambda text: text.replace("u7u7u7u7u7u7u7u7u7u7uw==", "zMzMzMzMzMzMzMzMzMzMzA=="), "names different KIDs"),
        (lambda text: text.replace("skd://test-card/bbbb", "skd://test-card/cccc"), "names different KIDs"),
        (lambda text: text.replace("UTF-16;base64,", "UTF-16;base64,AAAA"), "playready that cannot be read"),
        (lambda text: text.replace("#EXTM3U", "## made by hand\n#EXTM3U"), "breaks RFC 8216"),
        (lambda text: text.replace("#EXTINF:2.002000,", "#EXTINF:two,"), "breaks RFC 8216"),
    ],
)
def test_a_faulty_media_playlist_is_rejected(change, said):
    with pytest.raises(PackageRejected, match=said):
        read_playlist(change(PLAYLIST.read_text()), "video/180p.m3u8", SYSTEMS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('GROUP-ID="mp4a-6ch"', 'GROUP-ID="other"'), "audio group mp4a-6ch"),
        (lambda text: without("#EXT-X-STREAM-INF:[^\n]*\n[^\n]*\n", text), "any variant"),
        (lambda text: text.replace("#EXT-X-MEDIA", f"{key_line(text)}\n#EXT-X-MEDIA", 1), "one line twice"),
    ],
)
def test_a_faulty_master_playlist_is_rejected(change, said):
    with pytest.raises(PackageRejected, match=said):
        read_master(change(MASTER.read_text()), SYSTEMS)


def pssh_of(text, kid):
    """The manifest with PlayReady boxes of another key."""
    made = playready_object([kid], "cbcs")
    box, header = (base64.b64encode(held).decode() for held in (playready_pssh(made), made))
    changed = re.sub(r"(MSPR 2.0\">\s*<cenc:pssh>)[^<]*", rf"\g<1>{box}", text)
    return re.sub(r"(<mspr:pro>)[^<]*", rf"\g<1>{header}", changed)


def key_line(text):
    return next(line for line in text.splitlines() if line.startswith("#EXT-X-SESSION-KEY"))
