"""Media types by the ending of an object's name. Pure."""

__all__ = ["CONTENT_TYPES", "content_type"]

CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".mpd": "application/dash+xml",
    ".vtt": "text/vtt",
}


def content_type(name: str) -> str | None:
    """None where the ending says nothing special."""
    return next((found for ending, found in CONTENT_TYPES.items() if name.endswith(ending)), None)
