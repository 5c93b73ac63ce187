"""HDR10+ metadata (SMPTE ST 2094-40) of a chunk: read from the source's frames, told to x265 as its JSON file. Pure.

FFmpeg's own passing reaches no encoder here, so each chunk gets a file with one entry a frame, in display order.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from encoders.documents import VideoJob

__all__ = ["frames_command", "metadata_file"]

_AHEAD_S, _BEHIND_S = Fraction(5), Fraction(1)
_Fields = dict[str, list[str]]


def frames_command(job: VideoJob, source: Path, *, whole: bool = False) -> tuple[str, ...]:
    """List time and side data of the frames around the job's chunk, or of all frames up to its end."""
    begin = "" if whole else f"{float(job.frame_rate.time_of(job.chunk.start) - _AHEAD_S):.3f}"
    end = f"{float(job.frame_rate.time_of(job.chunk.end) + _BEHIND_S):.3f}"
    begin = "" if begin.startswith("-") else begin
    return (
        *("ffprobe", "-v", "error", "-protocol_whitelist", "file", "-select_streams", str(job.track.index)),
        *("-skip_loop_filter", "all"),  # the pictures themselves are not looked at
        *("-read_intervals", f"{begin}%{end}"),
        *("-show_entries", "stream=time_base:frame=best_effort_timestamp:frame_side_data", "-of", "json"),
        f"file:{source}",
    )


def metadata_file(listed: bytes, job: VideoJob, *, whole: bool = False) -> str | None:
    """x265's ``dhdr10-info`` for the chunk, from what ``frames_command`` lists; None where it lists too little.

    A frame without metadata of its own takes that of the frame before it, and so does a frame that is shown twice.
    Where the ``whole`` master up to here was listed, frames before the first metadata take those, and None means none.
    """
    found = json.loads(listed, object_pairs_hook=_gathered)
    time_base = Fraction(found["streams"][0][0]["time_base"][0])
    rate = job.frame_rate.fraction
    phase = job.track.start - round(job.track.start * rate) / rate
    told: dict[int, _Fields] = {}
    for frame in found.get("frames", [[]])[0]:
        sides = [side for group in frame.get("side_data_list", []) for side in group]
        mine = next((side for side in sides if "2094-40" in side["side_data_type"][0]), None)
        if mine and frame["best_effort_timestamp"][0] != "N/A":
            told[round((int(frame["best_effort_timestamp"][0]) * time_base - phase) * rate)] = mine
    places = sorted(told)
    if not places or (places[0] > job.chunk.start and not whole):
        return None
    entries = [
        _entry(told[places[max(0, bisect_right(places, frame) - 1)]], frame - job.chunk.start)
        for frame in range(job.chunk.start, job.chunk.end)
    ]
    return json.dumps(
        {
            "JSONInfo": {"HDR10plusProfile": "B" if "BezierCurveData" in entries[0] else "A", "Version": "1.0"},
            "SceneInfo": entries,
            "SceneInfoSummary": {"SceneFirstFrameIndex": [0], "SceneFrameNumbers": [len(entries)]},
            "ToolInfo": {"Tool": "telecine", "Version": "1"},
        }
    )


def _gathered(pairs: Sequence[tuple[str, object]]) -> Mapping[str, list[object]]:
    """Values by name: ffprobe repeats a name for each value of a list; a plain dict would keep the last alone."""
    found: dict[str, list[object]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _numbers(fields: _Fields, name: str) -> list[int]:
    """Numerators as coded: the denominators ffprobe shows are the format's own units."""
    return [int(str(value).partition("/")[0]) for value in fields.get(name, [])]


def _first(fields: _Fields, name: str) -> int:
    return (_numbers(fields, name) or [0])[0]


def _entry(fields: _Fields, index: int) -> dict[str, object]:
    """One frame's metadata, named as in the JSON of the HDR10+ tools."""
    entry: dict[str, object] = {
        "LuminanceParameters": {
            "AverageRGB": _first(fields, "average_maxrgb"),
            "LuminanceDistributions": {
                "DistributionIndex": _numbers(fields, "distribution_maxrgb_percentage"),
                "DistributionValues": _numbers(fields, "distribution_maxrgb_percentile"),
            },
            "MaxScl": _numbers(fields, "maxscl")[:3],
        },
        "NumberOfWindows": 1,
        "TargetedSystemDisplayMaximumLuminance": _first(fields, "targeted_system_display_maximum_luminance"),
        "SceneFrameIndex": index,
        "SceneId": 0,
        "SequenceFrameIndex": index,
    }
    if "knee_point_x" in fields:
        entry["BezierCurveData"] = {
            "Anchors": _numbers(fields, "bezier_curve_anchors"),
            "KneePointX": _first(fields, "knee_point_x"),
            "KneePointY": _first(fields, "knee_point_y"),
        }
    return entry
