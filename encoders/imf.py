"""XML of an Interoperable Master Package: asset map, packing list, composition (SMPTE ST 429-9, 429-8, 2067-3). Pure.

Elements are found by their local names: namespaces differ between the editions of 2013, 2016 and 2020, words do not.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import unquote

from lxml import etree

from telecine.document import Document, ExactSeconds
from telecine.errors import SourceRejected

__all__ = [
    "Composition",
    "Listed",
    "Resource",
    "VirtualTrack",
    "read_asset_map",
    "read_composition",
    "read_packing_list",
]

_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
)
_KINDS: dict[str, Literal["image", "audio"]] = {"MainImageSequence": "image", "MainAudioSequence": "audio"}
_HASHES = {"http://www.w3.org/2000/09/xmldsig#sha1": "sha1", "http://www.w3.org/2001/04/xmlenc#sha256": "sha256"}
_MOST_REPEATS = 1_000_000


class Listed(Document):
    """What a packing list promises of one file: its hash in base64, by the algorithm named as hashlib names it."""

    hash: str
    algorithm: str
    size_bytes: int


class Resource(Document):
    """A piece of a track file, shown ``repeat`` times: edit units [entry, entry + duration) of ``edit_rate``."""

    track_file: str
    edit_rate: ExactSeconds
    entry: int
    duration: int
    repeat: int = 1
    language: str | None = None

    @property
    def seconds(self) -> Fraction:
        return self.duration * self.repeat / self.edit_rate


class VirtualTrack(Document):
    """One track of the composition's timeline, its resources in order over all segments."""

    id: str
    kind: Literal["image", "audio"]
    resources: tuple[Resource, ...]

    @property
    def seconds(self) -> Fraction:
        return sum((resource.seconds for resource in self.resources), Fraction(0))


class Composition(Document):
    """A composition's picture and sound; ``ignored`` names what else it has, such as subtitles."""

    id: str
    edit_rate: ExactSeconds
    image: VirtualTrack
    audio: tuple[VirtualTrack, ...]
    ignored: tuple[str, ...] = ()

    @property
    def track_files(self) -> tuple[str, ...]:
        tracks = (self.image, *self.audio)
        return tuple(dict.fromkeys(resource.track_file for track in tracks for resource in track.resources))


