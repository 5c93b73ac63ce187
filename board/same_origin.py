"""Changes are taken from pages of this origin only: another site's page may make a browser send its cookie."""

from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from board.problems import Problem, ProblemResponse

__all__ = ["OWN_HEADER", "SameOrigin", "foreign"]

OWN_HEADER = "x-telecine-request"
"""A header no form can send, and no other origin's script without being asked for it first (Fetch, 3.3.2)."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SameOrigin:
    """Middleware: a change without a bearer token needs ``OWN_HEADER`` and signs of this very origin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            problem = foreign(Headers(scope=scope))
            if problem is not None:
                refusal = ProblemResponse(Problem(HTTPStatus.FORBIDDEN, "cross-site", problem))
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def foreign(headers: Headers) -> str | None:
    """Why a change may come from another site; None when it cannot.

    A bearer token is never sent by itself, and a request without a cookie is nobody's.
    """
    if "cookie" not in headers or headers.get("authorization", "").lower().startswith("bearer "):
        return None
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return f"Changes are taken from this origin's own pages, and this one came from a {site} page."
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        return f"Changes are taken from this origin's own pages, and this one came from {origin}."
    if OWN_HEADER not in headers:
        return f"A change with a cookie needs the header {OWN_HEADER}."
    return None
