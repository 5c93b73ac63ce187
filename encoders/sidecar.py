"""A master's sidecar: found, read, its files fixed by their bytes, and applied to what inspection found."""

from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import ValidationError

from encoders.sound_map import SideTrack, map_sound
from encoders.source import master_path, register_master
from encoders.streams import read_header
from telecine.errors import SourceRejected
from telecine.log import get_logger
from telecine.media import AudioTrack, Master, Probe
from telecine.soundmap import ChannelSource, SideFile, SoundMap, SoundSheet

__all__ = ["apply_sidecar", "check_side_files", "register_sidecar"]

log = get_logger(__name__)


def register_sidecar(master: Master, sound: str | None, work_dir: Path) -> Master:
    """The master with its sidecar: the one at ``sound``, or NAME.audio.yaml beside a local master; as it is without.

    Raises SourceRejected with one sentence for every mistake of the sidecar and every file that is not there.
    """
    path = _sidecar_path(master, sound)
    if path is None:
        return master
    found = _read(path)
    names = dict.fromkeys(name for track in found.tracks for name in _files_of(track.file, track.channels))
    files = tuple(_side_file(name, master, path, work_dir) for name in names)
    return master.model_copy(update={"sound": SoundSheet(map=found, files=files)})


def apply_sidecar(probe: Probe) -> Probe:
    """The probe with the sound that the master's sidecar names, or that the labels of its mono tracks say.

    Raises SourceRejected where the sidecar asks for what is not there.
    """
    sheet = probe.master.sound
    sides = {side.name: _side_track(side) for side in sheet.files} if sheet else {}
    mapped, notes = map_sound(probe, sides)
    for note in notes:
        log.warning("sound.mapping", master=probe.master.uri.rpartition("/")[2], note=note)
    return mapped


def check_side_files(track: AudioTrack, work_dir: Path) -> None:
    """Raises SourceRejected when a file a track is put together of is no longer the registered one."""
    for side in {part.source for part in track.parts if part.source is not None}:
        if not _path_of(side.uri).is_file():
            raise SourceRejected(f"The sound file {side.name} is no longer there: submit the master again.")
        master_path(Master(uri=side.uri, size_bytes=side.size_bytes, sha256=side.sha256), work_dir)


def _sidecar_path(master: Master, sound: str | None) -> Path | None:
    if sound:
        path = _path_of(sound)
        if not path.is_file():
            raise SourceRejected(f"The sidecar {sound} does not exist: give the path of a YAML file.")
        return path
    if not master.uri.startswith("file:"):
        return None
    beside = _path_of(master.uri).with_suffix(".audio.yaml")
    return beside if beside.is_file() else None


def _read(path: Path) -> SoundMap:
    try:
        return SoundMap.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceRejected(f"The sidecar {path.name} is not valid YAML: {' '.join(str(error).split())}.") from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors())
        raise SourceRejected(f"The sidecar {path.name} has mistakes: {'; '.join(faults)}.") from None


def _files_of(whole: str | None, channels: dict[str, ChannelSource] | None) -> list[str]:
    named = [source.file for source in (channels or {}).values()]
    return [name for name in (whole, *named) if name is not None]


def _side_file(name: str, master: Master, sidecar: Path, work_dir: Path) -> SideFile:
    """Only what lies in the master's own folder: a sidecar must not make the pipeline read other files."""
    if "://" in name or not master.uri.startswith("file:"):
        raise SourceRejected(
            f"The sidecar {sidecar.name} names {name}: sound files are taken from the folder of a local master only."
        )
    folder = _path_of(master.uri).parent.resolve()
    path = (sidecar.parent / name).resolve()
    if not path.is_relative_to(folder):
        raise SourceRejected(
            f"The sidecar {sidecar.name} names {name}, which is outside the master's folder {folder}: put it there."
        )
    if not path.is_file():
        raise SourceRejected(f"The sidecar {sidecar.name} names {name}, which is not in the folder {folder}.")
    fixed = register_master(str(path), work_dir)
    return SideFile(name=name, uri=fixed.uri, size_bytes=fixed.size_bytes, sha256=fixed.sha256)


def _side_track(side: SideFile) -> SideTrack:
    """The first sound track of a file. Raises SourceRejected when there is none."""
    header = read_header(_path_of(side.uri), side.name)
    stream = next((stream for stream in header.streams if stream.kind == "audio"), None)
    if stream is None:
        raise SourceRejected(f"The sound file {side.name} has no sound track.")
    return SideTrack(
        file=side,
        index=stream.index,
        channels=stream.number("channels"),
        layout=stream.text("channel_layout") or "unknown",
        duration=_duration(stream.fields.get("duration")) or header.duration,
    )


def _duration(said: object) -> Fraction:
    return Fraction(str(said)) if said else Fraction(0)


def _path_of(uri: str) -> Path:
    path = unquote(urlsplit(uri).path) if uri.startswith("file:") else uri
    return Path(path).expanduser().absolute()
