"""Spells the packager's argv and its flag file. Pure; the flag file holds keys and is passed by memory file only."""

import hashlib
from collections.abc import Sequence

from packagers.plan import DASH_PATH, HLS_PATH, PackagePlan, Stream
from packagers.signals import init_boxes
from telecine.process import Command
from telecine.protection import ContentKey

__all__ = [
    "INPUT_FOLDER",
    "OUTPUT_FOLDER",
    "TRICK_DASH_PATH",
    "flag_file",
    "input_path",
    "output_folder",
    "package_command",
    "trick_command",
]

INPUT_FOLDER = "in"
OUTPUT_FOLDER = "out"
TRICK_DASH_PATH, TRICK_HLS_PATH = "trick.mpd", "trick.m3u8"
"""Where the packager describes tracks of key frames; never published."""

_CENC_IV_BYTES = 8
_SECONDS_BEFORE_GIVING_UP = 900


def trick_command(plan: PackagePlan, keys: Sequence[ContentKey]) -> Command:
    """As ``package_command``, for tracks of key frames: into the same folder, with an MPD and playlists of their own.

    A run of its own, as the length of segments is one for all streams of a run, and here a segment is one key frame.
    """
    flags = _flags(plan, plan.trick, keys, (plan.gop_duration, TRICK_DASH_PATH, TRICK_HLS_PATH))
    return _command(plan, plan.trick, flags)


def package_command(plan: PackagePlan, keys: Sequence[ContentKey]) -> Command:
    """Run in a folder that holds ``in/<name>.mp4``; writes a whole set into ``output_folder``.

    Every path is relative: a stream descriptor has no way to quote a comma in a path.
    """
    return _command(plan, (*plan.video, *plan.audio), flag_file(plan, keys))


def flag_file(plan: PackagePlan, keys: Sequence[ContentKey]) -> str:
    """One flag a line, keys and all."""
    return _flags(plan, (*plan.video, *plan.audio), keys, (plan.segment_duration, DASH_PATH, HLS_PATH))


def _command(plan: PackagePlan, streams: Sequence[Stream], flags: str) -> Command:
    into = output_folder(plan)
    length_s = int(max(stream.rendition.duration for stream in streams))
    return Command(
        ("packager", *(_descriptor(stream, into) for stream in streams), "--flagfile={secret:flags}"),
        secret_files={"flags": flags.encode()},
        timeout_s=_SECONDS_BEFORE_GIVING_UP + length_s,
    )


def _flags(
    plan: PackagePlan, streams: Sequence[Stream], keys: Sequence[ContentKey], written: tuple[str, str, str]
) -> str:
    """``written``: seconds of a segment, path of the MPD, path of the multivariant playlist."""
    segment_duration, dash_path, hls_path = written
    flags = (
        "--quiet",
        *(_encryption(plan, streams, keys) if plan.keys.kids else ()),
        f"--segment_duration={segment_duration}",
        "--use_fake_clock_for_muxer",  # creation times of 0: equal input gives equal bytes
        "--generate_static_live_mpd",
        "--per_playlist_target_duration",
        *(("--use_dovi_supplemental_codecs",) if _has_dolby_vision(plan) else ()),
        f"--mpd_output={output_folder(plan)}/{dash_path}",
        f"--hls_master_playlist_output={output_folder(plan)}/{hls_path}",
    )
    return "\n".join(flags) + "\n"


def _encryption(plan: PackagePlan, streams: Sequence[Stream], keys: Sequence[ContentKey]) -> tuple[str, ...]:
    profile = plan.request.profile
    by_kid = {key.kid: key for key in keys}
    used = [(stream, by_kid[plan.keys.kids[stream.rendition.label]]) for stream in streams]
    return (
        "--enable_raw_key_encryption",
        f"--keys={','.join(_key(stream, key, plan.scheme) for stream, key in used)}",
        f"--protection_scheme={plan.scheme}",
        f"--clear_lead={profile.clear_lead_s}",
        f"--pssh={init_boxes(plan).hex()}",
    )


def _has_dolby_vision(plan: PackagePlan) -> bool:
    """Whether any picture is HDR10 or HLG to all devices, and Dolby Vision to those that ask for more."""
    return any(kind.startswith("dv") for stream in plan.video for kind in stream.rendition.dynamic)


def output_folder(plan: PackagePlan) -> str:
    """Where the packager puts a set, relative to its working folder."""
    return f"{OUTPUT_FOLDER}/{plan.folder}".rstrip("/")


def input_path(stream: Stream) -> str:
    """Where the packager finds a rendition, relative to its working folder."""
    return f"{INPUT_FOLDER}/{stream.rendition.name}.mp4"


def _descriptor(stream: Stream, into: str) -> str:
    fields = {
        "in": input_path(stream),
        "stream": stream.kind,
        "init_segment": f"{into}/{stream.init_path}",
        "segment_template": f"{into}/{stream.segment_template}",
        "playlist_name": stream.playlist_path,
        "drm_label": stream.name,  # not the key's label: each stream has an initialization vector of its own
    }
    if stream.trick:
        fields["trick_play_factor"] = "1"  # every key frame
    if stream.kind == "audio" and stream.rendition.language != "und":  # which the packager takes for no language
        fields["language"] = stream.rendition.language
    return ",".join(f"{name}={value}" for name, value in fields.items())


def _key(stream: Stream, key: ContentKey, scheme: str) -> str:
    secret, iv = key.key.get_secret_value().hex(), _initialization_vector(stream, key, scheme).hex()
    return f"label={stream.name}:key_id={key.kid}:key={secret}:iv={iv}"


def _initialization_vector(stream: Stream, key: ContentKey, scheme: str) -> bytes:
    """The constant one of the key for cbcs. For cenc, one that depends on what is encrypted.

    Counter mode must never start twice from one vector under one key, and a key serves several renditions and later
    versions of a title; what is equal still gets equal bytes.
    """
    iv = key.iv.get_secret_value()
    if scheme == "cbcs":
        return iv
    encrypted = bytes.fromhex(stream.rendition.sha256) + (b"trick" if stream.trick else b"")
    return hashlib.sha256(iv + encrypted).digest()[:_CENC_IV_BYTES]
