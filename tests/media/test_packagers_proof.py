"""Real packages of real renditions: what is made plays, what is damaged is caught."""

import base64
import json
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from lxml import etree
from pydantic import SecretBytes

from packagers.boxes import read_protection
from packagers.verify import verify
from packagers.work import PackageRequest, package
from profiles.models import PackagingProfile
from telecine.errors import PackageRejected
from telecine.keystore import SealedKeyStore
from telecine.media import FrameRate
from telecine.publication import Inventory
from telecine.rendition import Rendition, RenditionSet
from telecine.storage.keys import sha256_of_file
from telecine.storage.local import LocalStore
from telecine.tools import tool_path

pytestmark = pytest.mark.media

SIZES = {"720p": ("640x360", "HD"), "480p": ("320x180", "SD")}
SECONDS = 5
RATE = FrameRate(numerator=24, denominator=1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("renditions of a title")
    for name, (size, _) in SIZES.items():
        source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=24:duration={SECONDS}"]
        closed = ["-g", "48", "-keyint_min", "48", "-sc_threshold", "0", "-flags", "+cgop", "-pix_fmt", "yuv420p"]
        run_ffmpeg(*source, "-c:v", "libx264", "-preset", "veryfast", *closed, folder / f"{name}.mp4")
    for name, channels in (("stereo", 2), ("surround", 6)):
        source = ["-f", "lavfi", "-i", f"sine=frequency=330:duration={SECONDS}:sample_rate=48000"]
        run_ffmpeg(*source, "-ac", str(channels), "-c:a", "aac", folder / f"{name}.mp4")
    return folder


def run_ffmpeg(*arguments):
    subprocess.run([tool_path("ffmpeg"), "-v", "error", "-y", *map(str, arguments)], check=True)


class Bench:
    """A store, a key store, and the renditions in it."""

    def __init__(self, folder, clips, names=("720p", "480p", "stereo", "surround")) -> None:
        self.work_dir = folder / "work"
        self.store = LocalStore(folder / "store")
        self.key_store_dir = folder / "keys"
        self.keys = SealedKeyStore(LocalStore(self.key_store_dir), SecretBytes(b"k" * 32))
        self.renditions = RenditionSet(
            plan_digest="0" * 64,
            frames=SECONDS * 24,
            frame_rate=RATE,
            gop_frames=48,
            segment_frames=48,
            renditions=tuple(self.put(clips / f"{name}.mp4", name) for name in names),
        )

    def put(self, path, name):
        video = name in SIZES
        stored = self.store.put_file(f"renditions/{name}.mp4", path, content_type="video/mp4")
        width, height = map(int, SIZES[name][0].split("x")) if video else (None, None)
        return Rendition(
            name=name,
            kind="video" if video else "audio",
            codec="avc1.64001e" if video else "mp4a.40.2",
            label=SIZES[name][1] if video else "AUDIO",
            key=stored.key,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            duration=Fraction(SECONDS),
            average_bps=1,
            peak_bps=1,
            width=width,
            height=height,
            frame_rate=RATE if video else None,
            frames=SECONDS * 24 if video else None,
            channels=None if video else {"stereo": 2, "surround": 6}[name],
            sample_rate_hz=None if video else 48_000,
        )

    def request(self, **profile):
        labels = sorted({r.label for r in self.renditions.renditions})
        return PackageRequest(
            title_id="bunny",
            renditions=self.renditions,
            profile=PackagingProfile(**profile),
            keys=self.keys.assign("bunny", labels),
            licence_url="http://localhost:1/v1/licenses/clearkey",
        )

    def package(self, **profile):
        return package(self.request(**profile), self.keys, self.store, self.work_dir)

    def verify(self, made, keys=None):
        return verify(made, self.renditions, keys or self.keys, self.store, self.work_dir)

    def replace(self, made, path, content):
        """Put other bytes under a path of the package, and say so in its inventory, as a broken packager would."""
        target = self.work_dir / "replacement"
        target.write_bytes(content)
        self.store.put_file(made.prefix + path, target, content_type="video/mp4")
        entries = tuple(
            e.model_copy(update={"sha256": sha256_of_file(target), "size_bytes": len(content)}) if e.path == path else e
            for e in made.inventory.entries
        )
        inventory = Inventory(title_id=made.title_id, version=made.version, entries=entries)
        return made.model_copy(update={"inventory": inventory})

    def content(self, made, path):
        return self.store.get_bytes(made.prefix + path)[0]


@pytest.fixture
def bench(tmp_path, clips):
    return Bench(tmp_path, clips)


@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
def test_every_rendition_decrypts_and_decodes_to_what_went_in(bench, scheme):
    made = bench.package(scheme=scheme)
    report = bench.verify(made)
    assert [p.name for p in report.renditions] == ["720p", "480p", "stereo", "surround"]
    assert {p.frames for p in report.renditions[:2]} == {SECONDS * 24}
    assert {p.kid for p in report.renditions} == set(made.keys.kids.values())
    assert {p.segments for p in report.renditions[:2]} == {3}


def test_the_same_renditions_and_keys_give_the_same_bytes(tmp_path, clips):
    first, second = Bench(tmp_path / "one", clips), Bench(tmp_path / "two", clips)
    second.keys = first.keys
    assert first.package().inventory == second.package().inventory


def test_packaging_again_is_a_look_up(bench):
    made = bench.package()
    for entry in made.inventory.entries:
        bench.store.delete(made.prefix + entry.path)
    assert bench.package() == made
    assert list(bench.store.list(made.prefix)) == []


def test_init_segments_carry_kid_and_common_pssh_of_their_label(bench):
    made = bench.package()
    for name, (_, label) in SIZES.items():
        found = read_protection(bench.content(made, f"video/{name}/init.mp4"), name)
        assert (found.scheme, found.kid) == ("cbcs", made.keys.kids[label])
        assert found.kid in found.pssh_kids


def test_dash_names_a_bare_clear_key_with_our_licence_address(bench):
    made = bench.package()
    root = etree.fromstring(bench.content(made, made.dash_path))
    clear = [e for e in root.iter("{*}ContentProtection") if "e2719d58" in e.get("schemeIdUri")]
    assert clear
    assert all([child.text for child in e] == ["http://localhost:1/v1/licenses/clearkey"] for e in clear)
    assert "1077efec" not in etree.tostring(root).decode()


def test_the_manifest_is_valid_by_the_mpeg_schema(bench):
    schema = Path(__file__).parents[3] / "shared" / "conformance" / "dashschema" / "DASH-MPD.xsd"
    if not schema.exists():
        pytest.skip("the MPEG DASH schema is not beside the clone (../shared/conformance)")
    made = bench.package()
    etree.XMLSchema(etree.parse(schema)).assertValid(etree.fromstring(bench.content(made, made.dash_path)))


def test_hls_never_names_an_identity_key_and_has_one_default_per_group(bench):
    made = bench.package()
    master = bench.content(made, made.hls_path).decode()
    assert 'KEYFORMAT="identity"' not in master
    assert "VIDEO-RANGE=SDR" in master
    assert master.count("DEFAULT=YES") == 2
    session_keys = [line for line in master.splitlines() if line.startswith("#EXT-X-SESSION-KEY")]
    assert len(session_keys) == len(set(session_keys)) == 6  # Widevine and Clear Key lines of three labels
    media = bench.content(made, "video/720p/index.m3u8").decode()
    assert 'KEYFORMAT="identity"' not in media
    assert media.count("#EXT-X-KEY") == 2


def test_a_title_without_sound_is_packaged(tmp_path, clips):
    silent = Bench(tmp_path, clips, names=("480p",))
    assert len(silent.verify(silent.package()).renditions) == 1


def test_sound_alone_is_refused(tmp_path, clips):
    with pytest.raises(PackageRejected, match="no video rendition"):
        Bench(tmp_path, clips, names=("stereo",)).package()


class WrongKeys:
    """Answers with keys of other bytes."""

    def __init__(self, keys) -> None:
        self._keys = keys

    def key(self, title_id, kid):
        return self._keys.key(title_id, kid).model_copy(update={"key": SecretBytes(b"\x01" * 16)})


def test_a_wrong_key_is_caught_for_every_rendition(bench):
    with pytest.raises(PackageRejected) as caught:
        bench.verify(bench.package(), WrongKeys(bench.keys))
    assert len(caught.value.reasons) == 4


def test_a_changed_object_is_caught_by_its_hash(bench):
    made = bench.package()
    content = bytearray(bench.content(made, "video/720p/2.m4s"))
    content[-100] ^= 1
    target = bench.work_dir / "changed"
    target.write_bytes(content)
    bench.store.put_file(f"{made.prefix}video/720p/2.m4s", target, content_type="video/iso.segment")
    with pytest.raises(PackageRejected, match=r"video/720p/2\.m4s is not the bytes"):
        bench.verify(made)


def test_one_wrong_byte_that_the_inventory_agrees_with_is_caught_by_decoding(bench):
    made = bench.package()
    content = bytearray(bench.content(made, "video/480p/1.m4s"))
    content[-1000] ^= 0x55
    with pytest.raises(PackageRejected, match="480p does not decode"):
        bench.verify(bench.replace(made, "video/480p/1.m4s", bytes(content)))


def test_a_missing_segment_is_named(bench):
    made = bench.package()
    bench.store.delete(f"{made.prefix}audio/stereo/2.m4s")
    with pytest.raises(PackageRejected, match=r"audio/stereo/2\.m4s is in the inventory but not in the package"):
        bench.verify(made)


def test_a_swapped_kid_is_named(bench):
    made = bench.package()
    content = bench.content(made, "video/720p/init.mp4")
    kids = {label: bytes.fromhex(kid) for label, kid in made.keys.kids.items()}
    swapped = bench.replace(made, "video/720p/init.mp4", content.replace(kids["HD"], kids["SD"]))
    with pytest.raises(PackageRejected, match=r"video/720p/init\.mp4 says KID"):
        bench.verify(swapped)


def test_a_playlist_cut_short_is_caught(bench):
    made = bench.package()
    playlist = bench.content(made, "video/480p/index.m3u8").decode().replace("#EXT-X-ENDLIST", "")
    with pytest.raises(PackageRejected, match=r"video/480p/index\.m3u8 is cut"):
        bench.verify(bench.replace(made, "video/480p/index.m3u8", playlist.encode()))


def test_hls_and_dash_that_disagree_are_caught(bench):
    made = bench.package()
    lines = bench.content(made, "video/480p/index.m3u8").decode().splitlines()
    at = lines.index("2.m4s")
    shorter = "\n".join(lines[: at - 1] + lines[at + 1 :])
    with pytest.raises(PackageRejected, match="480p: HLS and DASH do not name the same segments"):
        bench.verify(bench.replace(made, "video/480p/index.m3u8", shorter.encode()))


def test_no_key_is_left_anywhere(bench, tmp_path):
    made = bench.package()
    bench.verify(made)
    needles = []
    for key in bench.keys.keys(made.keys):
        raw = key.key.get_secret_value()
        needles += [raw, raw.hex().encode(), base64.b64encode(raw), base64.urlsafe_b64encode(raw).rstrip(b"=")]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        assert not [needle for needle in needles if needle in content], path
    sealed = json.loads(next((bench.key_store_dir / "objects" / "keys").glob("bunny.json")).read_text())
    assert {key["label"] for key in sealed["keys"]} == {"AUDIO", "HD", "SD"}
