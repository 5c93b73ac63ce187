"""How a master is called when speaking to people. Pure."""

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

__all__ = ["file_name", "path_of", "shown"]


def shown(uri: str) -> str:
    """A URI for a person to read, without credentials: user, password and query are left out."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def file_name(uri: str) -> str:
    """The last part of a URI's path, as its owner knows the file."""
    return PurePosixPath(unquote(urlsplit(uri).path)).name or shown(uri)


def path_of(uri: str) -> Path:
    """The path that a file URI names."""
    return Path(unquote(urlsplit(uri).path))
