"""The real packager and the real proof over seconds of video."""

import base64
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from lxml import etree
from pydantic import SecretBytes

from packagers.boxes import read_init, read_segment
from packagers.plan import plan_package
from packagers.pssh import COMMON_SYSTEM, PLAYREADY, WIDEVINE, kids_of
from packagers.readback import read_dash, read_master, read_playlist
from packagers.shaka import package_command
from packagers.work import package
from telecine.document import digest_of
from telecine.errors import NotFound, PackageRejected, ToolFailed
from telecine.protection import ContentKey
from telecine.publication import Inventory, Package
from telecine.tools import tool_path

sys.path.insert(0, str(Path(__file__).parent))
from packagers_clips import DURATION, FRAMES, LICENCE_URL, LICENCES, SEGMENT, Bench, GrantedKeys, clips, verify

pytestmark = pytest.mark.media

SPILLING_PACKAGER = """#!/bin/sh
for last; do :; done
cat "${last#*=}" >&2
exit 1
"""


def made(bench: Bench) -> Package:
    return package(bench.request, bench.keys, bench.store, bench.work_dir)


def proven(bench: Bench, package: Package, keys=None):
    return verify(package, bench.renditions, GrantedKeys(keys or bench.keys), bench.store, bench.work_dir)


def content(bench: Bench, package: Package, path: str) -> bytes:
    return bench.store.get_bytes(package.prefix + path)[0]


def with_object(bench: Bench, package: Package, path: str, changed: bytes | None) -> Package:
    """The package with one object changed or gone, and an inventory that is honest about it."""
    entries = [entry for entry in package.inventory.entries if entry.path != path]
    if changed is None:
        bench.store.delete(package.prefix + path)
    else:
        stored = bench.store.put_bytes(package.prefix + path, changed, content_type="application/octet-stream")
        old = next(entry for entry in package.inventory.entries if entry.path == path)
        entries.append(old.model_copy(update={"sha256": stored.sha256, "size_bytes": len(changed)}))
    inventory = Inventory(title_id=package.title_id, version=package.version, entries=tuple(entries))
    return package.model_copy(update={"inventory": inventory})


