"""What this installation's forecast says of a plan that nobody has started yet."""

from board.uploads.planning import Outlook
from encoders.documents import EncodePlan
from pipeline.forecasting import outlook
from pipeline.installation import Installation
from telecine.errors import Unavailable

__all__ = ["outlook_of"]


def outlook_of(place: Installation, plan: EncodePlan) -> Outlook:
    """Started now, as a title of class normal without a launch; unknown where the registry does not answer."""
    try:
        found = outlook(place, plan)
    except Unavailable:
        return Outlook()
    return Outlook(cpu_s=found.work_s, ready_p50=found.p50, ready_p90=found.p90, basis=found.basis)
