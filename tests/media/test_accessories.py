"""Text, thumbnails and chapters, from files beside a master to a proven package."""

import sys
from pathlib import Path

import pytest
from lxml import etree

from packagers.work import package
from profiles.models import PackagingProfile, ThumbnailPolicy
from telecine.errors import PackageRejected
from telecine.text import Accessories, Chapter

SRT = "1\n00:00:00,500 --> 00:00:03,000\n<i>Hello</i> & you\n\n2\n00:00:03,200 --> 00:00:09,000\nשלום\n"  # noqa: RUF001 - Hebrew
SCC = (
    "Scenarist_SCC V1.0\n\n00:00:01:00\t9420 9420 9470 9470 c8e5 ecec ef80 942c 942c 942f 942f\n\n"
    "00:00:03:00\t942c 942c\n"
)
sys.path.insert(0, str(Path(__file__).parent))
from packagers_clips import DURATION, Bench, GrantedKeys, text_track, verify  # noqa: E402

MPD = "{urn:mpeg:dash:schema:mpd:2011}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("accessories"))
    texts = (
        text_track(bench.store, SRT, "en"),
        text_track(bench.store, SRT, "he", "forced"),
        text_track(bench.store, SCC, "en", "captions"),
    )
    chapters = (Chapter(start=0, title="One"), Chapter(start=2, title="Two"))
    request = bench.request.model_copy(
        update={
            "accessories": Accessories(texts=texts, chapters=chapters, duration=DURATION),
            "profile": PackagingProfile(thumbnails=ThumbnailPolicy(every_s=1, columns=2, rows=2)),
        }
    )
    return bench, request, package(request, bench.keys, bench.store, bench.work_dir)


def test_a_package_with_texts_thumbnails_and_chapters_is_proven(made):
    bench, request, found = made
    verify(found, request.renditions, GrantedKeys(bench.keys), bench.store, bench.work_dir)
    paths = {entry.path: entry.content_type for entry in found.inventory.entries}
    assert paths["text/en/init.mp4"] == "application/mp4"
    assert paths["text/en-sdh/1.vtt"] == "text/vtt"
    assert paths["thumbnails/2.jpg"] == "image/jpeg"
    assert {"thumbnails.vtt", "thumbnails.m3u8", "chapters.vtt", "chapters.json"} <= set(paths)


def test_both_manifests_say_what_each_text_is_for(made):
    bench, _, found = made
    mpd = etree.fromstring(bench.store.get_bytes(found.prefix + "manifest.mpd")[0])
    sets = [one for one in mpd.iter(f"{MPD}AdaptationSet") if one.get("contentType") == "text"]
    roles = [(one.get("lang"), one.find(f"{MPD}Role").get("value")) for one in sets]
    assert roles == [("en", "subtitle"), ("he", "forced-subtitle"), ("en", "caption")]
    master = bench.store.get_bytes(found.prefix + "master.m3u8")[0].decode()
    variants = [line for line in master.splitlines() if line.startswith("#EXT-X-STREAM-INF")]
    assert all('SUBTITLES="subs"' in line for line in variants)
    assert master.count("FORCED=YES") == 1
    assert master.count("transcribes-spoken-dialog") == 1


def test_a_corrupt_text_segment_is_caught(made):
    bench, request, found = made
    bench.store.put_bytes(found.prefix + "text/en/1.m4s", b"no", content_type="application/mp4")
    with pytest.raises(PackageRejected, match=r"text/en/1\.m4s"):
        verify(found, request.renditions, GrantedKeys(bench.keys), bench.store, bench.work_dir)
