"""Manifests of a session: nothing in them that its keys do not open."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from lxml import etree

from playback.app import create_app
from playback.entitlements import Entitlement
from playback.manifests.dash import filter_dash
from playback.manifests.hls import filter_hls, keys_of_playlist
from tests.unit.playback_fakes import KIDS, parts, settings, user_bearer
from tests.unit.test_playback_service import assert_problem, bearer

GOLDEN = Path(__file__).parent.parent / "golden" / "packagers" / "cbcs"
BASE = "http://edge-a.localhost:8601/p/bunny/v0123456789abcdef"
SECOND = "http://edge-b.localhost:8602/p/bunny/v0123456789abcdef"
SD = (KIDS["AUDIO"], KIDS["SD"])
NS = {"m": "urn:mpeg:dash:schema:mpd:2011"}


def published(base=BASE):
    """The golden manifests, and playlists of all renditions made of the one whose golden file there is."""
    model = (GOLDEN / "180p.m3u8").read_text()
    labels = {"video/180p": "SD", "video/360p": "HD", "audio/stereo": "AUDIO", "audio/surround": "AUDIO"}
    files = {f"{base}/{path}.m3u8": keyed(model, label).encode() for path, label in labels.items()}
    return files | {f"{base}/{name}": (GOLDEN / name).read_bytes() for name in ("manifest.mpd", "master.m3u8")}


def session_keys(label):
    """The golden multivariant playlist's session keys of one label: it writes all systems of a label together."""
    lines = [line for line in (GOLDEN / "master.m3u8").read_text().splitlines() if "SESSION-KEY" in line]
    systems = len(lines) // len(KIDS)
    first = next(n for n, line in enumerate(lines) if KIDS[label] in line)
    return lines[first : first + systems]


def keyed(playlist, label):
    """A media playlist with the keys of a label in place of its own."""
    keys = [line.replace("#EXT-X-SESSION-KEY:", "#EXT-X-KEY:") for line in session_keys(label)]
    rest = [line for line in playlist.splitlines() if not line.startswith("#EXT-X-KEY:")]
    return "\n".join([rest[0], *keys, *rest[1:]]) + "\n"


@pytest.fixture
def standing():
    found = parts()
    found.files.files.update(published())
    return found


@pytest.fixture
def client(standing):
    return TestClient(create_app(settings(), standing), raise_server_exceptions=False)


def opened(client, max_label="SD"):
    headers = user_bearer(entitlement=Entitlement(max_label=max_label))
    return client.post("/v1/sessions", json={"title": "bunny", "device": "tv"}, headers=headers).json()


def sets(mpd):
    return [one.get("id") for one in etree.fromstring(mpd).iterfind(".//m:AdaptationSet", NS)]


def test_an_sd_session_sees_sd_and_sound_in_dash(client):
    session = opened(client)
    answer = client.get(session["session_manifests"]["dash"], headers=bearer(session))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dash+xml"
    assert answer.headers["cache-control"] == "private, no-store"
    assert KIDS["SD"][:8] in answer.text
    assert KIDS["HD"][:8] not in answer.text
    assert "360p" not in answer.text
    root = etree.fromstring(answer.content)
    bases = [(one.get("serviceLocation"), one.text) for one in root.iterfind("m:BaseURL", NS)]
    assert bases == [("edge-a", f"{BASE}/"), ("edge-b", f"{SECOND}/")]
    assert [child.tag.rpartition("}")[2] for child in root][:2] == ["BaseURL", "BaseURL"]
    assert "adaptation-set-switching" not in answer.text


def test_an_sd_session_sees_sd_and_sound_in_hls(client):
    session = opened(client)
    answer = client.get(session["session_manifests"]["hls"], headers=bearer(session))
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert f"\n{BASE}/video/180p.m3u8\n" in answer.text
    assert f'URI="{BASE}/audio/stereo.m3u8"' in answer.text
    assert "360p" not in answer.text
    assert f"KEYID=0x{KIDS['HD']}" not in answer.text
    written = [line for line in answer.text.splitlines() if line.startswith("#EXT-X-SESSION-KEY")]
    assert written == [*session_keys("SD"), *session_keys("AUDIO")]
    assert answer.text.count("#EXT-X-STREAM-INF") == 2


def test_a_session_that_may_have_everything_sees_everything(client):
    session = opened(client, "UHD_HDR")
    hls = client.get(session["session_manifests"]["hls"], headers=bearer(session)).text
    assert hls.count("#EXT-X-STREAM-INF") == (GOLDEN / "master.m3u8").read_text().count("#EXT-X-STREAM-INF")
    assert hls.count("#EXT-X-SESSION-KEY") == (GOLDEN / "master.m3u8").read_text().count("#EXT-X-SESSION-KEY")
    dash = client.get(session["session_manifests"]["dash"], headers=bearer(session)).content
    assert sets(dash) == sets((GOLDEN / "manifest.mpd").read_bytes())


