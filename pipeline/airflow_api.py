"""The few calls of Airflow's public REST API (v2) that the command line needs."""

import time
from collections.abc import Mapping
from typing import Any

import httpx
import stamina

from telecine.document import Document
from telecine.errors import MissingRequirement, NotFound, TelecineError, Unavailable
from telecine.settings import Settings

__all__ = ["BOARD_PATH", "DAG_ID", "AirflowApi", "RunState"]

DAG_ID = "release_title"
BOARD_PATH = "/telecine"
"""Where Airflow's API server has the release board."""

_FAIL_TRIES = 3
_SCHEDULER_ROUND_S = 1.0


class RunState(Document):
    """A DAG run and its tasks, by name; a mapped task shows its least advanced copy."""

    run_id: str
    state: str
    tasks: dict[str, str]


class AirflowApi:
    """Talks to the API server as the configured user. Raises Unavailable when it does not answer."""

    def __init__(self, settings: Settings) -> None:
        if not settings.airflow_url:
            message = "No Airflow is configured here: start the stack with 'telecine up', or set TELECINE_AIRFLOW_URL."
            raise MissingRequirement(message)
        self._settings = settings
        self._client = httpx.Client(base_url=settings.airflow_url, timeout=20)
        self._token = ""

    def trigger(self, run_id: str, conf: Mapping[str, object]) -> str:
        """Start a run of the release DAG; the same run id twice is one run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        answer = self._call("POST", f"/api/v2/dags/{DAG_ID}/dagRuns", body)
        if answer.status_code != httpx.codes.CONFLICT:
            _raise_for(answer)
        return run_id

    def run(self, run_id: str) -> RunState:
        """Raises NotFound."""
        answer = self._call("GET", f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            message = f"Airflow does not know the run {run_id}."
            raise NotFound(message)
        _raise_for(answer)
        tasks = self._call("GET", f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances")
        _raise_for(tasks)
        states = {task["task_id"]: task["state"] or "waiting" for task in tasks.json()["task_instances"]}
        return RunState(run_id=run_id, state=answer.json()["state"], tasks=states)

    def fail(self, run_id: str) -> None:
        """Mark a run as failed, and with it every task that is not over; Airflow ends those that run.

        A run that Airflow does not know stays as it is. A round of the scheduler that is under way meanwhile finds all
        last tasks skipped and calls the run a success: so it is looked at again a moment later.
        """
        for _ in range(_FAIL_TRIES):
            answer = self._call("PATCH", f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}", {"state": "failed"})
            if answer.status_code == httpx.codes.NOT_FOUND:
                return
            _raise_for(answer)
            time.sleep(_SCHEDULER_ROUND_S)
            if self.run(run_id).state == "failed":
                return

    def follow_order(self, run_id: str) -> None:
        """Have the tasks of a run that do not run yet take the weight its title has now (our plugin's own call).

        Asked once: who changes an order does not wait for an Airflow that is away. Raises Unavailable.
        """
        answer = self._ask("POST", f"/telecine-order/runs/{run_id}")
        if answer.status_code != httpx.codes.NOT_FOUND:
            _raise_for(answer)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """What a path of the interface answers, decoded. Raises NotFound."""
        answer = self._call("GET", f"{path}?{httpx.QueryParams(query)}" if query else path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            message = f"Airflow knows nothing at {path}."
            raise NotFound(message)
        _raise_for(answer)
        return answer.json()

    @stamina.retry(on=Unavailable, attempts=8, timeout=40)
    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> httpx.Response:
        return self._ask(method, path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> httpx.Response:
        try:
            if not self._token:
                self._token = self._log_in()
            answer = self._client.request(method, path, json=body, headers={"Authorization": f"Bearer {self._token}"})
        except httpx.TransportError as error:
            message = f"Airflow at {self._settings.airflow_url} does not answer ({type(error).__name__})."
            raise Unavailable(message) from error
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._token = ""
        no_dag_yet = path.endswith("/dagRuns") and answer.status_code == httpx.codes.NOT_FOUND
        if answer.is_server_error or answer.status_code == httpx.codes.UNAUTHORIZED or no_dag_yet:
            message = f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:200]}"
            raise Unavailable(message)
        return answer

    def _log_in(self) -> str:
        secret = self._settings.airflow_password.get_secret_value()
        credentials = {"username": self._settings.airflow_user, "password": secret}
        answer = self._client.post("/auth/token", json=credentials)
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            message = f"Airflow refused the login of '{self._settings.airflow_user}'."
            raise TelecineError(message)
        if answer.is_error:
            message = f"Airflow answered {answer.status_code} to the login."
            raise Unavailable(message)
        return str(answer.json()["access_token"])


def _raise_for(answer: httpx.Response) -> None:
    if answer.is_error:
        detail: Any = answer.text[:300]
        message = f"Airflow answered {answer.status_code}: {detail}"
        raise TelecineError(message)