def read_asset_map(content: bytes, name: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Path of every asset by its id, relative to the map, and the ids of packing lists. Raises SourceRejected."""
    paths, lists = {}, []
    for asset in _all(_root(content, name, "AssetMap"), "Asset"):
        identity, chunks = _text(asset, "Id", name), list(_all(asset, "Chunk"))
        if len(chunks) != 1:
            raise _wrong(name, f"its asset {identity} is split into {len(chunks)} chunks", "give whole files")
        path = unquote(_text(chunks[0], "Path", name)).removeprefix("file:///")
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "://" in path:
            raise _wrong(name, f"it names a file outside its own folder ({path})", "keep the package in one folder")
        paths[identity] = path
        if (_maybe(asset, "PackingList") or "").lower() in {"true", "1"}:
            lists.append(identity)
    return paths, tuple(lists)


def read_packing_list(content: bytes, name: str) -> dict[str, Listed]:
    """What is promised of each asset, by id. Raises SourceRejected."""
    promised = {}
    for asset in _all(_root(content, name, "PackingList"), "Asset"):
        method = next(_all(asset, "HashAlgorithm"), None)
        said = method.get("Algorithm", "") if method is not None else next(iter(_HASHES))
        if said not in _HASHES:
            raise _wrong(name, f"it hashes by {said}", "SHA-1 and SHA-256 are known here")
        promised[_text(asset, "Id", name)] = Listed(
            hash=_text(asset, "Hash", name), algorithm=_HASHES[said], size_bytes=_number(asset, "Size", name)
        )
    return promised


def read_composition(content: bytes, name: str) -> Composition:
    """The timeline of picture and sound. Raises SourceRejected where it cannot be followed exactly."""
    root = _root(content, name, "CompositionPlaylist")
    edit_rate = _rate(_text(root, "EditRate", name), name)
    languages = _languages(root)
    tracks: dict[str, VirtualTrack] = {}
    ignored: dict[str, None] = {}
    for segment in _all(root, "Segment"):
        lengths = {}
        for sequence in _sequences(segment):
            kind = _KINDS.get(etree.QName(sequence).localname)
            if kind is None:
                ignored[etree.QName(sequence).localname.removesuffix("Sequence")] = None
                continue
            identity = _text(sequence, "TrackId", name)
            found = tuple(_resource(one, edit_rate, languages, name) for one in _all(sequence, "Resource"))
            known = tracks.get(identity, VirtualTrack(id=identity, kind=kind, resources=()))
            tracks[identity] = known.model_copy(update={"resources": (*known.resources, *found)})
            lengths[identity] = sum((resource.seconds for resource in found), Fraction(0))
        _check_lengths(lengths, edit_rate, name)
    return _composition(_text(root, "Id", name), edit_rate, tracks, tuple(ignored), name)


def _composition(
    identity: str, edit_rate: Fraction, tracks: dict[str, VirtualTrack], ignored: tuple[str, ...], name: str
) -> Composition:
    images = [track for track in tracks.values() if track.kind == "image"]
    if len(images) != 1:
        raise _wrong(name, f"it has {len(images)} picture tracks", "a composition with one is expected")
    rates = {resource.edit_rate for resource in images[0].resources}
    if rates != {edit_rate}:
        told = ", ".join(str(rate) for rate in sorted(rates))
        raise _wrong(name, f"its picture runs at {told} frames a second and its timeline at {edit_rate}", "conform it")
    audio = tuple(track for track in tracks.values() if track.kind == "audio")
    uneven = [track.id for track in audio if abs(track.seconds - images[0].seconds) >= 1 / edit_rate]
    if uneven:
        raise _wrong(name, f"its sound track {uneven[0]} is not in every segment", "fill the gap with silence")
    return Composition(id=identity, edit_rate=edit_rate, image=images[0], audio=audio, ignored=ignored)


def _check_lengths(lengths: dict[str, Fraction], edit_rate: Fraction, name: str) -> None:
    if lengths and max(lengths.values()) - min(lengths.values()) >= 1 / edit_rate:
        shortest, longest = float(min(lengths.values())), float(max(lengths.values()))
        raise _wrong(name, f"tracks of one segment last {shortest:.3f} s and {longest:.3f} s", "make them equal")


def _resource(element: etree._Element, edit_rate: Fraction, languages: dict[str, str], name: str) -> Resource:
    if _maybe(element, "KeyId"):
        raise _wrong(name, "its track files are encrypted (KeyId)", "deliver it in the clear")
    own_rate = _maybe(element, "EditRate")
    entry = _number(element, "EntryPoint", name, default=0)
    held = _number(element, "IntrinsicDuration", name)
    duration = _number(element, "SourceDuration", name, default=held - entry)
    repeat = _number(element, "RepeatCount", name, default=1)
    if entry < 0 or duration <= 0 or entry + duration > held or not 0 < repeat <= _MOST_REPEATS:
        shown = f"edit units {entry} to {entry + duration} of {held}, {repeat} times"
        raise _wrong(name, f"a resource asks for {shown}", "each must lie inside its track file")
    return Resource(
        track_file=_text(element, "TrackFileId", name),
        edit_rate=_rate(own_rate, name) if own_rate else edit_rate,
        entry=entry,
        duration=duration,
        repeat=repeat,
        language=languages.get(_maybe(element, "SourceEncoding") or ""),
    )


def _languages(root: etree._Element) -> dict[str, str]:
    """Spoken language of each essence descriptor, by id (ST 2067-2, multichannel audio labels)."""
    found = {}
    for descriptor in _all(root, "EssenceDescriptor"):
        identity, language = _maybe(descriptor, "Id"), next(_all(descriptor, "RFC5646SpokenLanguage"), None)
        if identity and language is not None and language.text:
            found[identity] = language.text.strip()
    return found


def _sequences(segment: etree._Element) -> Iterator[etree._Element]:
    for listed in _all(segment, "SequenceList"):
        yield from (child for child in listed if isinstance(child.tag, str))


def _root(content: bytes, name: str, expected: str) -> etree._Element:
    try:
        root = etree.fromstring(content, _PARSER)
    except etree.XMLSyntaxError as error:
        raise _wrong(name, f"it is not valid XML ({error.msg})", "export the package again") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _wrong(name, "it declares a document type", "export the package again")
    if etree.QName(root).localname != expected:
        raise _wrong(name, f"it is a {etree.QName(root).localname} and no {expected}", "check which file was given")
    return root


def _all(parent: etree._Element, local_name: str) -> Iterator[etree._Element]:
    """Descendants of that local name, in document order."""
    return parent.iter(f"{{*}}{local_name}")


def _maybe(parent: etree._Element, local_name: str) -> str | None:
    """Text of the first child of that local name."""
    child = next(parent.iterchildren(f"{{*}}{local_name}"), None)
    return (child.text or "").strip() if child is not None else None


def _text(parent: etree._Element, local_name: str, name: str) -> str:
    found = _maybe(parent, local_name)
    if not found:
        raise _wrong(name, f"its {etree.QName(parent).localname} has no {local_name}", "export the package again")
    return found


def _number(parent: etree._Element, local_name: str, name: str, default: int | None = None) -> int:
    found = _maybe(parent, local_name)
    if found is None and default is not None:
        return default
    if not found or not found.isdecimal():
        raise _wrong(name, f"{local_name} is '{found or ''}' where a number is expected", "export the package again")
    return int(found)


def _rate(text: str, name: str) -> Fraction:
    parts = text.split()
    if len(parts) != 2 or not all(part.isdecimal() and int(part) for part in parts):  # noqa: PLR2004 - "24000 1001"
        raise _wrong(name, f"EditRate is '{text}' where two numbers are expected", "export the package again")
    return Fraction(int(parts[0]), int(parts[1]))


def _wrong(name: str, found: str, cure: str) -> SourceRejected:
    return SourceRejected(f"The IMF master {name} cannot be used: {found}; {cure}.")
