"""The release board in Airflow's UI: an application under /telecine, signed in by Airflow's own users."""

from functools import lru_cache
from typing import Any

from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from airflow.plugins_manager import AirflowPlugin
from fastapi import HTTPException, Request
from telecine_roles import role_of

from board.access import Caller
from board.app import create_app
from pipeline.airflow_api import BOARD_PATH
from pipeline.installation import Installation, open_installation
from telecine.settings import load_settings

__all__ = ["TelecineBoard", "identify"]


@lru_cache(maxsize=1)
def place() -> Installation:
    """The installation, opened when the first request comes."""
    return open_installation(load_settings())


async def identify(request: Request) -> Caller | None:
    """Whoever Airflow says it is, by bearer token or by the cookie of its UI; None for nobody.

    Raises HTTPException 403 for a user of Airflow whose role has no counterpart here.
    """
    try:
        user = await get_user(request, None, await bearer_scheme(request))
    except HTTPException:
        return None  # no token, or one that is no good: sign in
    name = user.get_name()
    role = role_of(user)
    if role is None:
        raise HTTPException(403, f"The user {name} of Airflow has no role on the release board.")
    return Caller(name=name, role=role)


def view(name: str, destination: str, path: str, **more: Any) -> dict[str, Any]:
    """An entry of Airflow's UI that shows a page of ours in its frame."""
    icon = f"{BOARD_PATH}/assets/board.svg"
    return {"name": name, "href": f"{BOARD_PATH}{path}", "destination": destination, "icon": icon, **more}


class TelecineBoard(AirflowPlugin):
    """What Airflow loads."""

    name = "telecine"
    fastapi_apps = [{"app": create_app(place, identify), "url_prefix": BOARD_PATH, "name": "Telecine"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012 - Airflow reads plain lists
        view("Releases", "nav", "/", url_route="releases", nav_top_level=True),
        view("Upload", "nav", "/upload", url_route="upload", nav_top_level=True),
        view("Release board", "dag_run", "/?run={RUN_ID}", url_route="release"),
    ]
