"""How much one viewer and one device may ask for."""

from dataclasses import dataclass
from http import HTTPStatus

from playback.problems import Problem
from telecine.settings import Settings

__all__ = ["LICENSE_WINDOW_S", "Quotas", "quotas_of", "too_many"]

LICENSE_WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Quotas:
    """Sessions at once, and licences in ``LICENSE_WINDOW_S`` seconds, of one user and of one device of theirs."""

    sessions_per_user: int = 10
    sessions_per_device: int = 5
    licenses_per_user: int = 120
    licenses_per_device: int = 60


def quotas_of(settings: Settings) -> Quotas:
    """What an installation's settings allow."""
    return Quotas(
        sessions_per_user=settings.sessions_per_user,
        sessions_per_device=settings.sessions_per_device,
        licenses_per_user=settings.licenses_per_user,
        licenses_per_device=settings.licenses_per_device,
    )


def too_many(reason: str, detail: str, retry_after_s: int) -> Problem:
    """429 with the time to wait (RFC 6585, 4)."""
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, reason, detail, headers={"Retry-After": str(max(1, retry_after_s))})
