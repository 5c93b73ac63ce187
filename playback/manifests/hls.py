"""A published multivariant playlist as one session may see it. Pure (RFC 8216bis, 4.4.4 and 4.4.6)."""

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from telecine.protection import Kid

__all__ = ["PlaylistKeys", "filter_hls", "keys_of_playlist", "media_uris"]

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')
_URI = re.compile(r'(?<=[,:])URI="([^"]*)"')
_STREAM = "#EXT-X-STREAM-INF:"
_I_FRAMES = ("#EXT-X-I-FRAME-STREAM-INF:", "#EXT-X-IMAGE-STREAM-INF:")
_MEDIA = "#EXT-X-MEDIA:"
_SESSION_KEY = "#EXT-X-SESSION-KEY:"
_SESSION_DATA = "#EXT-X-SESSION-DATA:"
_KEY = "#EXT-X-KEY:"
_HEX_KID = re.compile(r"(?:0x)?([0-9a-fA-F]{32})\b")
_KID_BYTES = 16


@dataclass(frozen=True, slots=True)
class PlaylistKeys:
    """What protects the segments of a media playlist: KIDs, and addresses of keys. Both empty: nothing does."""

    kids: frozenset[Kid] = frozenset()
    uris: frozenset[str] = frozenset()

    @property
    def clear(self) -> bool:
        return not self.uris

    def opened_by(self, granted: Collection[Kid]) -> bool:
        """Whether ``granted`` opens every segment. A playlist with keys but without KIDs is not opened."""
        return self.clear or bool(self.kids and self.kids <= frozenset(granted))


def keys_of_playlist(playlist: str) -> PlaylistKeys:
    """The keys a media playlist names, of every key system."""
    lines = [line for line in playlist.splitlines() if line.startswith(_KEY)]
    said = [found for line in lines if (found := _attributes(line)).get("METHOD") != "NONE"]
    kids = frozenset(kid for found in said if (kid := _kid(found)) is not None)
    return PlaylistKeys(kids, frozenset(found.get("URI", "") for found in said))


def media_uris(playlist: str) -> tuple[str, ...]:
    """Addresses of the media playlists that a multivariant playlist names, as written, without repeats."""
    found = [line for line in playlist.splitlines() if line and not line.startswith("#")]
    tags = [line for line in playlist.splitlines() if line.startswith((_MEDIA, *_I_FRAMES))]
    found += [uri for line in tags if (uri := _attributes(line).get("URI"))]
    return tuple(dict.fromkeys(found))


def filter_hls(playlist: str, keys: Mapping[str, PlaylistKeys], granted: Collection[Kid], address: str) -> str:
    """The playlist without variants, I-frame variants, renditions and session keys that ``granted`` does not open.

    ``keys`` are those of each media playlist by its address as written; ``address`` is the published playlist's own,
    against which every relative address is made whole.
    """
    opened = {uri for uri, found in keys.items() if found.opened_by(granted)}
    usable = frozenset(uri for name in opened for uri in keys[name].uris)
    written: list[str] = []
    lines = iter(playlist.splitlines())
    for line in lines:
        if line.startswith(_STREAM):
            uri = next((after for after in lines if after and not after.startswith("#")), "")
            if uri in opened:
                written += [line, urljoin(address, uri)]
        elif line.startswith(_SESSION_KEY):
            if _key_is_usable(_attributes(line), usable, granted):
                written.append(line)
        elif line.startswith((_MEDIA, *_I_FRAMES)):
            uri = _attributes(line).get("URI", "")
            if not uri or uri in opened:
                written.append(_whole(line, address))
        elif line.startswith(_SESSION_DATA):
            written.append(_whole(line, address))
        else:
            written.append(line)
    return "\n".join(written) + "\n"


def _whole(line: str, address: str) -> str:
    return _URI.sub(lambda found: f'URI="{urljoin(address, found[1])}"', line)


def _key_is_usable(key: Mapping[str, str], usable: Collection[str], granted: Collection[Kid]) -> bool:
    kid = _kid(key)
    return key.get("URI") in usable if kid is None else kid in granted


def _kid(key: Mapping[str, str]) -> Kid | None:
    """The KID of a key line: its KEYID, or what an ``skd`` or Clear Key address holds. None when it says none."""
    uri = key.get("URI", "")
    named = _HEX_KID.fullmatch(key.get("KEYID", ""))
    if named is None and uri.startswith("skd://"):
        named = _HEX_KID.search(uri.replace("-", ""))
    if named is not None:
        return named[1].lower()
    try:
        raw = base64.b64decode(uri.partition("base64,")[2], validate=True)
    except binascii.Error:
        return None
    return raw.hex() if len(raw) == _KID_BYTES else None


def _attributes(line: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.partition(":")[2])}
