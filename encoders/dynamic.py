"""Dynamic HDR metadata: what a master carries frame by frame, and which rungs keep it. Pure.

HDR10+ is SMPTE ST 2094-40; Dolby Vision is named by profile and by what its base layer is compatible with, as its
configuration record says ("Dolby Vision streams within the ISO base media file format", 2.x).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from encoders.picture import keeps_hdr
from profiles.models import VideoCodec, VideoRung
from profiles.select import display_size, dynamic_range
from telecine.media import DynamicHdr, VideoTrack

__all__ = ["DOLBY_VISION_KEPT", "HDR10_PLUS", "kept_dynamic", "read_dynamic"]

HDR10_PLUS: DynamicHdr = "hdr10+"
DOLBY_VISION_KEPT: Mapping[DynamicHdr, str] = {"dv8.1": "PQ", "dv8.4": "HLG"}
"""Profiles whose metadata is carried over, and the range their base layer must have."""

_RECORDS: Mapping[tuple[int, int], DynamicHdr] = {
    (8, 1): "dv8.1", (8, 2): "dv8.2", (8, 4): "dv8.4", (10, 0): "dv10.0", (10, 1): "dv10.1", (10, 4): "dv10.4",
}  # fmt: skip
_OLDER: Mapping[int, DynamicHdr] = {4: "dv4", 5: "dv5", 7: "dv7", 9: "dv9"}


def read_dynamic(side_data: Iterable[Mapping[str, Any]], hdr_format: str = "") -> tuple[DynamicHdr, ...]:
    """What ffprobe's side data of a stream and its first frame tell, and MediaInfo's name of its HDR format."""
    found: dict[DynamicHdr, None] = {}
    for side in side_data:
        kind = str(side.get("side_data_type"))
        if "SMPTE2094-40" in kind:
            found[HDR10_PLUS] = None
        elif kind == "DOVI configuration record":
            profile, base = int(side.get("dv_profile", 0)), int(side.get("dv_bl_signal_compatibility_id", 0))
            known = _RECORDS.get((profile, base)) or _OLDER.get(profile)
            found |= {known: None} if known else {}
    if "2094 App 4" in hdr_format:
        found[HDR10_PLUS] = None
    return tuple(sorted(found))


def kept_dynamic(track: VideoTrack, rung: VideoRung) -> tuple[DynamicHdr, ...]:
    """What of the track's dynamic metadata the rung carries: HEVC that keeps the source's HDR does, nothing else.

    Dolby Vision only at the source's own size, since its active areas are counted in pixels, and 8.1 only beside a
    mastering display, which its encoder demands.
    """
    if rung.codec is not VideoCodec.X265 or not keeps_hdr(track, rung) or track.interlaced:
        return ()
    range_ = dynamic_range(track)
    same_size = all(
        abs(shown - made) < 2  # noqa: PLR2004 - an odd line or column goes
        for shown, made in zip(display_size(track), (rung.width, rung.height), strict=True)
    )
    return tuple(
        kind
        for kind in track.dynamic
        if (kind == HDR10_PLUS and range_ == "PQ")
        or (DOLBY_VISION_KEPT.get(kind) == range_ and same_size and (track.mastering or range_ == "HLG"))
    )
