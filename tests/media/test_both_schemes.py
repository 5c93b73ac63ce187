"""A package with a set of each protection scheme, end to end: made, proven, broken, interrupted, published, played."""

import base64
import json
import re
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from origin.pointer import go_live
from origin.publish import publish
from origin.published import found_publications
from packagers.boxes import read_init
from packagers.verify import examine
from packagers.work import package
from pipeline.licensing import licences_of_version
from telecine.publication import Inventory
from telecine.settings import Settings
from telecine.storage.memory import MemoryStore
from tests.media.packagers_clips import TITLE, Bench
from tests.media.players import LIBRARIES, full_bench, full_request, serving
from tests.media.test_packagers_players import PAIRS, Origin, until

pytestmark = pytest.mark.media

PRO = re.compile(rb"<mspr:pro>([^<]+)<")

SCHEMA = Path(__file__).parents[3] / "shared" / "conformance" / "dashschema" / "DASH-MPD.xsd"
"""Of MPEG, beside a clone; without it the MPDs are not validated."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Pictures, sound, key frames, subtitles and thumbnails, under both schemes."""
    bench = full_bench(tmp_path_factory.mktemp("both"), "both")
    bench.request = full_request(bench)
    bench.renditions = bench.request.renditions
    return bench, package(bench.request, bench.keys, bench.store, bench.work_dir)


def licences(bench, package):
    settings = Settings(_env_file=None, data_dir=bench.work_dir)
    return licences_of_version(package.keys, package.version, bench.keys, settings, package.further)


def proof(bench, package):
    schema = SCHEMA if SCHEMA.exists() else None
    return examine(package, bench.renditions, licences(bench, package), bench.store, bench.work_dir, schema)


def content(bench, package, path):
    return bench.store.get_bytes(package.prefix + path)[0]


def test_each_set_has_its_scheme_its_keys_and_what_it_encrypts_and_shares_the_rest(made):
    bench, package = made
    first, second = package.sets
    assert (first.scheme, first.folder, second.scheme, second.folder) == ("cbcs", "", "cenc", "cenc/")
    assert first.kids.keys() == second.kids.keys()
    assert not set(first.kids.values()) & set(second.kids.values())
    paths = {entry.path for entry in package.inventory.entries}
    mine = {path.removeprefix("cenc/") for path in paths if path.startswith("cenc/")}
    shared = {path for path in paths if path.startswith(("text/", "thumbnails"))}
    assert mine | shared == {path for path in paths if not path.startswith("cenc/")}
    assert shared
    assert not mine & shared
    for found, path in ((first, "video/180p/init.mp4"), (second, "cenc/video/180p/init.mp4")):
        init = read_init(content(bench, package, path))
        assert (init.scheme, init.kid) == (found.scheme, found.kids["SD"])
        assert set(init.pssh[0].kids) == set(found.kids.values())
    mpd, master = (content(bench, package, f"cenc/{name}").decode() for name in ("manifest.mpd", "master.m3u8"))
    assert 'initialization="../text/en/init.mp4"' in mpd
    assert 'URI="../text/en.m3u8"' in master
    for folder, cipher, other in (("", "AESCBC", "AESCTR"), ("cenc/", "AESCTR", "AESCBC")):
        header = base64.b64decode(PRO.search(content(bench, package, f"{folder}manifest.mpd"))[1]).decode("utf-16-le")
        assert cipher in header
        assert other not in header
    assert "skd://" not in master
    assert "skd://" in content(bench, package, "master.m3u8").decode()


def test_the_first_set_is_that_of_a_package_with_it_alone(made, tmp_path):
    bench, package_of_both = made
    profile = bench.request.profile.model_copy(update={"scheme": "cbcs"})
    alone = package(
        bench.request.model_copy(update={"profile": profile, "further_keys": None}),
        bench.keys, bench.store, bench.work_dir,
    )  # fmt: skip
    assert alone.further == ()
    digests = {entry.path: entry.sha256 for entry in alone.inventory.entries}
    first = [entry for entry in package_of_both.inventory.entries if not entry.path.startswith("cenc/")]
    assert {entry.path: entry.sha256 for entry in first} == digests


def test_the_proof_opens_and_decodes_every_track_of_both_sets(made):
    bench, package = made
    report = proof(bench, package)
    assert report.evidence.rejections == ()
    kids = {kid for found in package.sets for kid in found.kids.values()}
    assert {one.kid for one in report.renditions} == set(report.evidence.granted) == kids
    assert {one.name for one in report.renditions} >= {"180p", "cenc/180p", "stereo", "cenc/stereo", "cenc/180p.trick"}
    assert report.evidence.manifests == (
        "manifest.mpd", "master.m3u8", "cenc/manifest.mpd", "cenc/master.m3u8",
    )  # fmt: skip
    seen = {(one.name, one.scheme) for one in report.evidence.tracks if one.decoded}
    assert {("180p", "cbcs"), ("cenc/180p", "cenc"), ("stereo", "cbcs"), ("cenc/stereo", "cenc")} <= seen
    assert [one.kind for one in report.evidence.tracks].count("image") == 1, "what is shared is looked at once"


def flipped(held: bytes) -> bytes:
    at = held.index(b"mdat") + 200
    return held[:at] + bytes([held[at] ^ 0xFF]) + held[at + 1 :]


def keyed_as_the_first_set(held: bytes, package) -> bytes:
    first, second = (bytes.fromhex(found.kids["SD"]) for found in package.sets)
    at = held.index(b"tenc")
    return held[:at] + held[at:].replace(second, first, 1)


