"""Arguments, flag file and manifests as text files. TELECINE_UPDATE_GOLDEN=1 writes them; read the diff.

``from-packager`` holds what Shaka Packager 3.8 wrote for the made-up keys below, untouched.
"""

import os
from fractions import Fraction
from pathlib import Path

import pytest
from pydantic import SecretBytes, ValidationError

from packagers.dash import read_tracks, rewrite_dash
from packagers.hls import attributes, key_lines, master_playlist, rewrite_playlist
from packagers.plan import PackageRequest, plan_package
from packagers.shaka import flag_file, package_command
from profiles.models import PackagingProfile
from telecine.document import digest_of
from telecine.errors import PackageRejected
from telecine.media import FrameRate
from telecine.protection import ContentKey, KeyAssignment
from telecine.rendition import Rendition, RenditionSet

EXPECTED = Path(__file__).parent / "packagers"
GIVEN = EXPECTED / "from-packager"
KIDS = {"AUDIO": "a" * 32, "HD": "c" * 32, "SD": "b" * 32}
KEYS = tuple(
    ContentKey(kid=kid, label=label, key=SecretBytes(bytes([number]) * 16), iv=SecretBytes(bytes([0x90 + number]) * 16))
    for number, (label, kid) in enumerate(sorted(KIDS.items()), start=1)
)
AVERAGES = {"180p": 245_000, "360p": 680_000, "stereo": 194_000, "surround": 386_000}


