"""``/evidence``: the proof of a version, published or not, for anyone with a role; its pictures are beside it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from board.access import needs
from board.reading import At, Known
from pipeline.proofs import evidence_file, evidence_picture

__all__ = ["router"]

Version = Annotated[str, Path(pattern=r"^v[0-9a-z]{1,31}$")]
Picture = Annotated[str, Path(pattern=r"^v[0-9a-z]{1,31}-[A-Za-z0-9._-]{1,128}$")]

_POLICY = (
    "default-src 'none'; "
    "style-src 'unsafe-inline'; "  # the page carries its own, and no script
    "img-src 'self'; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'self'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",  # a package that is proven again has new evidence
}

router = APIRouter(prefix="/evidence", dependencies=[Depends(needs("viewer"))], include_in_schema=False)


@router.get("/{title_id}/{version}.html")
def page(title_id: Known, version: Version, desk: At) -> Response:
    """The evidence as ``telecine verify`` shows it."""
    return Response(evidence_file(desk.place, title_id, version, "html"), media_type="text/html", headers=_HEADERS)


@router.get("/{title_id}/{version}.json")
def document(title_id: Known, version: Version, desk: At) -> Response:
    """The same as a document."""
    found = evidence_file(desk.place, title_id, version, "json")
    return Response(found, media_type="application/json", headers=_HEADERS)


@router.get("/{title_id}/evidence/{name}.jpg")
def picture(title_id: Known, name: Picture, desk: At) -> Response:
    """A picture of the worst seconds, at the name the page has for it."""
    found = evidence_picture(desk.place, title_id, f"evidence/{name}.jpg")
    return Response(found, media_type="image/jpeg", headers=_HEADERS)