def rejection(bench: Bench, package: Package, keys=None) -> str:
    with pytest.raises(PackageRejected) as caught:
        proven(bench, package, keys)
    return str(caught.value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A package nobody changes."""
    bench = Bench(tmp_path_factory.mktemp("package with space"))
    return bench, made(bench)


@pytest.fixture
def fresh(tmp_path):
    bench = Bench(tmp_path, sound=("stereo",), pictures=("180p",))
    return bench, made(bench)


@pytest.mark.parametrize(("scheme", "clear_lead_s"), [("cbcs", 0), ("cenc", 0), ("cbcs", 2)])
def test_every_rendition_opens_with_its_key_and_equals_what_went_in(tmp_path, scheme, clear_lead_s):
    bench = Bench(tmp_path, scheme=scheme, clear_lead_s=clear_lead_s)
    report = proven(bench, made(bench))
    assert {proof.name: proof.segments for proof in report.renditions} == dict.fromkeys(
        ("180p", "360p", "stereo", "surround"), 3
    )
    assert [proof.frames for proof in report.renditions[:2]] == [FRAMES, FRAMES]
    assert [proof.duration for proof in report.renditions[:2]] == [DURATION, DURATION]
    assert {proof.kid for proof in report.renditions} == set(bench.request.keys.kids.values())
    assert list(bench.work_dir.iterdir()) == []


def test_no_two_tracks_of_one_key_start_counter_mode_alike(tmp_path):
    """Equal keystreams would give away the difference of two tracks."""
    bench = Bench(tmp_path, scheme="cenc")
    package = made(bench)
    starts = {
        held[held.index(b"senc") + 12 :][:8]  # version, flags and count come before the first sample's vector
        for held in (content(bench, package, f"{track}/1.m4s") for track in ("audio/stereo", "audio/surround"))
    }
    assert len(starts) == 2


def test_a_title_without_sound_works(tmp_path):
    bench = Bench(tmp_path, sound=())
    assert [proof.name for proof in proven(bench, made(bench)).renditions] == ["180p", "360p"]


def test_segments_lie_on_the_frame_grid(whole):
    bench, package = whole
    listing = read_dash(content(bench, package, package.dash_path), "cbcs", package.drm)[0]
    step = Fraction(SEGMENT) / bench.renditions.frame_rate.fraction
    assert listing.durations == (step, step, DURATION - 2 * step)


def test_a_second_run_of_the_same_request_does_nothing(whole):
    bench, first = whole
    assert package(bench.request, NoKeys(), bench.store, bench.work_dir) == first


def test_a_package_that_lost_an_object_is_made_again(fresh):
    bench, package = fresh
    path = package.inventory.entries[1].path
    bench.store.delete(package.prefix + path)
    assert made(bench) == package
    assert bench.store.head(package.prefix + path) is not None


def test_equal_renditions_and_keys_give_equal_bytes(whole, tmp_path):
    bench, package = whole
    other = Bench(tmp_path)
    other.keys, other.request = bench.keys, bench.request
    assert made(other) == package


def test_another_licence_address_is_another_version(fresh):
    bench, package = fresh
    bench.request = bench.request.model_copy(update={"licence_url": "https://elsewhere.example/licence"})
    assert made(bench).version != package.version


def test_both_manifests_and_the_init_segments_name_the_assigned_kids(whole):
    bench, package = whole
    kids = bench.request.keys.kids
    master = read_master(content(bench, package, package.hls_path).decode(), package.drm)
    assert master.kids == set(kids.values())
    for rendition in bench.renditions.renditions:
        init = read_init(content(bench, package, f"{rendition.kind}/{rendition.name}/init.mp4"))
        path = f"{rendition.kind}/{rendition.name}.m3u8"
        assert init.kid == kids[rendition.label]
        assert read_playlist(content(bench, package, path).decode(), path, package.drm).kids == {init.kid}
        assert set(init.pssh[0].kids) == set(kids.values())
        assert init.pssh[0].system == COMMON_SYSTEM


def test_every_system_is_signalled_in_dash_with_its_licence_address(whole):
    bench, package = whole
    root = etree.fromstring(content(bench, package, package.dash_path))
    sets = list(root.iter("{*}AdaptationSet"))
    assert len(sets) == 4
    for found in sets:
        told = [(one.get("schemeIdUri"), one.findtext("{*}Laurl")) for one in found.iter("{*}ContentProtection")]
        assert told == [
            ("urn:mpeg:dash:mp4protection:2011", None),
            ("urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e", LICENCE_URL),
            ("urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", LICENCES.widevine),
            ("urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95", LICENCES.playready),
        ]
        clear_key = found.findall("{*}ContentProtection")[1]
        assert clear_key.find("{*}pssh") is None


def test_init_segments_hold_a_box_of_each_system_for_the_same_kids(whole):
    bench, package = whole
    init = read_init(content(bench, package, "video/180p/init.mp4"))
    kids = set(bench.request.keys.kids.values())
    assert [(box.system, set(kids_of(box))) for box in init.pssh] == [
        (COMMON_SYSTEM, kids), (WIDEVINE, kids), (PLAYREADY, kids)
    ]  # fmt: skip


def test_with_a_clear_lead_the_first_segments_are_clear_and_the_rest_is_not(tmp_path):
    """Told by the bytes: those of a clear segment are the rendition's."""
    bench = Bench(tmp_path, clear_lead_s=2, packaging={"trick_play": True})
    made_one = made(bench)
    assert proven(bench, made_one)
    for track in ("video/180p", "audio/stereo"):
        samples = [content(bench, made_one, f"{track}/{number}.m4s") for number in (1, 2, 3)]
        source = bench.store.get_bytes(f"{rendition(bench, track.partition('/')[2]).key}")[0]
        taken = [found[found.index(b"mdat") + 4 :][200:600] in source for found in samples]
        assert taken == [True, False, False], track
    lines = content(bench, made_one, "video/180p.m3u8").decode().splitlines()
    first_key = next(number for number, line in enumerate(lines) if line.startswith("#EXT-X-KEY"))
    assert lines.index("180p/1.m4s") < first_key < lines.index("180p/2.m4s")


def test_tracks_of_key_frames_are_of_the_smallest_picture_and_proven(tmp_path):
    bench = Bench(tmp_path, packaging={"trick_play": True})
    package = made(bench)
    proofs = {proof.name: proof for proof in proven(bench, package).renditions}
    assert list(proofs) == ["180p", "360p", "stereo", "surround", "180p.trick"]
    assert (proofs["180p.trick"].frames, proofs["180p.trick"].segments) == (5, 5)
    assert proofs["180p.trick"].duration == DURATION
    assert proofs["180p.trick"].kid == bench.request.keys.kids["SD"]


def test_sets_of_key_frames_come_last_and_name_the_sets_they_stand_for(tmp_path):
    bench = Bench(tmp_path, packaging={"trick_play": True})
    package = made(bench)
    sets = list(etree.fromstring(content(bench, package, package.dash_path)).iter("{*}AdaptationSet"))
    essential = [[one.attrib for one in found.iter("{*}EssentialProperty")] for found in sets]
    assert essential == [[], [], [], [], [{"schemeIdUri": "http://dashif.org/guidelines/trickmode", "value": "1 2"}]]
    assert next(sets[4].iter("{*}Representation")).get("maxPlayoutRate") == "24"


def test_a_playlist_of_key_frames_has_one_whole_key_frame_a_segment(tmp_path):
    bench = Bench(tmp_path, packaging={"trick_play": True})
    package = made(bench)
    master = content(bench, package, package.hls_path).decode().splitlines()
    offered = [line for line in master if line.startswith("#EXT-X-I-FRAME-STREAM-INF")]
    assert len(offered) == 1
    assert 'RESOLUTION=320x180,VIDEO-RANGE=SDR,URI="trick/180p.m3u8"' in offered[0]
    text = content(bench, package, "trick/180p.m3u8").decode()
    assert "#EXT-X-I-FRAMES-ONLY" in text
    segments = read_playlist(text, "trick/180p.m3u8", package.drm).segments
    facts = [read_segment(content(bench, package, path)) for path in segments]
    assert [(found.samples, found.starts_with_sync) for found in facts] == [(1, True)] * 5


def test_counter_mode_does_not_start_alike_in_a_track_and_its_key_frames(tmp_path):
    """Equal keystreams over different samples would give both away."""
    bench = Bench(tmp_path, scheme="cenc", packaging={"trick_play": True})
    package = made(bench)
    assert proven(bench, package)
    starts = {
        held[held.index(b"senc") + 12 :][:8]
        for held in (content(bench, package, f"{track}/1.m4s") for track in ("video/180p", "trick/180p"))
    }
    assert len(starts) == 2


def test_a_foreign_key_frame_is_found(tmp_path):
    bench = Bench(tmp_path, packaging={"trick_play": True})
    package = made(bench)
    other = content(bench, package, "trick/180p/2.m4s")
    swapped = with_object(bench, package, "trick/180p/3.m4s", other)
    assert "trick/180p/3.m4s should start at" in rejection(bench, swapped)


def test_a_playlist_that_hides_what_it_is_for_is_found(tmp_path):
    bench = Bench(tmp_path, packaging={"trick_play": True})
    package = made(bench)
    text = content(bench, package, "trick/180p.m3u8").replace(b"#EXT-X-I-FRAMES-ONLY\n", b"")
    assert "for seeking in pictures in DASH only" in rejection(
        bench, with_object(bench, package, "trick/180p.m3u8", text)
    )


@pytest.mark.parametrize("drm", [("clearkey",), ("widevine",), ("playready",), ("fairplay",)])
@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
def test_a_package_for_one_system_is_whole(tmp_path, drm, scheme):
    if (drm, scheme) == (("fairplay",), "cenc"):
        with pytest.raises(ValueError, match="FairPlay opens scheme cbcs only"):
            Bench(tmp_path, scheme=scheme, packaging={"drm": drm})
        return
    bench = Bench(tmp_path, scheme=scheme, packaging={"drm": drm}, sound=("stereo",))
    assert len(proven(bench, made(bench)).renditions) == 3


def rendition(bench, name):
    return next(found for found in bench.renditions.renditions if found.name == name)


def test_content_types_and_roles_are_told(whole):
    _, package = whole
    told = {entry.path: (entry.content_type, entry.role) for entry in package.inventory.entries}
    assert told["manifest.mpd"] == ("application/dash+xml", "manifest")
    assert told["master.m3u8"] == ("application/vnd.apple.mpegurl", "manifest")
    assert told["video/180p.m3u8"] == ("application/vnd.apple.mpegurl", "playlist")
    assert told["video/180p/init.mp4"] == ("video/mp4", "init")
    assert told["audio/stereo/init.mp4"] == ("audio/mp4", "init")
    assert told["audio/stereo/3.m4s"] == ("video/iso.segment", "segment")


def test_keys_are_nowhere_but_sealed(tmp_path):
    bench = Bench(tmp_path)
    proven(bench, made(bench))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 40
    for key in bench.content_keys():
        secret = key.key.get_secret_value()
        spellings = [secret, secret.hex().encode(), secret.hex().upper().encode()]
        spellings += [base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")]
        for path in files:
            held = path.read_bytes()
            assert not [spelling for spelling in spellings if spelling in held], path


def test_keys_are_not_in_arguments_or_errors(fresh, monkeypatch):
    bench, _ = fresh
    key = bench.content_keys()[0]
    spilling = Path(bench.root / "packager")
    spilling.write_text(SPILLING_PACKAGER)
    spilling.chmod(0o755)
    monkeypatch.setenv("TELECINE_TOOL_PACKAGER", str(spilling))
    tool_path.cache_clear()
    try:
        with pytest.raises(ToolFailed) as caught:
            package(bench.request.model_copy(update={"licence_url": "new"}), bench.keys, bench.store, bench.work_dir)
    finally:
        tool_path.cache_clear()
    told = f"{caught.value} {caught.value.stderr_tail} {caught.value.argv}"
    assert "--keys=" in told  # the tool did spill its flag file
    assert key.key.get_secret_value().hex() not in told


def test_a_changed_byte_is_found(fresh):
    bench, package = fresh
    path = "video/180p/2.m4s"
    held = bytearray(content(bench, package, path))
    held[-9] ^= 1
    bench.store.put_bytes(package.prefix + path, bytes(held), content_type="video/iso.segment")
    assert path in rejection(bench, package)


def test_a_changed_byte_under_an_honest_hash_is_found_by_decoding(fresh):
    bench, package = fresh
    for path in ("video/180p/2.m4s", "audio/stereo/2.m4s"):
        held = bytearray(content(bench, package, path))
        held[-9] ^= 1
        package = with_object(bench, package, path, bytes(held))
    found = rejection(bench, package)
    assert "'180p'" in found
    assert "'stereo'" in found


def test_a_missing_object_is_named(fresh):
    bench, package = fresh
    bench.store.delete(package.prefix + "video/180p/2.m4s")
    bench.store.delete(package.prefix + "audio/stereo/init.mp4")
    found = rejection(bench, package)
    assert "video/180p/2.m4s" in found
    assert "audio/stereo/init.mp4" in found


def test_a_segment_that_manifests_name_but_the_inventory_lacks_is_named(fresh):
    bench, package = fresh
    assert "video/180p/2.m4s" in rejection(bench, with_object(bench, package, "video/180p/2.m4s", None))


def test_an_object_no_manifest_names_is_named(fresh):
    bench, package = fresh
    stray = next(entry for entry in package.inventory.entries if entry.path == "video/180p/1.m4s")
    bench.store.put_bytes(package.prefix + "video/180p/9.m4s", content(bench, package, stray.path), content_type="x")
    inventory = package.inventory.model_copy(
        update={"entries": (*package.inventory.entries, stray.model_copy(update={"path": "video/180p/9.m4s"}))}
    )
    assert "video/180p/9.m4s" in rejection(bench, package.model_copy(update={"inventory": inventory}))


def test_swapped_segments_are_found(fresh):
    bench, package = fresh
    first, second = (content(bench, package, f"video/180p/{n}.m4s") for n in (1, 2))
    package = with_object(bench, package, "video/180p/1.m4s", second)
    package = with_object(bench, package, "video/180p/2.m4s", first)
    found = rejection(bench, package)
    assert "video/180p/1.m4s should start at 0 s" in found


def test_a_swapped_kid_in_an_init_segment_is_found(fresh):
    bench, package = fresh
    kids = bench.request.keys.kids
    held = content(bench, package, "video/180p/init.mp4")
    changed = held.replace(bytes.fromhex(kids["SD"]), bytes.fromhex(kids["AUDIO"]), 1)
    found = rejection(bench, with_object(bench, package, "video/180p/init.mp4", changed))
    assert "video/180p/init.mp4 should be protected by KID" in found


def test_swapped_kids_in_the_manifests_are_found(fresh):
    bench, package = fresh
    kids = {
        label: "-".join((k[:8], k[8:12], k[12:16], k[16:20], k[20:])) for label, k in bench.request.keys.kids.items()
    }
    held = content(bench, package, "manifest.mpd").decode()
    changed = held.replace(kids["SD"], "*").replace(kids["AUDIO"], kids["SD"]).replace("*", kids["AUDIO"])
    assert "playready pssh for KID" in rejection(bench, with_object(bench, package, "manifest.mpd", changed.encode()))


class NoKeys:
    """A key store nobody may ask: a look-up needs no key."""

    def keys(self, assignment):
        raise AssertionError(assignment)


class WrongKeys:
    """A key store that answers with another key of the same id."""

    def __init__(self, keys, label) -> None:
        self._keys, self._label = keys, label

    def key(self, title_id, kid) -> ContentKey:
        found = self._keys.key(title_id, kid)
        wrong = SecretBytes(bytes(byte ^ 0x55 for byte in found.key.get_secret_value()))
        return found.model_copy(update={"key": wrong}) if found.label == self._label else found


@pytest.mark.parametrize(("label", "name"), [("SD", "180p"), ("HD", "360p"), ("AUDIO", "stereo")])
def test_a_wrong_key_is_found(whole, label, name):
    bench, package = whole
    found = rejection(bench, package, WrongKeys(bench.keys, label))
    assert f"'{name}'" in found
    for key in bench.content_keys():
        assert key.key.get_secret_value().hex() not in found


def test_another_rendition_of_the_same_length_is_found(fresh):
    """The package is sound in itself, but is not what it should have been made of."""
    bench, package = fresh
    other = bench.root / "other.mp4"
    source = clips() / "180p.mp4"
    recoded = ["-vf", "negate", "-c:v", "libx264", "-g", "24", "-keyint_min", "24", "-sc_threshold", "0"]
    subprocess.run([tool_path("ffmpeg"), "-v", "error", "-i", source, *recoded, other], check=True)
    key = "renditions/other.mp4"
    stored = bench.store.put_file(key, other, content_type="video/mp4")
    changed = [
        rendition.model_copy(update={"key": key, "sha256": stored.sha256}) if rendition.name == "180p" else rendition
        for rendition in bench.renditions.renditions
    ]
    bench.renditions = bench.renditions.model_copy(update={"renditions": tuple(changed)})
    assert "'180p' is not what went in" in rejection(bench, package)


def test_a_rendition_that_changed_in_the_store_is_not_packaged(tmp_path):
    bench = Bench(tmp_path, sound=(), pictures=("180p",))
    changed = bench.renditions.renditions[0].model_copy(update={"sha256": digest_of("other")})
    renditions = bench.renditions.model_copy(update={"renditions": (changed,)})
    bench.request = bench.request.model_copy(update={"renditions": renditions})
    with pytest.raises(PackageRejected, match="'180p'"):
        made(bench)
    assert list(bench.store.list("packages/")) == []


def test_a_missing_rendition_is_not_found(tmp_path):
    bench = Bench(tmp_path, sound=(), pictures=("180p",))
    bench.store.delete(bench.renditions.renditions[0].key)
    with pytest.raises(NotFound):
        made(bench)


def test_no_argument_holds_a_key(whole):
    bench, _ = whole
    command = package_command(plan_package(bench.request, "1"), bench.content_keys())
    for key in bench.content_keys():
        assert key.key.get_secret_value().hex() not in " ".join(command.argv) + repr(command)
        assert key.key.get_secret_value().hex() in command.secret_files["flags"].decode()


def test_protection_comes_before_colour_as_the_schema_orders_them(whole):
    bench, package = whole
    sets = list(etree.fromstring(content(bench, package, package.dash_path)).iter("{*}AdaptationSet"))
    video = [[etree.QName(child).localname for child in found] for found in sets if found.get("contentType") == "video"]
    assert video
    for names in video:
        assert "SupplementalProperty" in names, "the clip says no colour, so nothing is shown here"
        ranks = [("ContentProtection", "SupplementalProperty", "Role", "Representation").index(name) for name in names]
        assert ranks == sorted(ranks)


def test_the_manifest_is_valid_by_the_mpeg_schema(tmp_path):
    schema = Path(__file__).parents[3] / "shared" / "conformance" / "dashschema" / "DASH-MPD.xsd"
    if not schema.exists():
        pytest.skip("the MPEG DASH schema is not beside the clone (../shared/conformance)")
    bench = Bench(tmp_path, packaging={"trick_play": True})
    package = made(bench)
    etree.XMLSchema(etree.parse(schema)).assertValid(etree.fromstring(content(bench, package, package.dash_path)))
