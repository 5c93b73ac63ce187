"""Renditions to a package in the work store. A second run of the same request is a look-up."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import ValidationError

from packagers.accessories import TEXT_FOLDER, Extras
from packagers.accessories_dash import with_dash_accessories
from packagers.accessories_hls import with_hls_accessories
from packagers.accessories_work import write_accessories
from packagers.dash import Track, read_tracks, rewrite_dash
from packagers.hls import key_lines, master_playlist, rewrite_playlist
from packagers.plan import DASH_PATH, HLS_PATH, PackagePlan, PackageRequest, Stream, plan_package
from packagers.shaka import INPUT_FOLDER, OUTPUT_FOLDER, TRICK_DASH_PATH, input_path, package_command, trick_command
from packagers.tooling import packager_version, private_folder, run_tool
from telecine.errors import NotFound, PackageRejected
from telecine.keystore import KeyStore
from telecine.light_boxes import with_light_boxes
from telecine.log import get_logger
from telecine.publication import Inventory, InventoryEntry, Package, Role
from telecine.storage.keys import sha256_of_file
from telecine.storage.port import ObjectStore

__all__ = ["PackageRequest", "package"]

log = get_logger(__name__)

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


def package(request: PackageRequest, keystore: KeyStore, store: ObjectStore, work_dir: Path) -> Package:
    """One set of segments with a DASH and an HLS manifest under ``packages/<title>/<version>/``.

    It is encrypted unless the profile says clear.

    The package's document goes last to ``packages/<title>/<version>.json``: when it is there and its objects are too,
    nothing is done. Equal requests give equal bytes. Raises PackageRejected when the request cannot become a package,
    NotFound when a rendition or a key is missing.
    """
    plan = plan_package(request, packager_version())
    known = _found(plan, store)
    if known is not None:
        return known
    started = time.monotonic()
    with private_folder(work_dir, "package-") as folder:
        _fetch(plan, store, folder)
        (folder / OUTPUT_FOLDER).mkdir()
        keys = keystore.keys(plan.keys) if plan.keys.kids else ()
        run_tool(package_command(plan, keys), cwd=folder, keys=keys)
        if plan.trick:
            run_tool(trick_command(plan, keys), cwd=folder, keys=keys)
        _restore_light(plan, folder / OUTPUT_FOLDER)
        extras = write_accessories(plan, store, folder)
        paths = _write_manifests(plan, folder / OUTPUT_FOLDER, extras)
        entries = _store(paths, folder / OUTPUT_FOLDER, plan.prefix, store)
    made = Package(
        title_id=request.title_id,
        version=plan.version,
        prefix=plan.prefix,
        inventory=Inventory(title_id=request.title_id, version=plan.version, entries=entries),
        dash_path=DASH_PATH,
        hls_path=HLS_PATH,
        scheme=request.profile.scheme,
        keys=plan.keys,
        accessories=request.accessories,
        drm=request.profile.systems,
        trick_play=bool(plan.trick),
    )
    store.put_bytes(plan.document_key, made.model_dump_json().encode(), content_type="application/json")
    log.info(
        "title.packaged",
        title=made.title_id,
        version=made.version,
        objects=len(entries),
        bytes=made.inventory.size_bytes,
        seconds=round(time.monotonic() - started, 1),
    )
    return made


def _found(plan: PackagePlan, store: ObjectStore) -> Package | None:
    try:
        content, _ = store.get_bytes(plan.document_key)
        known = Package.model_validate_json(content)
    except (NotFound, ValidationError):
        return None
    present = {stored.key: stored.size_bytes for stored in store.list(plan.prefix)}
    whole = all(present.get(known.prefix + entry.path) == entry.size_bytes for entry in known.inventory.entries)
    return known if whole else None


def _fetch(plan: PackagePlan, store: ObjectStore, folder: Path) -> None:
    (folder / INPUT_FOLDER).mkdir()
    for stream in (*plan.video, *plan.audio):
        path = folder / input_path(stream)
        store.get_file(stream.rendition.key, path)
        found = sha256_of_file(path)
        if found != stream.rendition.sha256:
            message = (
                f"Rendition '{stream.name}' of title {plan.request.title_id} ({stream.rendition.key}) should have "
                f"sha256 {stream.rendition.sha256}, but the work store gave {found}."
            )
            raise PackageRejected(message)


def _write_manifests(plan: PackagePlan, package_dir: Path, extras: Extras) -> tuple[str, ...]:
    """Put our manifests in the place of the packager's; the paths of every file that belongs to the package."""
    mpd = (package_dir / DASH_PATH).read_bytes()
    trick_mpd = (package_dir / TRICK_DASH_PATH).read_bytes() if plan.trick else None
    tracks = read_tracks(mpd, plan, trick_mpd)
    keys: list[str] = []
    for track in tracks:
        path = package_dir / track.stream.playlist_path
        rewritten = rewrite_playlist(path.read_text(), track, plan)
        path.write_text(rewritten)
        keys += key_lines(rewritten)
    averages = {track.stream.name: _average_bps(track, package_dir) for track in tracks}
    mpd = with_dash_accessories(rewrite_dash(mpd, plan, trick_mpd), extras)
    (package_dir / DASH_PATH).write_bytes(mpd)
    master = with_hls_accessories(master_playlist(plan, tracks, averages, keys), extras)
    (package_dir / HLS_PATH).write_text(master, encoding="utf-8")
    media = [path for track in tracks for path in (track.stream.init_path, *track.segment_paths)]
    return (*media, *extras.paths, *(_playlists(plan.streams)), HLS_PATH, DASH_PATH)


def _restore_light(plan: PackagePlan, package_dir: Path) -> None:
    """HDR10's static metadata back into the init segments: the packager keeps what is in the stream alone."""
    for stream in (*plan.video, *plan.trick):
        rendition, path = stream.rendition, package_dir / stream.init_path
        if rendition.mastering or rendition.light:
            path.write_bytes(with_light_boxes(path.read_bytes(), rendition.mastering, rendition.light))


def _playlists(streams: Sequence[Stream]) -> list[str]:
    return [stream.playlist_path for stream in streams]


def _average_bps(track: Track, package_dir: Path) -> int:
    size = sum((package_dir / path).stat().st_size for path in track.segment_paths)
    return int(size * 8 / track.duration)


def _store(paths: Sequence[str], package_dir: Path, prefix: str, store: ObjectStore) -> tuple[InventoryEntry, ...]:
    with ThreadPoolExecutor(_THREADS) as pool:
        return tuple(pool.map(lambda path: _store_one(path, package_dir, prefix, store), paths))


def _store_one(path: str, package_dir: Path, prefix: str, store: ObjectStore) -> InventoryEntry:
    file = package_dir / path
    content_type, role = _TYPES[file.suffix]
    if path == HLS_PATH:
        role = "manifest"
    if path.startswith("audio/") and role == "init":
        content_type = "audio/mp4"
    if path.startswith(f"{TEXT_FOLDER}/") and file.suffix in {".mp4", ".m4s"}:
        content_type = "application/mp4"
    entry = InventoryEntry(
        path=path, size_bytes=file.stat().st_size, sha256=sha256_of_file(file), content_type=content_type, role=role
    )
    store.put_file(prefix + path, file, content_type=content_type, sha256=entry.sha256)
    return entry
