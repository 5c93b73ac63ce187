"""What the packager is asked for: pure decisions and spelling."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from profiles.models import PackagingProfile
from telecine.document import Document, digest_of
from telecine.errors import PackageRejected
from telecine.protection import ContentKey, KeyAssignment
from telecine.rendition import Rendition, RenditionSet
from telecine.title import TitleId

__all__ = [
    "DASH_PATH",
    "HLS_PATH",
    "PackageRequest",
    "check_request",
    "folder_of",
    "package_version",
    "packager_arguments",
    "secret_flags",
    "segment_duration",
]

DASH_PATH = "manifest.mpd"
HLS_PATH = "master.m3u8"

_RECIPE = 1
"""Part of every version: raise it when the same input gives other bytes from now on."""


class PackageRequest(Document):
    """Everything that shapes a package."""

    title_id: TitleId
    renditions: RenditionSet
    profile: PackagingProfile
    keys: KeyAssignment
    licence_url: str


def check_request(request: PackageRequest) -> None:
    """Raise PackageRejected for what no packager should be asked."""
    if not request.renditions.video:
        message = f"Title {request.title_id} has no video rendition to package."
        raise PackageRejected(message)
    missing = {r.label for r in request.renditions.renditions} - set(request.keys.kids)
    if missing:
        message = f"Title {request.title_id} has no key for {', '.join(sorted(missing))}."
        raise PackageRejected(message)


def package_version(request: PackageRequest, packager: str) -> str:
    """'v' and 16 hexadecimal digits over everything that shapes the bytes."""
    sums = [(r.name, r.sha256, r.label, r.language) for r in request.renditions.renditions]
    shape = digest_of(sums, request.profile, request.keys.kids, request.licence_url, packager, _RECIPE)
    return f"v{shape[:16]}"


def folder_of(rendition: Rendition) -> str:
    """Folder of a rendition's segments in the package."""
    return f"{rendition.kind}/{rendition.name}"


def segment_duration(renditions: RenditionSet) -> Fraction:
    """Seconds of one segment: whole GOPs, exact."""
    return Fraction(renditions.segment_frames) / renditions.frame_rate.fraction


def packager_arguments(request: PackageRequest, sources: dict[str, Path], target: Path) -> list[str]:
    """Arguments of Shaka Packager, keys aside: one set of CMAF segments for DASH and HLS.

    Raises PackageRejected when a path holds a comma, which the packager's stream descriptors cannot carry.
    """
    for path in (*sources.values(), target):
        if "," in str(path):
            message = f"The packager cannot work in {path}: a comma in a path ends its stream descriptor."
            raise PackageRejected(message)
    streams = [_stream(r, sources[r.name], target) for r in request.renditions.renditions]
    # a hair short of the grid: the packager compares ticks, and a rounding up would skip every other key frame
    seconds = float(segment_duration(request.renditions)) - 1e-5
    return [
        *streams,
        f"--segment_duration={seconds:.6f}",
        "--segment_sap_aligned=true",
        f"--protection_scheme={request.profile.scheme}",
        f"--clear_lead={request.profile.clear_lead_s}",
        # the Widevine line carries the KID that players without an HLS Clear Key of their own map to it
        "--protection_systems=CommonSystem,Widevine",
        "--create_session_keys",
        "--per_playlist_target_duration",
        "--generate_static_live_mpd",
        "--use_fake_clock_for_muxer",  # creation times of 0: equal input gives equal bytes
        f"--mpd_output={target / DASH_PATH}",
        f"--hls_master_playlist_output={target / HLS_PATH}",
    ]


def secret_flags(keys: Sequence[ContentKey]) -> str:
    """Text of the flag file with the keys; it travels through a memory file only."""
    spelled = ",".join(
        f"label={key.label}:key_id={key.kid}:key={key.key.get_secret_value().hex()}:iv={key.iv.get_secret_value().hex()}"
        for key in keys
    )
    return f"--enable_raw_key_encryption\n--keys={spelled}\n"


def _stream(rendition: Rendition, source: Path, target: Path) -> str:
    folder = folder_of(rendition)
    fields = {
        "in": str(source),
        "stream": rendition.kind,
        "drm_label": rendition.label,
        "init_segment": str(target / folder / "init.mp4"),
        "segment_template": str(target / folder / "$Number$.m4s"),
        "playlist_name": f"{folder}/index.m3u8",
    }
    if rendition.kind == "audio":
        fields |= {"hls_group_id": f"audio-{rendition.channels}", "hls_name": rendition.name}
        if rendition.language != "und":
            fields["lang"] = rendition.language
    return ",".join(f"{name}={value}" for name, value in fields.items())
