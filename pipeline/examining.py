"""The examination of a master beside its encode: the first that ends badly stops the other."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from threading import Event
from typing import TypeVar

from encoders.documents import EncodePlan
from pipeline import steps
from pipeline.progress import EncodeProgress
from pipeline.workplace import Workplace
from telecine.errors import EncodeFailed, SourceRejected
from telecine.findings import SourceReport

__all__ = ["examine_beside"]

T = TypeVar("T")
OnProgress = Callable[[EncodeProgress], None]


def examine_beside(
    place: Workplace, plan: EncodePlan, profile_name: str, encode: Callable[[OnProgress], T], on_progress: OnProgress
) -> tuple[T, SourceReport]:
    """What ``encode`` returns, and the report. ``encode`` is given the progress callback it must call.

    Raises SourceRejected as soon as a finding ends the title; whatever ``encode`` raises ends the examination.
    """
    over = Event()

    def go_on(_: Fraction) -> None:
        if over.is_set():
            message = "Examining was stopped."
            raise EncodeFailed(message)

    def told(progress: EncodeProgress) -> None:
        _raise_if_refused(examined)
        on_progress(progress)

    with ThreadPoolExecutor(1) as pool:
        examined: Future[SourceReport] = pool.submit(_examined, place, plan, profile_name, go_on)
        try:
            made = encode(told)
            return made, examined.result()
        finally:
            over.set()


def _examined(place: Workplace, plan: EncodePlan, profile_name: str, go_on: Callable[[Fraction], None]) -> SourceReport:
    return steps.accept(steps.examine(place, plan.probe, profile_name, go_on), plan.master)


def _raise_if_refused(examined: "Future[SourceReport]") -> None:
    problem = examined.exception() if examined.done() else None
    if isinstance(problem, SourceRejected):
        raise problem
