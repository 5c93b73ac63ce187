"""An Interoperable Master Package made one ordinary master: found, checked against its packing list, cut together.

Nothing is decoded that is kept: pictures are copied, sound stays PCM. What comes out is proven picture by picture
against the track files.
"""

import base64
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from encoders.boxes import add_range
from encoders.conform_command import Sound, cut_command, listing, mux_command, pictures_command
from encoders.imf import Composition, Listed, VirtualTrack, read_asset_map, read_composition, read_packing_list
from encoders.scratch import private_folder
from encoders.streams import read_header
from encoders.tooling import run_tool
from telecine.document import Sha256, digest_of
from telecine.errors import MissingRequirement, SourceRejected
from telecine.log import get_logger

__all__ = ["Imp", "check_hashes", "conform", "hash_of_file", "open_imp"]

log = get_logger(__name__)

_CONFORMING = 1
"""Counts changes of how a package is conformed."""

_ASSET_MAPS = ("ASSETMAP.xml", "ASSETMAP")
_EACH_BY_ITSELF = {"jpeg2000", "jpegxs", "prores", "dnxhd", "mjpeg", "rawvideo", "v210", "r210"}
"""Codecs without prediction from picture to picture. FFmpeg's own word for others in MXF (key frames) is no proof."""

_LARGEST_XML = 64 << 20

Locate = Callable[[str], Path | None]
"""Local path of a file of the package by its name inside it; None where there is none."""


@dataclass(frozen=True, slots=True)
class Imp:
    """A package whose composition ``cpl`` (its name inside the package) was chosen and whose files are all there."""

    cpl: str
    composition: Composition
    files: dict[str, Path]
    promised: dict[str, Listed]

    @property
    def size_bytes(self) -> int:
        return sum(self.promised[identity].size_bytes for identity in self.files)

    @property
    def digest(self) -> Sha256:
        """Names the programme: what is shown of which bytes. Where the files lie and what is ignored shape nothing."""
        hashes = {identity: self.promised[identity].hash for identity in self.files}
        shown = self.composition.model_dump(mode="json", exclude={"id", "ignored"})
        return digest_of("imf", _CONFORMING, shown, hashes)


def open_imp(name: str, locate: Locate, cpl: str | None) -> Imp:
    """Read the package around ``locate``; ``cpl`` names its composition, None takes the only one.

    Nothing but XML is read. Raises SourceRejected naming what is missing or cannot be followed.
    """
    mapped = next((path for map_name in _ASSET_MAPS if (path := locate(map_name))), None)
    if mapped is None:
        raise SourceRejected(f"The IMF master {name} has no ASSETMAP.xml beside it: give the whole package.")
    paths, lists = read_asset_map(_xml(mapped), mapped.name)
    promised: dict[str, Listed] = {}
    for identity in lists:
        promised |= read_packing_list(_xml(_needed(name, paths[identity], locate)), paths[identity])
    if not promised:
        raise SourceRejected(f"The IMF master {name} has no packing list: give the whole package.")
    chosen = cpl or _only_composition(name, paths, locate)
    composition = read_composition(_xml(_needed(name, chosen, locate)), PurePosixPath(chosen).name)
    files = {}
    for identity in composition.track_files:
        if identity not in paths or identity not in promised:
            raise SourceRejected(
                f"The IMF master {name} lacks the track file {identity}: it is a supplemental package, and the "
                "original it builds on must be delivered with it."
            )
        files[identity] = _needed(name, paths[identity], locate)
    if composition.ignored:
        log.warning("imf.tracks_ignored", master=name, tracks=list(composition.ignored))
    return Imp(chosen, composition, files, promised)


def check_hashes(imp: Imp, hash_of: Callable[[Path, str], str]) -> None:
    """Compare every track file with its packing list; ``hash_of`` gives base64. Raises SourceRejected."""
    for identity, path in imp.files.items():
        promised = imp.promised[identity]
        size = path.stat().st_size
        if size != promised.size_bytes:
            raise SourceRejected(
                f"The track file {path.name} has {size} bytes and its packing list says {promised.size_bytes}: "
                "upload it again."
            )
        found = hash_of(path, promised.algorithm)
        if found != promised.hash:
            raise SourceRejected(
                f"The track file {path.name} is not the one its packing list names ({promised.algorithm} {found}, "
                f"expected {promised.hash}): upload it again."
            )


def hash_of_file(path: Path, algorithm: str) -> str:
    """Hash of a file in base64."""
    with path.open("rb") as content:
        return base64.b64encode(hashlib.file_digest(content, algorithm).digest()).decode()


def conform(imp: Imp, target: Path, work_dir: Path) -> None:
    """Write the composition as one QuickTime file, whole or not at all.

    Raises SourceRejected where pictures depend on one another or sound changes its form on the way.
    """
    free = shutil.disk_usage(work_dir).free
    if 2 * imp.size_bytes > free:
        message = f"Conforming needs {2 * imp.size_bytes / 1e9:.1f} GB in {work_dir}, {free / 1e9:.1f} are free."
        raise MissingRequirement(message)
    with private_folder(work_dir) as folder:
        links = {identity: f"{place}{path.suffix}" for place, (identity, path) in enumerate(imp.files.items())}
        for identity, path in imp.files.items():
            (folder / links[identity]).symlink_to(path.absolute())
        wanted = _wanted_pictures(imp, folder)
        (folder / "pictures.txt").write_text(listing(imp.composition.image, links))
        sounds = [
            _conformed_sound(track, imp.composition, links, folder / f"sound{place}.pcm")
            for place, track in enumerate(imp.composition.audio)
        ]
        made = folder / "conformed.mov"
        run_tool(mux_command(sounds, made.name, imp.composition.edit_rate), cwd=folder)
        _prove_pictures(imp, wanted, folder, made)
        range_ = _range_of(imp.files[imp.composition.image.resources[0].track_file])
        if range_ is not None:
            add_range(made, full=range_ == "pc")
        made.replace(target)


