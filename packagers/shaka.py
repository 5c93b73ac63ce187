"""Spells the packager's argv and its flag file. Pure; the flag file holds keys and is passed by memory file only."""

import hashlib
from collections.abc import Sequence

from packagers.plan import DASH_PATH, HLS_PATH, PackagePlan, Stream
from packagers.pssh import common_pssh, widevine_pssh
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
    length_s = int(max(stream.rendition.duration for stream in plan.streams))
    return Command(
        ("packager", *(_descriptor(stream) for stream in plan.streams), "--flagfile={secret:flags}"),
        secret_files={"flags": flag_file(plan, keys).encode()},
        timeout_s=_SECONDS_BEFORE_GIVING_UP + length_s,
    )


def flag_file(plan: PackagePlan, keys: Sequence[ContentKey]) -> str:
    """One flag a line, keys and all."""
    profile = plan.request.profile
    by_label = {key.label: key for key in keys}
    flags = (
        "--quiet",
        "--enable_raw_key_encryption",
        f"--keys={','.join(_key(stream, by_label[stream.rendition.label], profile.scheme) for stream in plan.streams)}",
        f"--protection_scheme={profile.scheme}",
        f"--clear_lead={profile.clear_lead_s}",
        f"--pssh={_pssh(plan).hex()}",
        f"--segment_duration={plan.segment_duration}",
        "--use_fake_clock_for_muxer",  # creation times of 0: equal input gives equal bytes
        "--generate_static_live_mpd",
        "--per_playlist_target_duration",
        *(("--use_dovi_supplemental_codecs",) if _has_dolby_vision(plan) else ()),
        f"--mpd_output={OUTPUT_FOLDER}/{DASH_PATH}",
        f"--hls_master_playlist_output={OUTPUT_FOLDER}/{HLS_PATH}",
    )
    return "\n".join(flags) + "\n"


def _has_dolby_vision(plan: PackagePlan) -> bool:
    """Whether any picture is HDR10 or HLG to all devices, and Dolby Vision to those that ask for more."""
    return any(kind.startswith("dv") for stream in plan.video for kind in stream.rendition.dynamic)


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
        "drm_label": stream.name,  # not the key's label: each stream has an initialization vector of its own
    }
    if stream.kind == "audio" and stream.rendition.language != "und":  # which the packager takes for no language
        fields["language"] = stream.rendition.language
    return ",".join(f"{name}={value}" for name, value in fields.items())


def _key(stream: Stream, key: ContentKey, scheme: str) -> str:
    secret, iv = key.key.get_secret_value().hex(), _initialization_vector(stream, key, scheme).hex()
    return f"label={stream.name}:key_id={key.kid}:key={secret}:iv={iv}"


def _pssh(plan: PackagePlan) -> bytes:
    """hls.js reads the common box; the packager's HLS key lines, which shaka-player maps, come of the Widevine one.

    Written here, as the packager's own list a KID once for each stream that uses it.
    """
    kids = plan.keys.kids.values()
    return common_pssh(kids) + widevine_pssh(kids, plan.request.profile.scheme)


def _initialization_vector(stream: Stream, key: ContentKey, scheme: str) -> bytes:
    """The constant one of the key for cbcs. For cenc, one that depends on what is encrypted.

    Counter mode must never start twice from one vector under one key, and a key serves several renditions and later
    versions of a title; what is equal still gets equal bytes.
    """
    iv = key.iv.get_secret_value()
    if scheme == "cbcs":
        return iv
    return hashlib.sha256(iv + bytes.fromhex(stream.rendition.sha256)).digest()[:_CENC_IV_BYTES]
