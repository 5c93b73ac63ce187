"""Makes one set of segments: packaged under its scheme and keys, described by its own manifests, put into the store."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from packagers.accessories import TEXT_FOLDER, Extras
from packagers.accessories_dash import with_dash_accessories
from packagers.accessories_hls import with_hls_accessories
from packagers.accessories_work import write_accessories
from packagers.dash import Track, read_tracks, rewrite_dash
from packagers.hls import key_lines, master_playlist, rewrite_playlist, target_duration_s
from packagers.plan import DASH_PATH, HLS_PATH, PackagePlan
from packagers.rates import average_bps, peak_bps
from packagers.shaka import TRICK_DASH_PATH, output_folder, package_command, trick_command
from packagers.tooling import run_tool
from telecine.document import Document
from telecine.keystore import KeyStore
from telecine.light_boxes import with_light_boxes
from telecine.publication import InventoryEntry, Role
from telecine.storage.keys import sha256_of_file
from telecine.storage.port import ObjectStore

__all__ = ["MadeSet", "make_set"]

_THREADS = 8

_TYPES: dict[str, tuple[str, Role]] = {
    ".mpd": ("application/dash+xml", "manifest"),
    ".m3u8": ("application/vnd.apple.mpegurl", "playlist"),
    ".m4s": ("video/iso.segment", "segment"),
    ".mp4": ("video/mp4", "init"),
    ".vtt": ("text/vtt", "segment"),
    ".jpg": ("image/jpeg", "segment"),
    ".json": ("application/json", "other"),
}


class MadeSet(Document):
    """A set that is whole in the work store: its objects, and what stands beside its renditions."""

    entries: tuple[InventoryEntry, ...]
    extras: Extras


def make_set(
    plan: PackagePlan, keystore: KeyStore, store: ObjectStore, folder: Path, shared: Extras | None = None
) -> MadeSet:
    """The set of a plan, of the renditions that lie in the packager's working folder.

    ``shared``: the text, thumbnails and chapters of the version's first set, which this one names and does not hold.
    """
    package_dir = folder / output_folder(plan)
    package_dir.mkdir(parents=True)
    keys = keystore.keys(plan.keys) if plan.keys.kids else ()
    run_tool(package_command(plan, keys), cwd=folder, keys=keys)
    if plan.trick:
        run_tool(trick_command(plan, keys), cwd=folder, keys=keys)
    _restore_light(plan, package_dir)
    extras = shared or write_accessories(plan, store, folder)
    paths = _write_manifests(plan, package_dir, extras)
    return MadeSet(entries=_store(paths, package_dir, plan, store), extras=extras)


def _write_manifests(plan: PackagePlan, package_dir: Path, extras: Extras) -> tuple[str, ...]:
    """Put our manifests in the place of the packager's; the paths of every file of the set itself."""
    mpd = (package_dir / DASH_PATH).read_bytes()
    trick_mpd = (package_dir / TRICK_DASH_PATH).read_bytes() if plan.trick else None
    tracks = read_tracks(mpd, plan, trick_mpd)
    keys: list[str] = []
    averages: dict[str, int] = {}
    measured: list[Track] = []
    for track in tracks:
        path = package_dir / track.stream.playlist_path
        rewritten = rewrite_playlist(path.read_text(), track, plan)
        path.write_text(rewritten)
        keys += key_lines(rewritten)
        sizes = [(package_dir / segment).stat().st_size for segment in track.segment_paths]
        averages[track.stream.name] = average_bps(sizes, track.segments)
        measured.append(replace(track, peak_bps=peak_bps(sizes, track.segments, target_duration_s(rewritten))))
    base, beside = ("../", ()) if plan.folder else ("", extras.paths)
    mpd = with_dash_accessories(rewrite_dash(mpd, plan, trick_mpd), extras, base)
    (package_dir / DASH_PATH).write_bytes(mpd)
    master = with_hls_accessories(master_playlist(plan, measured, averages, keys), extras, base)
    (package_dir / HLS_PATH).write_text(master, encoding="utf-8")
    media = [path for track in tracks for path in (track.stream.init_path, *track.segment_paths)]
    return (*media, *beside, *(stream.playlist_path for stream in plan.streams), HLS_PATH, DASH_PATH)


def _restore_light(plan: PackagePlan, package_dir: Path) -> None:
    """HDR10's static metadata back into the init segments: the packager keeps what is in the stream alone."""
    for stream in (*plan.video, *plan.trick):
        rendition, path = stream.rendition, package_dir / stream.init_path
        if rendition.mastering or rendition.light:
            path.write_bytes(with_light_boxes(path.read_bytes(), rendition.mastering, rendition.light))


def _store(
    paths: Sequence[str], package_dir: Path, plan: PackagePlan, store: ObjectStore
) -> tuple[InventoryEntry, ...]:
    with ThreadPoolExecutor(_THREADS) as pool:
        return tuple(pool.map(lambda path: _store_one(path, package_dir, plan, store), paths))


def _store_one(path: str, package_dir: Path, plan: PackagePlan, store: ObjectStore) -> InventoryEntry:
    """``path`` is relative to the set."""
    file = package_dir / path
    content_type, role = _TYPES[file.suffix]
    if path == HLS_PATH:
        role = "manifest"
    if path.startswith("audio/") and role == "init":
        content_type = "audio/mp4"
    if path.startswith(f"{TEXT_FOLDER}/") and file.suffix in {".mp4", ".m4s"}:
        content_type = "application/mp4"
    entry = InventoryEntry(
        path=plan.folder + path,
        size_bytes=file.stat().st_size,
        sha256=sha256_of_file(file),
        content_type=content_type,
        role=role,
    )
    store.put_file(plan.prefix + entry.path, file, content_type=content_type, sha256=entry.sha256)
    return entry
