"""A session on a title with a set of each protection scheme: which one it gets, and nothing of the other."""

import pytest
from fastapi.testclient import TestClient

from playback.app import create_app
from playback.entitlements import Entitlement
from playback.titles import ListedTitle
from playback.tokens import Tokens
from tests.unit.playback_fakes import (
    CENC_KIDS,
    KIDS,
    NOW_S,
    TOKEN_KEY,
    content_key,
    parts,
    pointer,
    pointer_of_both,
    settings,
    user_bearer,
)
from tests.unit.test_playback_manifests import BASE, published
from tests.unit.test_playback_service import LICENSES, assert_problem, b64, bearer, wanting

SHARED = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="English",URI="../text/en.m3u8"'


@pytest.fixture
def client():
    standing = parts()
    old = pointer("old").model_copy(update={"scheme": "cbcs"})
    standing.titles.known += [
        ListedTitle("both", "Both", pointer_of_both("both")),
        ListedTitle("cbcs", "cbcs alone", old),
        ListedTitle("clear", "Clear", old.model_copy(update={"scheme": "clear", "kids": {}})),
    ]
    for kid in (*KIDS.values(), *CENC_KIDS.values()):
        standing.keys.keys["both", kid] = content_key(kid)
    base = f"{BASE.replace('/bunny/', '/both/')}/cenc"
    files = published(base)
    for address, content in files.items():
        for label, kid in KIDS.items():
            content = _rekeyed(content, kid, CENC_KIDS[label])  # noqa: PLW2901
        files[address] = content
    files[f"{base}/master.m3u8"] += f"{SHARED}\n".encode()
    files[f"{base.removesuffix('/cenc')}/text/en.m3u8"] = b"#EXTM3U\n"
    standing.files.files.update(files)
    return TestClient(create_app(settings(), standing), raise_server_exceptions=False)


def _rekeyed(content: bytes, kid: str, other: str) -> bytes:
    for one, its in ((kid, other), (_dashed(kid), _dashed(other))):
        content = content.replace(one.encode(), its.encode())
    return content


def _dashed(kid: str) -> str:
    return f"{kid[:8]}-{kid[8:12]}-{kid[12:16]}-{kid[16:20]}-{kid[20:]}"


def opened(client, title="both", max_label="UHD_HDR", **asked):
    headers = user_bearer(entitlement=Entitlement(max_label=max_label))
    return client.post("/v1/sessions", json={"title": title, "device": "tv", **asked}, headers=headers)


@pytest.mark.parametrize(
    ("asked", "scheme"),
    [
        ({}, "cbcs"),
        ({"scheme": "cbcs"}, "cbcs"),
        ({"scheme": "cenc"}, "cenc"),
        ({"key_system": "com.apple.fps"}, "cbcs"),
        ({"key_system": "com.microsoft.playready"}, "cenc"),
        ({"key_system": "com.microsoft.playready.recommendation"}, "cbcs"),
        ({"key_system": "com.widevine.alpha"}, "cbcs"),
        ({"key_system": "com.microsoft.playready", "scheme": "cbcs"}, "cbcs"),
    ],
)
def test_a_session_is_on_the_set_its_device_decrypts(client, asked, scheme):
    session = opened(client, **asked).json()
    folder, kids = {"cbcs": ("", KIDS), "cenc": ("cenc/", CENC_KIDS)}[scheme]
    assert session["scheme"] == scheme
    assert [links["dash"].partition("abcdef/")[2] for links in session["manifests"]] == [f"{folder}manifest.mpd"] * 2
    assert set(Tokens(TOKEN_KEY).read_playback(session["playback_token"], NOW_S).kids) == set(kids.values())


def test_a_scheme_that_a_title_does_not_have_is_refused(client):
    assert_problem(opened(client, "cbcs", scheme="cenc"), 409, "scheme-not-there")
    assert_problem(opened(client, "cbcs", key_system="com.microsoft.playready"), 409, "scheme-not-there")
    assert opened(client, "cbcs", scheme="cbcs").status_code == 201
    assert opened(client, "clear", scheme="cenc").status_code == 201, "what is clear needs no scheme"
    assert opened(client, "bunny", scheme="cenc").status_code == 201, "a version that does not say is tried"


def test_a_licence_holds_keys_of_the_sessions_own_set_alone(client):
    session = opened(client, scheme="cenc").json()
    asked = wanting(CENC_KIDS["SD"], KIDS["SD"])
    answer = client.post(LICENSES, content=asked, headers=bearer(session))
    assert [key["kid"] for key in answer.json()["keys"]] == [b64(CENC_KIDS["SD"])]
    other = opened(client, scheme="cenc").json()
    assert_problem(client.post(LICENSES, content=wanting(KIDS["SD"]), headers=bearer(other)), 403, "not-entitled")


def test_an_sd_session_of_the_second_set_sees_sd_sound_and_what_the_sets_share(client):
    session = opened(client, max_label="SD", scheme="cenc").json()
    base = BASE.replace("/bunny/", "/both/")
    hls = client.get(session["session_manifests"]["hls"], headers=bearer(session)).text
    assert f"\n{base}/cenc/video/180p.m3u8\n" in hls
    assert f'URI="{base}/text/en.m3u8"' in hls
    assert "360p" not in hls
    assert session["labels"] == ["AUDIO", "SD"]
    dash = client.get(session["session_manifests"]["dash"], headers=bearer(session)).text
    assert f">{base}/cenc/</BaseURL>" in dash
    assert _dashed(CENC_KIDS["SD"]) in dash
    assert _dashed(CENC_KIDS["HD"]) not in dash
