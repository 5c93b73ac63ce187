"""HLS playlists (RFC 8216bis): what players need changed, and what they refer to. Pure."""

import base64
import posixpath
import re
from dataclasses import dataclass

import m3u8

from telecine.errors import PackageRejected

__all__ = ["HlsPlaylist", "read_master", "read_media", "rewrite_master", "rewrite_media"]

_KEY_LINE = re.compile(r"^#EXT-X-(SESSION-)?KEY:")
_KEYID = re.compile(r"KEYID=0x([0-9a-fA-F]{32})")
_METHOD = re.compile(r"METHOD=([A-Z0-9-]+)")
_VERSION = "#EXT-X-VERSION:6"


@dataclass(frozen=True, slots=True)
class HlsPlaylist:
    """One media playlist: URLs from the package's root, and the KIDs its key lines name."""

    init: str
    segments: tuple[str, ...]
    kids: frozenset[str]


def rewrite_media(text: str) -> str:
    """Drop the identity key (its data is the KID, which players take for the key) and add the line hls.js reads."""
    return "\n".join(_with_clear_key(_without_comments(text))) + "\n"


def rewrite_master(text: str) -> str:
    """As for media playlists; and a version, the dynamic range of each variant, one default per audio group.

    Lines come out in an order that does not depend on which of the packager's threads came first.
    """
    lines = _with_clear_key(_without_comments(text))
    keys = sorted(line for line in lines if line.startswith("#EXT-X-SESSION-KEY"))
    media = sorted(line for line in lines if line.startswith("#EXT-X-MEDIA:"))
    variants = sorted(
        ((line, lines[at + 1]) for at, line in enumerate(lines) if line.startswith("#EXT-X-STREAM-INF:")),
        key=lambda variant: (-int(variant[0].split("BANDWIDTH=", 1)[1].split(",", 1)[0]), variant),
    )
    spelled = [line for info, uri in variants for line in (_with_range(info), uri)]
    head = ["#EXTM3U", _VERSION, "#EXT-X-INDEPENDENT-SEGMENTS"]
    return "\n".join([*head, *keys, *_with_defaults(media), *spelled]) + "\n"


def _with_range(variant: str) -> str:
    return variant if "VIDEO-RANGE" in variant else f"{variant},VIDEO-RANGE=SDR"


def _with_defaults(media: list[str]) -> list[str]:
    groups: set[str] = set()
    changed = []
    for line in media:
        group = line.split('GROUP-ID="', 1)[1].split('"', 1)[0]
        changed.append(line if group in groups else line.replace("DEFAULT=NO", "DEFAULT=YES"))
        groups.add(group)
    return changed


def read_master(text: str) -> tuple[str, ...]:
    """URLs of all media playlists, each once. Raises PackageRejected when it is no multivariant playlist."""
    master = _parsed(text, "master")
    found = [playlist.uri for playlist in master.playlists] + [media.uri for media in master.media if media.uri]
    if not master.is_variant or not found:
        message = "The HLS master playlist names no media playlist."
        raise PackageRejected(message)
    return tuple(dict.fromkeys(found))


def read_media(text: str, path: str) -> HlsPlaylist:
    """What the media playlist at ``path`` refers to. Raises PackageRejected when it is cut or names no init segment."""
    media = _parsed(text, path)
    if not media.is_endlist or not media.segment_map:
        message = f"The HLS playlist {path} is cut: it has no end or no init segment."
        raise PackageRejected(message)
    base = posixpath.dirname(path)
    return HlsPlaylist(
        init=posixpath.normpath(posixpath.join(base, media.segment_map[0].uri)),
        segments=tuple(posixpath.normpath(posixpath.join(base, segment.uri)) for segment in media.segments),
        kids=frozenset(kid.lower() for kid in _KEYID.findall(text)),
    )


def _parsed(text: str, path: str) -> m3u8.M3U8:
    if not text.startswith("#EXTM3U"):
        message = f"{path} is no HLS playlist."
        raise PackageRejected(message)
    return m3u8.loads(text)


def _without_comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.startswith("##")]


def _with_clear_key(lines: list[str]) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if not _KEY_LINE.match(line):
            kept.append(line)
            continue
        if 'KEYFORMAT="identity"' in line or line in kept:
            continue
        kept.append(line)
        clear = _clear_key_line(line)
        if clear and clear not in kept:
            kept.append(clear)
    return kept


def _clear_key_line(line: str) -> str | None:
    kid, method, tag = _KEYID.search(line), _METHOD.search(line), line.split(":", 1)[0]
    if kid is None or method is None:
        return None
    spelled = base64.b64encode(bytes.fromhex(kid[1])).decode()
    return (
        f'{tag}:METHOD={method[1]},URI="data:text/plain;base64,{spelled}",KEYID=0x{kid[1]},'
        'KEYFORMATVERSIONS="1",KEYFORMAT="org.w3.clearkey"'
    )
