"""The bearer token of a raw request (RFC 6750, 2.1)."""

from starlette.requests import Request

__all__ = ["bearer_of"]


def bearer_of(request: Request) -> str | None:
    """The token of ``Authorization: Bearer``, None when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
