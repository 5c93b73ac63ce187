"""Roles of Airflow's simple auth manager, and what each may do to titles."""

from typing import Any

from board.access import Role

__all__ = ["ROLES", "role_of"]

ROLES: dict[str, Role] = {"VIEWER": "viewer", "USER": "ops", "OP": "manager", "ADMIN": "manager"}


def role_of(user: Any) -> Role | None:
    """What a user of Airflow is here; None for a role that has no counterpart."""
    return ROLES.get(str(getattr(user, "role", None) or "").upper())
