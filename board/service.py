"""What the endpoints of the board work with, and changes of titles with their audit."""

from dataclasses import dataclass
from http import HTTPStatus

from board.access import Caller
from board.documents import Answer, OrderWish, RollBackWish, SubmitWish, TitleCard
from board.gather import Gathering
from board.operations import Operations, change_of
from board.problems import Problem
from pipeline.installation import Installation
from pipeline.release import Submitted
from telecine.changes import Action, OrderChange
from telecine.publication import Pointer

__all__ = ["Desk"]

_REFUSING = ("reject", "cancel", "stop", "no")


@dataclass(frozen=True, slots=True)
class Desk:
    """One installation and what is done to its titles. Every change by a person leaves an entry in the audit."""

    place: Installation
    operations: Operations
    gathering: Gathering

    def reorder(self, caller: Caller, title_id: str, wish: OrderWish) -> TitleCard:
        """Change class, launch time or hold; it counts from the next chunk on. Raises NotFound."""
        return self._change_order(caller, title_id, wish.change, wish.why)

    def hold(self, caller: Caller, title_id: str, why: str, *, held: bool) -> TitleCard:
        """Start nothing more of a title, or go on with it. Raises NotFound."""
        return self._change_order(caller, title_id, OrderChange(held=held), why)

    def submit(self, caller: Caller, wish: SubmitWish) -> Submitted:
        """Start a title. Raises SourceRejected for a master that cannot become one."""
        params = wish.model_dump(exclude={"why"})
        submitted = self.operations.submit(self.place, params)
        if not (submitted.attached or submitted.already_live):
            self._tell(submitted.title_id, caller, "submit", wish.why)
        return submitted

    def cancel(self, caller: Caller, title_id: str, why: str) -> TitleCard:
        """Stop a title that is under way. Raises NotFound, TelecineError when it is not."""
        self.place.registry.title(title_id)
        self.operations.cancel(self.place, title_id)
        self._tell(title_id, caller, "cancel", why)
        return self.gathering.after_change(title_id)

    def retry(self, caller: Caller, title_id: str, why: str) -> TitleCard:
        """Go on with a title that failed or was cancelled, from what is there. Raises NotFound, TelecineError."""
        self.place.registry.title(title_id)
        self.operations.retry(self.place, title_id)
        self._tell(title_id, caller, "retry", why)
        return self.gathering.after_change(title_id)

    def roll_back(self, caller: Caller, title_id: str, wish: RollBackWish) -> Pointer:
        """Give viewers an earlier version. Raises NotFound, TelecineError."""
        self.place.registry.title(title_id)
        return self.operations.roll_back(self.place, title_id, wish.version, who=caller.name, why=wish.why)

    def decide(self, caller: Caller, token: str, title_id: str, answer: Answer) -> TitleCard:
        """Answer what a run of the title asks, as the caller. Raises NotFound when it asks nothing such."""
        record = self.place.registry.title(title_id)
        key = (record.run_id, answer.task_id, answer.map_index)
        asked = {(q.run_id, q.task_id, q.map_index): q for q in self.gathering.questions()}
        if answer.run_id != record.run_id or key not in asked:
            detail = f"{answer.task_id} of {title_id} asks nothing at the moment."
            raise Problem(HTTPStatus.NOT_FOUND, "no-question", detail)
        question = asked[key]
        unknown = [option for option in answer.options if option not in question.options]
        if unknown:
            known = ", ".join(question.options)
            detail = f"{answer.task_id} offers {known}, and '{unknown[0]}' was chosen."
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown-option", detail)
        given = {"why": answer.why} | ({"other_profile": answer.profile} if answer.profile else {})
        self.operations.answer(self.place, token, question, answer.options, given)
        if "why" not in question.fields:  # a task that asks for the reason writes the audit by itself
            action: Action = "reject" if answer.options[0].casefold().startswith(_REFUSING) else "approve"
            self._tell(title_id, caller, action, f"{', '.join(answer.options)}: {answer.why}")
        return self.gathering.after_change(title_id)

    def _change_order(self, caller: Caller, title_id: str, change: OrderChange, why: str) -> TitleCard:
        self.place.registry.title(title_id)
        self.operations.change_order(self.place, title_id, change, who=caller.name, why=why)
        return self.gathering.after_change(title_id)

    def _tell(self, title_id: str, caller: Caller, action: Action, why: str) -> None:
        self.operations.record(self.place, change_of(title_id, caller.name, action, why))
