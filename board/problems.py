"""Refusals of the release board: RFC 9457 problem documents, each with one sentence for a person."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from playback.problems import Problem, ProblemResponse
from telecine.errors import MissingRequirement, NotFound, PreconditionFailed, TelecineError, Unavailable
from telecine.log import get_logger

__all__ = ["Problem", "ProblemResponse", "install_problems", "status_of"]

_log = get_logger("board")


def install_problems(app: FastAPI) -> None:
    """Answer every error of ``app``, its framework's own included, as a problem document."""
    app.add_exception_handler(TelecineError, _refused)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


def status_of(error: TelecineError) -> HTTPStatus:
    """404 for what does not exist, 503 for what does not answer, 409 for what changed meanwhile, 422 for the rest."""
    match error:
        case NotFound():
            return HTTPStatus.NOT_FOUND
        case Unavailable() | MissingRequirement():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case PreconditionFailed():
            return HTTPStatus.CONFLICT
        case _:
            return HTTPStatus.UNPROCESSABLE_ENTITY


def _refused(_: Request, error: Exception) -> ProblemResponse:
    if isinstance(error, Problem):
        return ProblemResponse(error)
    if not isinstance(error, TelecineError):  # pragma: no cover - registered for TelecineError only
        raise error
    status = status_of(error)
    return ProblemResponse(Problem(status, _reason(status), str(error)))


def _framework(_: Request, error: Exception) -> ProblemResponse:
    if not isinstance(error, HTTPException):  # pragma: no cover - registered for HTTPException only
        raise error
    status = HTTPStatus(error.status_code)
    detail = error.detail if error.detail.endswith(".") else f"{error.detail}."
    return ProblemResponse(Problem(status, _reason(status), detail, headers=error.headers))


def _invalid(_: Request, error: Exception) -> ProblemResponse:
    if not isinstance(error, RequestValidationError):  # pragma: no cover - registered for that only
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
    said = f"{where}: {first['msg']}."
    return ProblemResponse(Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", said))


def _unexpected(request: Request, error: Exception) -> ProblemResponse:
    # the type alone: exception text of a library may quote what it was given
    _log.error("board.failed", path=request.url.path, error=type(error).__name__)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return ProblemResponse(Problem(status, _reason(status), "The board met a fault of its own; it is logged."))


def _reason(status: HTTPStatus) -> str:
    return status.phrase.lower().replace(" ", "-")