def _conformed_sound(track: VirtualTrack, composition: Composition, links: dict[str, str], target: Path) -> Sound:
    """All of a sound track's samples in one raw file; cuts fall on the sample nearest to the timeline."""
    forms = {_form(target.parent / links[resource.track_file]) for resource in track.resources}
    if len(forms) != 1:
        raise SourceRejected(f"The sound track {track.id} of {composition.id} changes its form: {sorted(forms)}.")
    codec, hertz, channels, layout = forms.pop()
    at = Fraction(0)
    with target.open("wb") as joined:
        for resource in track.resources:
            first, length = round(resource.entry / resource.edit_rate * hertz), resource.duration / resource.edit_rate
            part = target.with_suffix(".part")
            command = cut_command(links[resource.track_file], part.name, codec, first, first + ceil(length * hertz))
            run_tool(command, cwd=target.parent)
            for _ in range(resource.repeat):
                samples = round((at + length) * hertz) - round(at * hertz)
                _append(part, joined, samples * channels * _sample_bytes(codec), resource.track_file)
                at += length
    language = next((resource.language for resource in track.resources if resource.language), None)
    return Sound(target.name, codec, hertz, channels, layout, language)


def _append(part: Path, joined: BinaryIO, size_bytes: int, track_file: str) -> None:
    if part.stat().st_size < size_bytes:
        raise SourceRejected(
            f"The track file {track_file} ends before the composition does ({part.stat().st_size} bytes of sound where "
            f"{size_bytes} are asked for): deliver the whole file."
        )
    with part.open("rb") as piece:
        left = size_bytes
        while left:
            left -= joined.write(piece.read(min(left, 1 << 20)))


def _sample_bytes(codec: str) -> int:
    """Of pcm_s24le: 3."""
    return int("".join(filter(str.isdecimal, codec))) // 8


def _form(path: Path) -> tuple[str, int, int, str]:
    """Codec, sample rate, channels and layout of a track file's sound."""
    sound = next((stream for stream in read_header(path, path.name).streams if stream.kind == "audio"), None)
    if sound is None or not (sound.text("codec_name") or "").startswith("pcm_"):
        raise SourceRejected(f"The track file {path.resolve().name} holds no PCM sound, which IMF sound must be.")
    return (
        sound.text("codec_name") or "",
        sound.number("sample_rate"),
        sound.number("channels"),
        sound.text("channel_layout") or "",
    )


def _wanted_pictures(imp: Imp, folder: Path) -> list[str]:
    """Digest of each picture the timeline asks for. Raises SourceRejected where a track file does not hold it."""
    image = imp.composition.image
    pictures = {}
    for identity in dict.fromkeys(resource.track_file for resource in image.resources):
        _check_codec(imp.files[identity])
        pictures[identity] = _pictures(imp.files[identity], folder)
    expected: list[str] = []
    for resource in image.resources:
        held = pictures[resource.track_file]
        if len(held) < resource.entry + resource.duration:
            raise SourceRejected(
                f"The track file {imp.files[resource.track_file].name} holds {len(held)} pictures, and {imp.cpl} "
                f"asks for {resource.entry + resource.duration}: deliver the whole file."
            )
        expected += held[resource.entry : resource.entry + resource.duration] * resource.repeat
    return expected


def _prove_pictures(imp: Imp, expected: list[str], folder: Path, made: Path) -> None:
    """Each picture of the conformed file must be, byte for byte, the one the timeline asks for."""
    found = _pictures(made, folder)
    if found != expected:
        wrong = next((n for n, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]), len(found))
        raise SourceRejected(
            f"The IMF master {imp.cpl} could not be cut exactly: {len(expected)} pictures were expected, {len(found)} "
            f"came out, and number {wrong} is the first wrong one."
        )


def _pictures(path: Path, folder: Path) -> list[str]:
    """Digest of each coded picture in order."""
    return run_tool(pictures_command(path), cwd=folder).stdout.decode().split()


def _range_of(path: Path) -> str | None:
    streams = read_header(path, path.name).streams
    return next((stream.text("color_range") for stream in streams if stream.kind == "video"), None)


def _check_codec(path: Path) -> None:
    streams = read_header(path, path.name).streams
    codec = next((stream.text("codec_name") for stream in streams if stream.kind == "video"), None) or "unknown"
    if codec not in _EACH_BY_ITSELF:
        raise SourceRejected(
            f"The track file {path.name} holds pictures in {codec}: cutting exactly needs a codec whose every picture "
            "stands by itself, such as JPEG 2000."
        )


def _only_composition(name: str, paths: dict[str, str], locate: Locate) -> str:
    found = [
        path
        for path in paths.values()
        if path.lower().endswith(".xml")
        and (local := locate(path)) is not None
        and b"CompositionPlaylist" in local.read_bytes()[:4096]
    ]
    if len(found) != 1:
        named = f" ({', '.join(sorted(found))})" if found else ""
        raise SourceRejected(
            f"The IMF master {name} has {len(found)} compositions{named}: give the path of the CPL to release."
        )
    return found[0]


def _needed(name: str, path: str, locate: Locate) -> Path:
    found = locate(path)
    if found is None:
        raise SourceRejected(f"The IMF master {name} lacks the file {path}, which its asset map lists: upload it.")
    return found


def _xml(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST_XML:
        raise SourceRejected(f"The file {path.name} of an IMF master has over {_LARGEST_XML >> 20} MB of XML.")
    return path.read_bytes()