def test_a_manifest_needs_its_sessions_token_in_a_header_or_the_query(client):
    mine, theirs = opened(client), opened(client)
    address = mine["session_manifests"]["hls"]
    assert_problem(client.get(address), 401, "token-missing")
    assert_problem(client.get(address, headers=bearer(theirs)), 403, "session-foreign")
    assert client.get(address, params={"token": mine["playback_token"]}).status_code == 200
    client.delete(f"/v1/sessions/{mine['session_id']}", headers=bearer(mine))
    assert_problem(client.get(address, headers=bearer(mine)), 410, "session-ended")


def test_a_dead_edge_is_passed_over_and_no_edge_is_a_problem(client, standing):
    standing.files.files.clear()
    session = opened(client)
    assert_problem(client.get(session["session_manifests"]["dash"], headers=bearer(session)), 502, "edges-failed")
    standing.files.files.update(published(SECOND))
    answer = client.get(session["session_manifests"]["hls"], headers=bearer(session))
    assert f"{SECOND}/video/180p.m3u8" in answer.text


def test_a_published_manifest_is_read_once(client, standing):
    session = opened(client)
    for _ in range(3):
        client.get(session["session_manifests"]["hls"], headers=bearer(session))
    assert len(standing.files.reads) == len(set(standing.files.reads)) > 3


def test_the_edge_asked_for_comes_first(client, standing):
    standing.files.files.update(published(SECOND))
    session = opened(client)
    answer = client.get(session["session_manifests"]["hls"], params={"edge": "edge-b"}, headers=bearer(session))
    assert f"{SECOND}/video/180p.m3u8" in answer.text


MPD = """<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:cenc="urn:mpeg:cenc:2013"><BaseURL>in/</BaseURL><Period>
<AdaptationSet id="1"><Representation id="sd"><ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011"
 cenc:default_KID="BBBBBBBB-bbbb-bbbb-bbbb-bbbbbbbbbbbb"/></Representation>
<Representation id="hd"><ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011"
 cenc:default_KID="cccccccc-cccc-cccc-cccc-cccccccccccc"/></Representation></AdaptationSet>
<AdaptationSet id="2"><ContentProtection schemeIdUri="urn:uuid:x"/><Representation id="unknown"/></AdaptationSet>
<AdaptationSet id="3"><EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="2"/>
<Representation id="trick-of-2"/></AdaptationSet>
<AdaptationSet id="4"><Representation id="thumbnails"/></AdaptationSet>
</Period></MPD>"""


def test_representations_are_judged_by_their_own_kid_and_unknown_protection_fails_closed():
    seen = filter_dash(MPD.encode(), SD, [("edge", "http://edge/p/manifest.mpd")]).decode()
    assert 'id="sd"' in seen
    assert 'id="thumbnails"' in seen
    for gone in ("hd", "unknown", "trick-of-2"):
        assert f'id="{gone}"' not in seen
    assert ">http://edge/p/in/</BaseURL>" in seen


HLS = """#EXTM3U
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb",KEYFORMAT="com.apple.streamingkeydelivery"
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="data:text/plain;base64,aGQ=",KEYFORMAT="com.microsoft.playready"
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="data:text/plain;base64,c2Q=",KEYFORMAT="com.microsoft.playready"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="English",INSTREAM-ID="CC1"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="sd-i.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=2,URI="hd-i.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1
sd.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2
hd.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3
http://elsewhere/clear.m3u8
"""


def a_playlist(kid, uri):
    return keys_of_playlist(
        f'#EXT-X-KEY:METHOD=SAMPLE-AES,KEYID=0x{kid.upper()},URI="w",KEYFORMAT="urn:uuid:edef"\n'
        f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="{uri}",KEYFORMAT="com.microsoft.playready"\n'
    )


def test_hls_lines_of_every_key_system_follow_the_playlists_they_open():
    sd, hd = (a_playlist(KIDS[label], f"data:text/plain;base64,{b}") for label, b in (("SD", "c2Q="), ("HD", "aGQ=")))
    keys = {"sd.m3u8": sd, "sd-i.m3u8": sd, "hd.m3u8": hd, "hd-i.m3u8": hd}
    keys["http://elsewhere/clear.m3u8"] = keys_of_playlist("#EXT-X-KEY:METHOD=NONE\n")
    seen = filter_hls(HLS, keys, SD, "http://edge/p/master.m3u8")
    expected = HLS.replace("\nsd.m3u8", "\nhttp://edge/p/sd.m3u8").replace('"sd-i', '"http://edge/p/sd-i')
    kept = [
        line for line in expected.splitlines() if "hd" not in line and "aGQ=" not in line and "BANDWIDTH=2" not in line
    ]
    assert seen.splitlines() == kept


def test_a_playlist_whose_kid_is_not_told_is_left_out():
    keys = {"sd.m3u8": keys_of_playlist('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="https://keys.example/1"\n')}
    assert "sd.m3u8" not in filter_hls("#EXT-X-STREAM-INF:BANDWIDTH=1\nsd.m3u8\n", keys, SD, "http://edge/m.m3u8")


def test_session_data_are_fetched_from_where_the_title_is_published():
    line = '#EXT-X-SESSION-DATA:DATA-ID="com.apple.hls.chapters",URI="chapters.json"\n'
    seen = filter_hls(f"#EXTM3U\n{line}", {}, SD, "http://edge/p/master.m3u8")
    assert 'URI="http://edge/p/chapters.json"' in seen