MUTATIONS = [
    ("cenc/video/360p/2.m4s", lambda held, _: flipped(held), "'cenc/360p' does not decode with its key"),
    ("cenc/video/180p/init.mp4", keyed_as_the_first_set, "cenc/video/180p/init.mp4 should be protected by KID"),
    ("cenc/manifest.mpd", lambda held, _: held.replace(b"../text/", b"../../text/"), "no relative URL inside"),
    ("cenc/master.m3u8", lambda held, _: held.replace(b"../text/", b"../../text/"), "no relative URL inside"),
    (
        "cenc/master.m3u8",
        lambda held, _: held.replace(b"video/180p", b"../video/180p"),
        "The HLS playlist video/180p.m3u8 should",
    ),
]


@pytest.mark.parametrize(("path", "change", "told"), MUTATIONS, ids=[f"{path}: {told}" for path, _, told in MUTATIONS])
def test_what_is_wrong_with_the_second_set_alone_is_found(made, path, change, told):
    """The inventory is honest about the object that was changed."""
    bench, package = made
    held = content(bench, package, path)
    changed = change(held, package)
    assert changed != held
    stored = bench.store.put_bytes(package.prefix + path, changed, content_type="application/octet-stream")
    entries = tuple(
        one.model_copy(update={"sha256": stored.sha256, "size_bytes": len(changed)}) if one.path == path else one
        for one in package.inventory.entries
    )
    inventory = Inventory(title_id=package.title_id, version=package.version, entries=entries)
    try:
        report = proof(bench, package.model_copy(update={"inventory": inventory}))
    finally:
        bench.store.put_bytes(package.prefix + path, held, content_type="application/octet-stream")
    assert told in " ".join(fault.sentence for fault in report.evidence.rejections)


class Only:
    """A key store that opens the keys of some KIDs, and dies of any other."""

    def __init__(self, keys, kids) -> None:
        self._keys, self._kids = keys, set(kids)

    def keys(self, assignment):
        if not set(assignment.kids.values()) <= self._kids:
            raise ConnectionResetError(assignment)
        return self._keys.keys(assignment)


def test_a_run_that_was_killed_between_the_sets_makes_the_second_alone(tmp_path):
    bench = Bench(tmp_path, scheme="both", sound=("stereo",), pictures=())
    first, second = bench.request.keys.kids.values(), bench.request.further_keys.kids.values()
    with pytest.raises(ConnectionResetError):
        package(bench.request, Only(bench.keys, first), bench.store, bench.work_dir)
    assert list(bench.work_dir.iterdir()) == []
    made = package(bench.request, Only(bench.keys, second), bench.store, bench.work_dir)
    present = {stored.key for stored in bench.store.list(made.prefix)}
    assert present == {made.prefix + entry.path for entry in made.inventory.entries}
    assert proof(bench, made).evidence.rejections == ()
    assert package(bench.request, Only(bench.keys, ()), bench.store, bench.work_dir) == made


def test_both_sets_are_published_pointed_to_and_found_again(made, tmp_path):
    bench, package = made
    origin = MemoryStore()
    publication = publish(package, bench.store, origin, tmp_path)
    assert (publication.scheme, publication.further) == ("cbcs", package.further)
    assert publication.objects == len(package.inventory.entries)
    pointer = go_live(publication, origin, now=datetime.now(UTC))
    assert pointer.further == package.further
    assert [found.scheme for found in pointer.sets] == ["cbcs", "cenc"]
    labels = {record.kid: record.label for record in bench.keys.records(TITLE)}
    ((found, rungs),) = found_publications(TITLE, origin, labels)
    assert [(one.folder, one.kids) for one in found.further] == [(one.folder, one.kids) for one in package.further]
    assert (found.keys, found.dash_path, found.hls_path) == (package.keys, "manifest.mpd", "master.m3u8")
    assert set(rungs) == {"180p", "360p", "en", "stereo", "stereo-high"}


def test_documents_from_before_there_were_two_sets_are_read(made):
    _, package = made
    old = {name: value for name, value in json.loads(package.model_dump_json()).items() if name != "further"}
    assert type(package).model_validate(old).sets == package.sets[:1]


@pytest.mark.server
@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
@pytest.mark.parametrize(("player", "manifest"), PAIRS)
def test_a_player_plays_either_set_and_nothing_of_the_other(made, browser, player, manifest, scheme):
    if not LIBRARIES[player].is_file():
        pytest.skip(f"{player} is not installed: run 'make install-dev'")
    bench, package = made
    chosen = next(found for found in package.sets if found.scheme == scheme)
    origin = Origin(bench.store, {kid: bench.secrets()[kid] for kid in chosen.kids.values()}, player)
    with ExitStack() as stack:
        port = stack.enter_context(serving(origin.content, origin.licence))
        page = stack.enter_context(browser.new_page())
        page.goto(f"http://127.0.0.1:{port}/?/{package.prefix}{chosen.folder}{manifest}")
        until(page, lambda seen: seen["t"] > 0.5 and seen["frames"] > 5)
        assert set(page.evaluate("window.offered()")["text"]) == {"en"}
    media = [path.partition(package.version)[2] for path in origin.fetched if path.endswith(("m4s", "init.mp4"))]
    assert media
    assert all(path.startswith(("/text/", f"/{chosen.folder}video/", f"/{chosen.folder}audio/")) for path in media)
    assert set(origin.asked) <= set(chosen.kids.values())
