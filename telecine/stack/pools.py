"""What the stack asks of Airflow once it runs: its pools, and that the release DAG is loaded."""

import time
from collections.abc import Mapping

import httpx

from telecine.errors import Unavailable
from telecine.settings import Settings

__all__ = ["settle_airflow"]

_PATIENCE_S = 60


def settle_airflow(settings: Settings, pools: Mapping[str, tuple[int, str]]) -> None:
    """Create missing pools and wait until the release DAG can be triggered. Idempotent. Raises Unavailable."""
    url = f"http://127.0.0.1:{httpx.URL(settings.airflow_url).port}"
    with httpx.Client(base_url=url, timeout=20) as client:
        secret = settings.airflow_password.get_secret_value()
        login = client.post("/auth/token", json={"username": settings.airflow_user, "password": secret})
        login.raise_for_status()
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        for name, (slots, purpose) in pools.items():
            body = {"name": name, "slots": slots, "description": purpose, "include_deferred": False}
            answer = client.post("/api/v2/pools", json=body)
            if answer.status_code != httpx.codes.CONFLICT:
                answer.raise_for_status()
        deadline = time.monotonic() + _PATIENCE_S
        while client.get("/api/v2/dags/release_title").status_code != httpx.codes.OK:
            if time.monotonic() > deadline:
                errors = client.get("/api/v2/importErrors").json().get("import_errors", [])
                detail = errors[0]["stack_trace"].strip().splitlines()[-1] if errors else "no import error is known"
                message = f"Airflow has not loaded the release DAG within {_PATIENCE_S} s: {detail}"
                raise Unavailable(message)
            time.sleep(0.3)
