"""The tasks of a release that ask a person: Airflow's human-in-the-loop tasks, and what follows of the answers."""

import logging
from typing import Any

from airflow.providers.common.compat.sdk import conf
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException
from telecine_roles import ROLES
from telecine_tasks import Release, final_errors, release_of, wait_while_held

from pipeline import review
from pipeline.gates import APPROVE, OPTIONS, REENCODE, Review
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


class Gate(HITLOperator):
    """Asks a person where there is something to ask, and passes on ``given`` when the answer is yes.

    While it waits it holds no slot, and lists show the title as waiting for a person. Only release
    managers may answer, or whom ``TELECINE_APPROVERS`` names.
    """

    template_fields = ("subject", "body", "given", "evidence")
    ui_color = "#8f6a2f"

    def __init__(self, *, given: Any, evidence: Any = None, options: tuple[str, ...] = OPTIONS, **kwargs: Any) -> None:
        approvers = [{"id": name, "name": name} for name in _approvers()]
        why = _field("Why", "For the audit.")
        # Airflow hands the DAG's own params to every operator: none of them is asked for here
        mine = kwargs | {"params": {"why": why} | self.fields()}
        super().__init__(
            subject="Nothing is asked yet", options=list(options), assigned_users=approvers or None, **mine
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
            self.subject, self.body = asked.subject, asked.body
            review.asked(release.place, release.title_id, release.run_id, asked)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        answer = super().execute_complete(context, event)
        release = release_of(context)
        who = str((answer["responded_by_user"] or {}).get("name") or "Airflow")
        (chosen,) = answer["chosen_options"]
        given = answer["params_input"] or {}
        why = str(given.get("why") or "")
        if chosen == APPROVE:
            review.approved(release.place, release.title_id, who=who, why=why)
            log.info("%s approved: %s", who, why or "no reason given")
            return self._passed_on()
        if chosen == REENCODE:
            problem = review.encode_again(
                release.place, release.request, str(given.get("other_profile") or ""), who=who, why=why
            )
        else:
            problem = review.rejected(release.place, release.title_id, who=who, why=why)
        raise AirflowFailException(problem)


class PackageGate(Gate):
    """Between the proof of a package and its publication: findings, quality, recommendations, as the profile asks."""

    def fields(self) -> dict[str, Any]:
        return {"other_profile": _field("Profile", "To encode again with; not needed for the other answers.")}

    def review(self, release: Release) -> Review | None:
        return review.of_package(release.place, release.request, self.given, self.evidence)


class LaunchGate(Gate):
    """Before a title goes live, where its profile wants a person to say so."""

    def review(self, release: Release) -> Review | None:
        return review.of_launch(release.place, release.request, self.evidence)
