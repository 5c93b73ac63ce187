"""Bounds on what anyone may send: a licence challenge is the largest, some ten kilobytes."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from playback.problems import Problem, ProblemResponse

__all__ = ["LARGEST_BODY_BYTES", "BoundedBody"]

LARGEST_BODY_BYTES = 64 * 1024


class BoundedBody:
    """ASGI middleware: refuses a body over the limit (413), or of unsaid length (411), before reading any of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = _problem(Headers(scope=scope)) if scope["type"] == "http" else None
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await ProblemResponse(problem)(scope, receive, send)


def _problem(headers: Headers) -> Problem | None:
    if "transfer-encoding" in headers:
        detail = "Send the body with a Content-Length, not in chunks."
        return Problem(HTTPStatus.LENGTH_REQUIRED, "length-required", detail)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > LARGEST_BODY_BYTES:
        detail = f"A request has at most {LARGEST_BODY_BYTES} bytes; this one says {length}."
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)
    return None
