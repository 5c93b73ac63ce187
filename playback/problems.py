"""Refusals as RFC 9457 problem documents: every error of the service has this one shape."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from telecine.errors import TelecineError, Unavailable
from telecine.log import get_logger

__all__ = ["RETRY_AFTER_S", "Problem", "ProblemResponse", "install_problems"]

RETRY_AFTER_S = 2
_log = get_logger("playback")


class Problem(TelecineError):
    """A request refused with one sentence for a person and one code (``reason``) for a program."""

    def __init__(
        self, status: HTTPStatus, reason: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.reason = reason
        self.detail = detail
        self.headers = dict(headers or {})
        super().__init__(detail)


class ProblemResponse(JSONResponse):
    """``application/problem+json`` that no cache keeps. ``more`` are extension members (RFC 9457, 3.2)."""

    media_type = "application/problem+json"

    def __init__(self, problem: Problem, more: Mapping[str, object] | None = None) -> None:
        content = {
            "type": f"urn:telecine:problem:{problem.reason}",
            "title": problem.status.phrase,
            "status": problem.status.value,
            "detail": problem.detail,
            "reason": problem.reason,
            **(more or {}),
        }
        headers = {"Cache-Control": "no-store", **problem.headers}
        super().__init__(content, status_code=problem.status.value, headers=headers)


def install_problems(app: FastAPI) -> None:
    """Answer every error of ``app``, its framework's own included, as a problem document."""
    app.add_exception_handler(Problem, _refused)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


def _refused(_: Request, error: Exception) -> ProblemResponse:
    if not isinstance(error, Problem):  # pragma: no cover - registered for Problem only
        raise error
    return ProblemResponse(error)


def _framework(request: Request, error: Exception) -> ProblemResponse:
    if not isinstance(error, HTTPException):  # pragma: no cover - registered for HTTPException only
        raise error
    status = HTTPStatus(error.status_code)
    reason = status.phrase.lower().replace(" ", "-")
    detail = f"{request.method} {request.url.path}: {error.detail}."
    return ProblemResponse(Problem(status, reason, detail, headers=error.headers))


def _invalid(_: Request, error: Exception) -> ProblemResponse:
    if not isinstance(error, RequestValidationError):  # pragma: no cover - registered for that only
        raise error
    # the offending input is left out: it may be a token
    faults = [{"where": ".".join(map(str, fault["loc"])), "what": fault["msg"]} for fault in error.errors()]
    detail = "The request does not have the expected shape: " + "; ".join(f"{f['where']}: {f['what']}" for f in faults)
    return ProblemResponse(Problem(HTTPStatus.BAD_REQUEST, "malformed-request", detail), {"errors": faults})


def _unavailable(request: Request, error: Exception) -> ProblemResponse:
    _log.warning("request.unavailable", path=request.url.path, why=str(error))
    return ProblemResponse(
        Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "unavailable",
            f"A part of the service does not answer at the moment. Try again in {RETRY_AFTER_S} seconds.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    )


def _unexpected(request: Request, error: Exception) -> ProblemResponse:
    # the type alone: exception text of a library may quote what it was given
    _log.error("request.failed", path=request.url.path, error=type(error).__name__)
    logging.getLogger("playback").debug("request failed", exc_info=error)
    return ProblemResponse(
        Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "The service met a fault of its own; it is logged.")
    )
