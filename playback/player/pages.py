"""The pages a browser gets and what they may load: own files, the player library from npm, and the edges' media."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["PLAYER_LIBRARY", "WEB_ROOT", "Asset", "assets", "content_security_policy"]

WEB_ROOT = Path(__file__).resolve().parent.parent / "web"
PLAYER_LIBRARY = WEB_ROOT / "node_modules" / "shaka-player" / "dist" / "shaka-player.compiled.js"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file a page loads."""

    path: Path
    content_type: str


def assets() -> dict[str, Asset]:
    """Every file under ``/assets/``, by name: an allow-list, so nothing else of the folder can be fetched."""
    own = {
        path.name: Asset(path, content_type)
        for pattern, content_type in (("*.js", "text/javascript"), ("*.css", "text/css"), ("*.svg", "image/svg+xml"))
        for path in sorted(WEB_ROOT.glob(pattern))
    }
    return {**own, "shaka-player.js": Asset(PLAYER_LIBRARY, "text/javascript")}


def content_security_policy(origins: tuple[str, ...]) -> str:
    """Scripts and styles from this service only; media and licences from it and from ``origins`` (URLs)."""
    reachable = " ".join(dict.fromkeys(f"{url.scheme}://{url.netloc}" for url in map(urlsplit, origins) if url.netloc))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "media-src 'self' blob:",
            f"connect-src 'self' {reachable}".rstrip(),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        )
    )
