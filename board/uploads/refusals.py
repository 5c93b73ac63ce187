"""Errors of the product as answers of HTTP: one sentence each, whatever application the routes are part of."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from telecine.errors import NotFound, TelecineError, Unavailable

__all__ = ["TellingRoute", "status_of"]


def status_of(error: TelecineError) -> HTTPStatus:
    match error:
        case NotFound():
            return HTTPStatus.NOT_FOUND
        case Unavailable():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case _:
            return HTTPStatus.UNPROCESSABLE_ENTITY


class TellingRoute(APIRoute):
    """A route that answers a TelecineError with its sentence."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def telling(request: Request) -> Response:
            try:
                return await inner(request)
            except TelecineError as error:
                raise HTTPException(status_of(error), str(error)) from error

        return telling
