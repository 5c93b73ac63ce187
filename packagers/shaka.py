"""Spells the packager's argv and its flag file. Pure; the flag file holds keys and is passed by memory file only."""

from collections.abc import Sequence

from packagers.plan import DASH_PATH, HLS_PATH, PackagePlan, Stream
from telecine.process import Command
from telecine.protection import ContentKey

__all__ = ["INPUT_FOLDER", "OUTPUT_FOLDER", "flag_file", "input_path", "package_command"]

INPUT_FOLDER = "in"
OUTPUT_FOLDER = "out"

_CENC_IV_BYTES = 8
_SECONDS_BEFORE_GIVING_UP = 900


def package_command(plan: PackagePlan, keys: Sequence[ContentKey]) -> Command:
    """Run in a folder that holds ``in/<name>.mp4``; writes a whole package into ``out/``.

    Every path is relative: a stream descriptor has no way to quote a comma in a path.
    """
    renditions = plan.request.renditions
    length_s = int(renditions.frame_rate.time_of(renditions.frames))
    return Command(
        ("packager", *(_descriptor(stream) for stream in plan.streams), "--flagfile={secret:flags}"),
        secret_files={"flags": flag_file(plan, keys).encode()},
        timeout_s=_SECONDS_BEFORE_GIVING_UP + length_s,
    )


def flag_file(plan: PackagePlan, keys: Sequence[ContentKey]) -> str:
    """One flag a line, keys and all."""
    profile = plan.request.profile
    flags = (
        "--quiet",
        "--enable_raw_key_encryption",
        f"--keys={','.join(_key(key, profile.scheme) for key in keys)}",
        f"--protection_scheme={profile.scheme}",
        f"--clear_lead={profile.clear_lead_s}",
        "--protection_systems=CommonSystem,Widevine",  # hls.js reads the first, shaka-player's HLS maps the second
        f"--segment_duration={plan.segment_duration}",
        "--use_fake_clock_for_muxer",  # creation times of 0: equal input gives equal bytes
        "--generate_static_live_mpd",
        "--per_playlist_target_duration",
        f"--mpd_output={OUTPUT_FOLDER}/{DASH_PATH}",
        f"--hls_master_playlist_output={OUTPUT_FOLDER}/{HLS_PATH}",
    )
    return "\n".join(flags) + "\n"


def input_path(stream: Stream) -> str:
    """Where the packager finds a rendition, relative to its working folder."""
    return f"{INPUT_FOLDER}/{stream.name}.mp4"


def _descriptor(stream: Stream) -> str:
    fields = {
        "in": input_path(stream),
        "stream": stream.kind,
        "init_segment": f"{OUTPUT_FOLDER}/{stream.init_path}",
        "segment_template": f"{OUTPUT_FOLDER}/{stream.segment_template}",
        "playlist_name": stream.playlist_path,
        "drm_label": stream.rendition.label,
    }
    if stream.kind == "audio":
        fields["language"] = stream.rendition.language
    return ",".join(f"{name}={value}" for name, value in fields.items())


def _key(key: ContentKey, scheme: str) -> str:
    iv = key.iv.get_secret_value()
    spelled_iv = (iv if scheme == "cbcs" else iv[:_CENC_IV_BYTES]).hex()
    return f"label={key.label}:key_id={key.kid}:key={key.key.get_secret_value().hex()}:iv={spelled_iv}"