def matches(name: str, text: str) -> bool:
    path = EXPECTED / name
    if os.environ.get("TELECINE_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return text == path.read_text()


def track(name, kind, **facts) -> Rendition:
    shared = {"codec": "", "key": name, "sha256": digest_of(name), "size_bytes": 1, "average_bps": 1, "peak_bps": 1}
    return Rendition(name=name, kind=kind, duration=Fraction(1001, 200), **shared, **facts)


def a_plan(scheme="cbcs", clear_lead_s=0, licence_url="https://play.example/v1/licenses/clearkey"):
    renditions = (
        track("360p", "video", label="HD", width=640, height=360, frames=120),
        track("180p", "video", label="SD", width=320, height=180, frames=120),
        track("surround", "audio", label="AUDIO", channels=6, language="eng"),
        track("stereo", "audio", label="AUDIO", channels=2, language="eng"),
    )
    request = PackageRequest(
        title_id="test-card",
        renditions=RenditionSet(
            plan_digest="0" * 64,
            frames=120,
            frame_rate=FrameRate(numerator=24000, denominator=1001),
            gop_frames=24,
            segment_frames=48,
            renditions=renditions,
        ),
        profile=PackagingProfile(scheme=scheme, clear_lead_s=clear_lead_s),
        keys=KeyAssignment(title_id="test-card", kids=KIDS),
        licence_url=licence_url,
    )
    return plan_package(request, "packager 1")


def manifests(scheme):
    """Every published manifest by name, made of the packager's."""
    plan = a_plan(scheme)
    mpd = (GIVEN / scheme / "manifest.mpd").read_bytes()
    tracks = read_tracks(mpd, plan)
    given = {found: (GIVEN / scheme / f"{found.stream.name}.m3u8").read_text() for found in tracks}
    playlists = {f"{found.stream.name}.m3u8": rewrite_playlist(text, found, plan) for found, text in given.items()}
    keys = [line for text in playlists.values() for line in key_lines(text)]
    return {
        **playlists,
        "manifest.mpd": rewrite_dash(mpd, plan).decode(),
        "master.m3u8": master_playlist(plan, tracks, AVERAGES, keys),
    }


@pytest.mark.parametrize(("scheme", "clear_lead_s"), [("cbcs", 0), ("cenc", 6)])
def test_the_packager_is_asked_as_reviewed(scheme, clear_lead_s):
    plan = a_plan(scheme, clear_lead_s)
    assert matches(f"arguments-{scheme}.txt", "\n".join(package_command(plan, KEYS).argv) + "\n")
    assert matches(f"flags-{scheme}.txt", flag_file(plan, KEYS))


@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
@pytest.mark.parametrize("name", ["manifest.mpd", "master.m3u8", "180p.m3u8", "stereo.m3u8"])
def test_manifests_are_published_as_reviewed(scheme, name):
    assert matches(f"{scheme}/{name}", manifests(scheme)[name])


def test_a_manifest_does_not_depend_on_the_packagers_numbering():
    """The packager numbers adaptation sets anew in each run."""
    plan, mpd = a_plan(), (GIVEN / "cbcs" / "manifest.mpd").read_bytes()
    renumbered = mpd.replace(b'AdaptationSet id="0"', b'AdaptationSet id="7"').replace(
        b'switching:2016" value="', b'switching:2016" value="7'
    )
    assert renumbered != mpd
    assert rewrite_dash(renumbered, plan) == rewrite_dash(mpd, plan)


def test_allowed_cpc_of_a_label_is_told_with_its_variants_alone():
    """RFC 8216bis, 4.4.6.2: KEYFORMAT and configurations, which are separated by slashes; entries by commas."""
    allowed = {"HD": {"com.apple.streamingkeydelivery": ("AppleMain", "Main"), "com.example.drm": ("HW",)}}
    plan = a_plan()
    profile = PackagingProfile(allowed_cpc=allowed)
    plan = plan_package(plan.request.model_copy(update={"profile": profile}), "packager 1")
    tracks = read_tracks((GIVEN / "cbcs" / "manifest.mpd").read_bytes(), plan)
    told = [line for line in master_playlist(plan, tracks, AVERAGES, []).splitlines() if "STREAM-INF" in line]
    said = {attributes(line)["RESOLUTION"]: attributes(line).get("ALLOWED-CPC") for line in told}
    assert said == {
        "640x360": "com.apple.streamingkeydelivery:AppleMain/Main,com.example.drm:HW",
        "320x180": None,
    }


@pytest.mark.parametrize("labels", ["Main/Other", 'Main"', "Main,Other"])
def test_a_cpc_label_that_would_break_its_list_is_refused(labels):
    with pytest.raises(ValidationError, match="allowed_cpc"):
        PackagingProfile(allowed_cpc={"HD": {"com.example.drm": (labels,)}})


def test_a_licence_url_is_escaped():
    plan = a_plan(licence_url="https://play.example/?a=1&b=<2>")
    assert b"?a=1&amp;b=&lt;2&gt;" in rewrite_dash((GIVEN / "cbcs" / "manifest.mpd").read_bytes(), plan)


def test_a_stream_the_packager_left_out_is_named():
    mpd = (GIVEN / "cbcs" / "manifest.mpd").read_bytes().replace(b"video/360p/init.mp4", b"video/other/init.mp4")
    with pytest.raises(PackageRejected, match="no 360p"):
        read_tracks(mpd, a_plan())


def test_a_playlist_that_lost_a_segment_is_refused():
    found = read_tracks((GIVEN / "cbcs" / "manifest.mpd").read_bytes(), a_plan())[0]
    text = (GIVEN / "cbcs" / "180p.m3u8").read_text()
    cut = text.replace("#EXTINF:2.002,\n180p/2.m4s\n", "")
    assert cut != text
    with pytest.raises(PackageRejected, match="'180p' has 2 segments, its MPD has 3"):
        rewrite_playlist(cut, found, a_plan())


def test_with_a_clear_lead_keys_stay_behind_the_clear_segments():
    found = read_tracks((GIVEN / "cbcs" / "manifest.mpd").read_bytes(), a_plan())[0]
    text = (GIVEN / "cbcs" / "180p.m3u8").read_text()
    keys = "".join(f"{line}\n" for line in key_lines(text))
    first = "#EXTINF:2.002,\n180p/1.m4s\n"
    led = text.replace(keys, "").replace(first, f"{first}#EXT-X-DISCONTINUITY\n{keys}")
    lines = rewrite_playlist(led, found, a_plan()).splitlines()
    assert lines.index("180p/1.m4s") < lines.index(key_lines(rewrite_playlist(led, found, a_plan()))[0])
