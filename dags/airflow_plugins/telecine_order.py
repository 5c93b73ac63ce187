"""The order of titles in Airflow: an application under /telecine-order that re-weighs the tasks that wait."""

from functools import lru_cache
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.taskinstance import TaskInstance
from airflow.plugins_manager import AirflowPlugin
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import or_, update
from telecine_roles import role_of

from telecine.order import weight
from telecine.registry.repository import Registry
from telecine.settings import load_settings

__all__ = ["TelecineOrder"]

app = FastAPI(title="Order of titles", docs_url=None, redoc_url=None, openapi_url=None)


@lru_cache(maxsize=1)
def registry() -> Registry:
    """The registry, opened when the first request comes."""
    return Registry(load_settings().registry_url)


def release_manager(user: GetUserDep) -> Any:
    """Airflow's user, where it may change the order."""
    if role_of(user) != "manager":
        raise HTTPException(403, f"The user {user.get_name()} may not change the order of titles.")
    return user


@app.post("/runs/{run_id}")
def follow(run_id: str, _user: Annotated[Any, Depends(release_manager)]) -> dict[str, int]:
    """Give the tasks of a run that wait the weight of its title's place now: the scheduler's next round goes by it."""
    place = registry().place_of_run(run_id)
    if place is None:
        raise HTTPException(404, f"No title is at work in the run {run_id}.")
    waiting = or_(TaskInstance.state.is_(None), TaskInstance.state.in_(WAITING))
    with create_session() as session:
        mine = (TaskInstance.dag_id == "release_title") & (TaskInstance.run_id == run_id) & waiting
        changed = session.execute(update(TaskInstance).where(mine).values(priority_weight=weight(place)))
        return {"tasks": int(changed.rowcount), "weight": weight(place)}


WAITING = [
    TaskInstanceState.SCHEDULED,
    TaskInstanceState.UP_FOR_RETRY,
    TaskInstanceState.UP_FOR_RESCHEDULE,
    TaskInstanceState.DEFERRED,
]


class TelecineOrder(AirflowPlugin):
    """What Airflow loads."""

    name = "telecine_order"
    fastapi_apps = [{"app": app, "url_prefix": "/telecine-order", "name": "Order of titles"}]  # noqa: RUF012
