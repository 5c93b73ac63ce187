"""The tasks of a release that ask a person: Airflow's human-in-the-loop tasks, and what follows of the answers."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import conf
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException
from telecine_notifier import TelecineNotifier
from telecine_roles import ROLES
from telecine_tasks import Release, final_errors, release_of, wait_while_held

from pipeline import review
from pipeline.airflow_api import BOARD_PATH
from pipeline.gates import APPROVE, OPTIONS, REENCODE, Decision, Links, Review, links_of
from pipeline.questions import Question, answer_standing
from telecine.settings import load_settings

__all__ = ["LaunchGate", "PackageGate"]

log = logging.getLogger(__name__)


def _field(title: str, description: str) -> Param:
    """A field of the answer's form. Its name must be none of the run's own, whose values it would take the place of."""
    return Param("", type="string", title=title, description=description, source="task")


def _approvers() -> list[str]:
    """Who may answer: ``TELECINE_APPROVERS``; else the release managers, of Airflow's simple auth manager OP and ADMIN.

    Another auth manager has permissions of its own for this: then none are named here, and those hold.
    """
    named = list(load_settings().approvers)
    if named or not conf.get("core", "auth_manager", fallback="").endswith(".SimpleAuthManager"):
        return named
    users = [user.strip().partition(":") for user in conf.get("core", "simple_auth_manager_users").split(",")]
    return [name for name, _, role in users if ROLES.get(role.upper()) == "manager"]


def _links(release: Release, version: str) -> Links:
    """Paths, not addresses: a browser may know this Airflow by another name than we do, and is signed in there."""
    path = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return links_of(f"{path}{BOARD_PATH}", release.title_id, release.run_id, version)


class Gate(HITLOperator):
    """Asks a person where there is something to ask, and passes on ``given`` when the answer is yes.

    While it waits it holds no slot, and lists show the title as waiting for a person. Only release
    managers may answer, or whom ``TELECINE_APPROVERS`` names. An answer counts once, also where Airflow loses the
    process that goes on with it and tries the task again.
    """

    reasons: Sequence[str] = ()
    """Why it asks, once it does; its notifier tells them."""

    template_fields = ("subject", "body", "given", "evidence")
    ui_color = "#8f6a2f"

    def __init__(self, *, given: Any, evidence: Any = None, options: tuple[str, ...] = OPTIONS, **kwargs: Any) -> None:
        approvers = [{"id": name, "name": name} for name in _approvers()]
        why = _field("Why", "For the audit.")
        # Airflow hands the DAG's own params to every operator: none of them is asked for here
        mine = kwargs | {"params": {"why": why} | self.fields()}
        super().__init__(
            subject="Nothing is asked yet",
            options=list(options),
            assigned_users=approvers or None,
            notifiers=TelecineNotifier("title.needs_approval"),
            **mine,
        )
        self.given = given
        self.evidence = evidence

    def fields(self) -> dict[str, Any]:
        """What a person fills in besides the reason."""
        return {}

    def review(self, release: Release) -> Review | None:
        """What to ask, None when there is nothing to ask."""
        raise NotImplementedError

    def _passed_on(self) -> Any:
        """What was given, with the results of a mapped task as a plain list."""
        return self.given if isinstance(self.given, str) else list(self.given)

    def execute(self, context: Any) -> Any:
        release = release_of(context)
        wait_while_held(release)
        with final_errors(release):
            asked = self.review(release)
            if asked is None:
                return self._passed_on()
            self.subject, self.body, self.reasons = asked.subject, asked.body, asked.reasons
            answer = self._standing(context, release)
            if answer is not None:
                return self._decided(release, answer)
            review.asked(release.place, release.title_id, asked)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        answer = super().execute_complete(context, event)
        return self._decided(release_of(context), Decision.of(self.task_id, answer))

    def _standing(self, context: Any, release: Release) -> Decision | None:
        """The answer to this very question that an earlier try of the task was lost with."""
        instance = context["ti"]
        if instance.try_number <= 1:
            return None
        question = Question(
            run_id=release.run_id,
            task_id=self.task_id,
            map_index=instance.map_index if instance.map_index is not None else -1,
            subject=self.subject,
            body=self.body,
            options=tuple(self.options),
        )
        return answer_standing(release.place.settings, question)

    def _decided(self, release: Release, decision: Decision) -> Any:
        place = release.place
        if decision.chosen == APPROVE:
            review.approved(place, release.title_id, decision)
            log.info("%s approved: %s", decision.who, decision.why or "no reason given")
            return self._passed_on()
        if decision.chosen == REENCODE:
            problem = review.encode_again(place, release.request, release.run_id, decision)
        else:
            problem = review.rejected(place, release.title_id, decision)
        raise AirflowFailException(problem)


class PackageGate(Gate):
    """Between the proof of a package and its publication: findings, quality, recommendations, as the profile asks."""

    def fields(self) -> dict[str, Any]:
        return {"other_profile": _field("Profile", "To encode again with; not needed for the other answers.")}

    def review(self, release: Release) -> Review | None:
        links = partial(_links, release)
        return review.of_package(release.place, release.request, self.given, self.evidence, links)


class LaunchGate(Gate):
    """Before a title goes live, where its profile wants a person to say so."""

    def review(self, release: Release) -> Review | None:
        return review.of_launch(release.place, release.request, self.evidence, partial(_links, release))
