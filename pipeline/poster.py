"""A poster frame of a title: a small JPEG, from the thumbnails of its live version or from its master."""

import re
import tempfile
import threading
from pathlib import Path

from encoders.source import master_path
from packagers.accessories import STORYBOARD_PATH
from pipeline import shelf
from pipeline.installation import Installation
from telecine.document import digest_of
from telecine.errors import NotFound, TelecineError
from telecine.media import Master, Probe
from telecine.process import Command, run
from telecine.registry.records import TitleRecord
from telecine.tools import tool_path

__all__ = ["poster", "poster_identity"]

_WIDTH = 192
_AT = 3  # a third of the way: titles begin in black
_TIMEOUT_S = 30
_CUE = re.compile(r"^(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$", re.MULTILINE)
_one_at_a_time = threading.Lock()


def poster_identity(record: TitleRecord) -> str | None:
    """Names the picture that ``poster`` gives now; None while there is nothing to take one of."""
    if record.live is not None:
        return record.live.version
    return record.master_sha256[:16] if record.master_sha256 else None


def poster(place: Installation, record: TitleRecord) -> bytes | None:
    """The JPEG, remembered in the work store; None where none can be made. One is made at a time."""
    identity = poster_identity(record)
    if identity is None:
        return None
    key = f"posters/{digest_of('poster', record.title_id, identity)}.jpg"
    with _one_at_a_time:
        try:
            return place.work.get_bytes(key)[0]
        except NotFound:
            pass
        made = _made(place, record)
        if made is not None:
            place.work.put_bytes(key, made, content_type="image/jpeg")
        return made


def _made(place: Installation, record: TitleRecord) -> bytes | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return _of_tiles(place, record, Path(folder)) or _of_master(place, record, Path(folder))
        except TelecineError:
            return None  # a master that is gone or is no picture: the board shows a placeholder


def _of_tiles(place: Installation, record: TitleRecord, folder: Path) -> bytes | None:
    if record.live is None:
        return None
    prefix = f"p/{record.title_id}/{record.live.version}/"
    try:
        cues = _CUE.findall(place.origin.get_bytes(f"{prefix}{STORYBOARD_PATH}")[0].decode())
        if not cues:
            return None
        name, x, y, width, height = cues[len(cues) // _AT]
        place.origin.get_file(f"{prefix}{name}", folder / "sheet.jpg")
    except NotFound:
        return None
    return _jpeg(("-i", str(folder / "sheet.jpg")), f"crop={width}:{height}:{x}:{y}", folder)


def _of_master(place: Installation, record: TitleRecord, folder: Path) -> bytes | None:
    keys = record.documents.get(Master.__name__), record.documents.get(Probe.__name__)
    if None in keys:
        return None
    master, probe = shelf.load(place.work, Master, str(keys[0])), shelf.load(place.work, Probe, str(keys[1]))
    if not probe.video:
        return None
    path = master_path(master, place.work_dir, place.open_bucket)
    at = float(probe.duration) / _AT
    return _jpeg(("-ss", f"{at:.3f}", "-i", str(path)), "null", folder)


def _jpeg(source: tuple[str, ...], filters: str, folder: Path) -> bytes | None:
    target = folder / "poster.jpg"
    shape = f"{filters},scale={_WIDTH}:-2,setsar=1"
    picture = ("-map", "0:v:0", "-frames:v", "1", "-vf", shape, "-pix_fmt", "yuvj420p", "-q:v", "4")
    argv = (
        tool_path("ffmpeg"),
        "-hide_banner",
        "-nostdin",
        "-v",
        "error",
        "-threads",
        "1",
        *source,
        *picture,
        str(target),
    )
    run(Command(argv, timeout_s=_TIMEOUT_S))
    return target.read_bytes() if target.is_file() else None
