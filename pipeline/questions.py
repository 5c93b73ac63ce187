"""Questions that runs wait with for a person: Airflow's human-in-the-loop tasks, over its public REST interface."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import Field, TypeAdapter

from pipeline.airflow_api import DAG_ID, AirflowApi
from pipeline.gates import Decision
from telecine.document import Document, UtcTime
from telecine.errors import NotFound, PreconditionFailed, TelecineError, Unavailable
from telecine.settings import Settings

__all__ = ["Question", "answer_question", "answer_standing", "open_questions"]

_TIMEOUT_S = 10


class Question(Document):
    """What a task of a run asks. ``options`` as Airflow spells them."""

    run_id: str
    task_id: str
    map_index: int = -1
    subject: str
    body: str | None = None
    options: tuple[str, ...]
    fields: tuple[str, ...] = Field(
        default=(), description="what may be filled in besides, such as 'why' and 'other_profile'"
    )
    asked_at: UtcTime | None = None
    task_state: str | None = Field(default=None, description="of Airflow")


def answer_standing(settings: Settings, question: Question) -> Decision | None:
    """The answer that a person gave to exactly this question, where it still counts; None: it is asked.

    Airflow may lose the process that goes on with an answer and try the task again, which asks again and forgets the
    answer. It counts until a person clears tasks of the run, which puts the run into the queue anew. Where no Airflow
    is configured to be looked at, it is asked. Raises NotFound for a run that Airflow does not know, Unavailable.
    """
    if not settings.airflow_url:
        return None
    airflow = AirflowApi(settings)
    run = f"/api/v2/dags/{DAG_ID}/dagRuns/{quote(question.run_id, safe='')}"
    try:
        found = airflow.get(f"{run}/taskInstances/{question.task_id}/{question.map_index}/hitlDetails")
    except NotFound:
        return None  # it was tried again before it could ask
    same = (found["subject"], found.get("body")) == (question.subject, question.body)
    if not same or found.get("responded_at") is None:
        return None
    decision = Decision.of(question.task_id, found)
    queued_at = TypeAdapter(UtcTime).validate_python(airflow.get(run)["queued_at"])
    return decision if decision.at > queued_at else None


def open_questions(settings: Settings) -> tuple[Question, ...]:
    """Every question of a release that nobody has answered, the oldest first. Raises Unavailable."""
    found = AirflowApi(settings).get(
        f"/api/v2/dags/{DAG_ID}/dagRuns/~/hitlDetails", {"response_received": "false", "limit": "100"}
    )
    questions = (_question(row) for row in found["hitl_details"])
    return tuple(question for question in questions if question.task_state not in {"failed", "skipped", "removed"})


def answer_question(
    settings: Settings, token: str, question: Question, options: Sequence[str], given: Mapping[str, str]
) -> None:
    """Answer as the person whose token of Airflow it is, so that Airflow knows who answered.

    Of ``given`` counts what the question has fields for.

    Raises NotFound, PreconditionFailed when it was answered meanwhile, Unavailable.
    """
    path = (
        f"/api/v2/dags/{DAG_ID}/dagRuns/{question.run_id}/taskInstances/{question.task_id}"
        f"/{question.map_index}/hitlDetails"
    )
    # Airflow takes all fields of a question or none
    fields = {name: given.get(name, "") for name in question.fields}
    body = {"chosen_options": list(options), "params_input": fields}
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=settings.airflow_url, timeout=_TIMEOUT_S) as client:
            answer = client.patch(path, json=body, headers=headers)
    except httpx.TransportError as error:
        message = f"Airflow at {settings.airflow_url} does not answer ({type(error).__name__})."
        raise Unavailable(message) from None  # the request holds a token
    if answer.status_code == httpx.codes.NOT_FOUND:
        message = f"Airflow knows no open question of {question.task_id} in the run {question.run_id}."
        raise NotFound(message)
    if answer.status_code == httpx.codes.CONFLICT:
        message = f"The question of {question.task_id} was answered meanwhile."
        raise PreconditionFailed(message)
    if answer.is_error:
        message = f"Airflow answered {answer.status_code} to the decision: {answer.text[:200]}"
        raise TelecineError(message)


def _question(row: Mapping[str, Any]) -> Question:
    task = row["task_instance"]
    return Question(
        run_id=task["dag_run_id"],
        task_id=task["task_id"],
        map_index=task.get("map_index", -1),
        subject=row["subject"],
        body=row.get("body"),
        options=tuple(row["options"]),
        fields=tuple(row.get("params") or ()),
        asked_at=row.get("created_at"),
        task_state=task.get("state"),
    )
