"""Writes text, thumbnails and chapters into a package that is being made. None of it is encrypted."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from packagers.accessories import (
    CHAPTERS_JSON_PATH,
    CHAPTERS_PATH,
    STORYBOARD_PATH,
    TILES_FOLDER,
    TILES_PLAYLIST_PATH,
    Extras,
    Grid,
    TextStream,
    Tiles,
    grid_of,
)
from packagers.accessories_hls import text_playlist, tiles_playlist
from packagers.chapters import chapters_json, chapters_vtt
from packagers.cues import Cue, clipped
from packagers.imsc import imsc_document
from packagers.plan import PackagePlan
from packagers.shaka import INPUT_FOLDER, OUTPUT_FOLDER, input_path
from packagers.stpp import stpp_init, stpp_segment
from packagers.text_formats import read_text
from packagers.thumbnails import storyboard, thumbnail_command, tiles_of
from packagers.tooling import run_tool
from packagers.webvtt import overlapping, vtt_segment
from telecine.errors import PackageRejected
from telecine.storage.keys import sha256_of_file
from telecine.storage.port import ObjectStore
from telecine.text import TextTrack

__all__ = ["write_accessories"]


def write_accessories(plan: PackagePlan, store: ObjectStore, folder: Path) -> Extras:
    """Every file of the accessories under ``out/`` of the packager's working folder, and what they are.

    Raises PackageRejected when a text is no longer what was planned, NotFound when it is gone.
    """
    wanted, package_dir = plan.request.accessories, folder / OUTPUT_FOLDER
    chapters, duration = wanted.chapters, wanted.duration or Fraction(0)
    if chapters:
        (package_dir / CHAPTERS_PATH).write_text(chapters_vtt(chapters, duration), encoding="utf-8")
        (package_dir / CHAPTERS_JSON_PATH).write_text(chapters_json(chapters, duration), encoding="utf-8")
    return Extras(
        texts=tuple(_write_text(plan, track, store, folder) for track in wanted.texts),
        chapters=chapters,
        tiles=_write_tiles(plan, folder),
    )


def _write_text(plan: PackagePlan, track: TextTrack, store: ObjectStore, folder: Path) -> TextStream:
    renditions = plan.request.renditions
    rate = renditions.frame_rate
    segment = renditions.segment_frames / rate.fraction
    grid = grid_of(plan.request.accessories.duration or Fraction(0), segment, rate.numerator)
    stream, package_dir = TextStream(track, grid), folder / OUTPUT_FOLDER
    cues = _cues(track, store, folder / INPUT_FOLDER / f"{track.name}.vtt")
    (package_dir / stream.folder).mkdir(parents=True)
    (package_dir / stream.init_path).write_bytes(stpp_init(track.language, grid.timescale))
    (package_dir / stream.playlist_path).write_text(text_playlist(stream))
    return replace(stream, peak_bps=_write_segments(stream, cues, package_dir))


def _write_segments(stream: TextStream, cues: tuple[Cue, ...], package_dir: Path) -> int:
    """Both forms of every segment; the largest rate of any in MP4."""
    grid: Grid = stream.grid
    peak = Fraction(0)
    for number, (start, end) in enumerate(grid.spans, 1):
        shown = overlapping(cues, start, end)
        ticks, duration = grid.starts[number - 1], grid.ticks[number - 1]
        document = imsc_document(clipped(shown, start, end), stream.track.language)
        segment = stpp_segment(number, ticks, duration, document)
        (package_dir / stream.segment_path(number, "m4s")).write_bytes(segment)
        (package_dir / stream.segment_path(number, "vtt")).write_text(vtt_segment(shown, start, end), encoding="utf-8")
        peak = max(peak, len(segment) * 8 / (end - start))
    return int(peak) + 1


def _cues(track: TextTrack, store: ObjectStore, path: Path) -> tuple[Cue, ...]:
    store.get_file(track.key, path)
    found = sha256_of_file(path)
    if found != track.sha256:
        message = (
            f"Text '{track.name}' ({track.key}) should have sha256 {track.sha256}, but the work store gave {found}."
        )
        raise PackageRejected(message)
    return read_text(path.read_bytes(), track.name).cues


def _write_tiles(plan: PackagePlan, folder: Path) -> Tiles | None:
    """Of the smallest rendition, whose clear file the packager was given."""
    policy, video = plan.request.profile.thumbnails, plan.video
    if policy is None or not video:
        return None
    smallest, package_dir = video[0], folder / OUTPUT_FOLDER
    renditions = plan.request.renditions
    tiles = tiles_of(policy, smallest.rendition, renditions.frames / renditions.frame_rate.fraction)
    (package_dir / TILES_FOLDER).mkdir()
    target = f"{OUTPUT_FOLDER}/{TILES_FOLDER}/%d.jpg"
    run_tool(thumbnail_command(input_path(smallest), target, tiles), cwd=folder)
    sizes = [(package_dir / path).stat().st_size for path in tiles.sheet_paths if (package_dir / path).exists()]
    if len(sizes) != tiles.sheets:
        message = (
            f"{tiles.sheets} sheets of thumbnails were expected of '{smallest.name}', but ffmpeg made {len(sizes)}."
        )
        raise PackageRejected(message)
    tiles = replace(tiles, peak_bps=int(max(sizes) * 8 / min(Fraction(tiles.sheet_s), tiles.duration)) + 1)
    (package_dir / TILES_PLAYLIST_PATH).write_text(tiles_playlist(tiles))
    (package_dir / STORYBOARD_PATH).write_text(storyboard(tiles))
    return tiles
