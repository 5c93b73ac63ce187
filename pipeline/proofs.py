"""Evidence kept with versions, published or not: what a person who decides about one looks at."""

from typing import Literal

from packagers.plan import package_key
from pipeline.installation import Installation
from pipeline.verifying import evidence_key
from pipeline.worst import picture_key
from telecine.errors import NotFound
from telecine.publication import Package

__all__ = ["evidence_file", "evidence_picture"]


def evidence_file(place: Installation, title_id: str, version: str, kind: Literal["html", "json"]) -> bytes:
    """The evidence of a version, as a page or as the document. Raises NotFound."""
    return _read(place, evidence_key(_package(place, title_id, version), kind), f"{title_id} {version}")


def evidence_picture(place: Installation, title_id: str, name: str) -> bytes:
    """A JPEG that evidence of the title shows, by the name it has there. Raises NotFound."""
    version = name.rpartition("/")[2].partition("-")[0]
    return _read(place, picture_key(_package(place, title_id, version), name), f"{title_id}, {name}")


def _package(place: Installation, title_id: str, version: str) -> Package:
    """A package that was made of a title that is in the registry."""
    place.registry.title(title_id)
    return Package.model_validate_json(_read(place, package_key(title_id, version), f"{title_id} {version}"))


def _read(place: Installation, key: str, what: str) -> bytes:
    try:
        return place.work.get_bytes(key)[0]
    except NotFound:
        message = f"No evidence of {what} is kept."
        raise NotFound(message) from None
