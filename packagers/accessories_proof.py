"""Proves text, thumbnails and chapters of a package: every file named, whole, and inside the programme."""

import posixpath
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import m3u8
from lxml import etree

from packagers.accessories import STORYBOARD_PATH, TILES_PLAYLIST_PATH
from packagers.hls import attributes
from packagers.readback import resolved
from packagers.stpp import read_sample
from packagers.text_formats import read_text
from telecine.errors import PackageRejected, SourceRejected
from telecine.text import Accessories

__all__ = ["prove_accessories", "side_playlists"]

_MPD = "{urn:mpeg:dash:schema:mpd:2011}"
_TICK = Fraction(1, 1000)
_JPEG = b"\xff\xd8\xff"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)


def side_playlists(master: str) -> tuple[str, ...]:
    """Everything a multivariant playlist names that is neither picture nor sound: subtitles, images, session data."""
    tags = ("#EXT-X-SESSION-DATA:", "#EXT-X-IMAGE-STREAM-INF:")
    found = [attributes(line) for line in master.splitlines() if line.startswith(tags)]
    found += [
        given
        for line in master.splitlines()
        if line.startswith("#EXT-X-MEDIA:") and (given := attributes(line)).get("TYPE") == "SUBTITLES"
    ]
    return tuple(given["URI"] for given in found if "URI" in given)


def prove_accessories(media: Path, mpd: bytes, master: str, wanted: Accessories, folder: str = "") -> frozenset[str]:
    """Paths of all files that belong to accessories. Raises PackageRejected with every fault.

    ``folder``: where in the package the two manifests lie; they may name what lies beside it, and nothing outside.
    Those that the manifests name must be there; text must have the tracks wanted, and times inside the programme.
    """
    paths = {path for uri in side_playlists(master) for path in _with_segments(media, resolved(folder, uri))}
    texts = [found for found in _sets(mpd, "text") for _ in found.iter(f"{_MPD}Representation")]
    faults = [
        f"The manifests name {path}, which is not in the package." for path in paths if not (media / path).is_file()
    ]
    if len(texts) != len(wanted.texts):
        faults.append(f"The DASH manifest should have {len(wanted.texts)} texts, but has {len(texts)}.")
    for found in (*texts, *_sets(mpd, "image")):
        named = [resolved(folder, url) for url in _named(found, media)]
        faults += [
            f"The DASH manifest names {path}, which is not in the package."
            for path in named
            if not (media / path).is_file()
        ]
        paths.update(named)
    if not faults:
        faults = [fault for path in sorted(paths) for fault in _faults(media, path, wanted.duration)]
    if faults:
        raise PackageRejected(*faults)
    return frozenset(paths)


def _with_segments(media: Path, path: str) -> Iterator[str]:
    yield path
    if path.endswith(".m3u8") and (media / path).is_file():
        for segment in m3u8.loads((media / path).read_text()).segments:
            yield resolved(posixpath.dirname(path), segment.uri or "")


def _sets(mpd: bytes, kind: str) -> list[etree._Element]:
    root = etree.fromstring(mpd, _PARSER)
    return [found for found in root.iter(f"{_MPD}AdaptationSet") if found.get("contentType") == kind]


def _named(found: etree._Element, media: Path) -> Iterator[str]:
    template = found.find(f"{_MPD}SegmentTemplate")
    if template is None:
        message = f"Adaptation set {found.get('id')} of the DASH manifest has no SegmentTemplate."
        raise PackageRejected(message)
    if template.get("initialization"):
        yield template.get("initialization", "")
    count = sum(int(entry.get("r", "0")) + 1 for entry in template.iter(f"{_MPD}S"))
    count = count or _sheets(media)
    yield from (template.get("media", "").replace("$Number$", str(number)) for number in range(1, count + 1))


def _sheets(media: Path) -> int:
    path = media / TILES_PLAYLIST_PATH
    return len(m3u8.loads(path.read_text()).segments) if path.is_file() else 1


def _faults(media: Path, path: str, duration: Fraction | None) -> Iterator[str]:
    content = (media / path).read_bytes()
    if path.endswith(".jpg") and not content.startswith(_JPEG):
        yield f"{path} should be a JPEG picture, but does not begin as one."
    elif path.endswith(".m4s"):
        yield from _faults_of_sample(path, content)
    elif path.endswith(".vtt") and path != STORYBOARD_PATH:
        yield from _faults_of_vtt(path, content, duration)


def _faults_of_sample(path: str, content: bytes) -> Iterator[str]:
    try:
        root = etree.fromstring(read_sample(content)[2], _PARSER)
    except (ValueError, etree.XMLSyntaxError) as error:
        yield f"{path} should hold one TTML document: {error}."
        return
    if etree.QName(root).localname != "tt":
        yield f"{path} should hold TTML, but holds '{etree.QName(root).localname}'."


def _faults_of_vtt(path: str, content: bytes, duration: Fraction | None) -> Iterator[str]:
    if b"-->" not in content:
        if not content.startswith(b"WEBVTT"):
            yield f"{path} should begin with WEBVTT."
        return
    try:
        cues = read_text(content, path).cues
    except SourceRejected as rejected:
        yield from rejected.reasons
        return
    end = max(cue.end for cue in cues)
    if duration is not None and end > duration + _TICK:
        yield f"{path} has a cue that ends at {float(end):g} s, after the programme's {float(duration):g} s."
