"""Who calls, and what they may do: viewers look, ops upload and start, managers decide."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Literal, cast

from fastapi import HTTPException, Request

from telecine.document import Document

__all__ = ["Caller", "Role", "needs"]

Role = Literal["viewer", "ops", "manager"]
_RANKS: dict[Role, int] = {"viewer": 0, "ops": 1, "manager": 2}


class Caller(Document):
    """A user of Airflow, by name and role."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether the caller may do what ``role`` may."""
        return _RANKS[self.role] >= _RANKS[role]


def needs(role: Role) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: the caller, when signed in (401 otherwise) and of at least this role (403 otherwise)."""

    async def allowed(request: Request) -> Caller:
        identify = cast("Callable[[Request], Awaitable[Caller | None]]", request.app.state.identify)
        caller = await identify(request)
        if caller is None:
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "Sign in to Airflow first.")
        if not caller.may(role):
            raise HTTPException(HTTPStatus.FORBIDDEN, f"This needs the role {role}; {caller.name} is {caller.role}.")
        return caller

    return allowed
